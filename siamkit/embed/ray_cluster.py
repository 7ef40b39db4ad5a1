"""Connect to a Ray cluster by its address, or start Ray on this machine."""

from __future__ import annotations

import os
import re
import secrets
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput, SiamkitError
from siamkit.io.extras import require_extra
from siamkit.io.sources import shorten
from siamkit.io.unfinished import scratch
from siamkit.sdk import threads

ADDRESS = re.compile(r"(?:ray://)?[^/\s:]+:\d{1,5}|(?:ray://)?\[[0-9a-fA-F:]+\]:\d{1,5}|auto")
FORMS = "a number of processes here, ray://HOST:10001, HOST:6379, or auto"
CLIENT_PORT = 10001  # unless `ray start` is told another
ANSWER_SECONDS = 5  # to wait for an address to answer
SHORT_PATH = Path("/tmp")  # Ray puts sockets there, whose paths may have 103 bytes
STORE_BYTES = 64_000_000  # of samples in memory, per local worker; Ray puts more on the disk
# Ray reads these when it is imported. It reports to its makers unless it is told not to.
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_AUTO_CONNECT": "0",  # or it starts another Ray when a cluster is gone
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # leaves CUDA_VISIBLE_DEVICES alone
    "RAY_CLIENT_INITIAL_CONNECTION_TIMEOUT_S": "2",
    "RAY_CLIENT_MAX_CONNECTION_TIMEOUT_S": "3",
}
_connected = threading.Lock()
_token: dict[str, str] = {}  # of every Ray that this process starts


@dataclass(frozen=True, slots=True)
class Place:
    """A machine for a worker."""

    name: str  # of the worker there, for people
    cores: int  # its threads
    node: str = ""  # Ray's id of the machine; empty for any


def parse_workers(workers: int | str) -> int | str:
    """Return a number of local workers, or an address. Raises BadInput for anything else."""
    text = str(workers).strip()
    if re.fullmatch(r"[+-]?\d+", text):
        cores = threads.cores()
        if not 1 <= int(text) <= cores:
            raise BadInput(
                f"{text} workers: this machine has {cores} core{'s' * (cores > 1)} to use",
                hint=f"give 1 to {cores}" if cores > 1 else "leave `--workers` out",
            )
        return int(text)
    if not ADDRESS.fullmatch(text):
        raise BadInput(f"{text!r} names no workers", hint=f"give {FORMS}")
    if not text.startswith("ray://") and text.endswith(f":{CLIENT_PORT}"):
        raise BadInput(f"{text} is a port for clients", hint=f"give `--workers ray://{text}`")
    return text


@contextmanager
def connect(workers: int | str) -> Iterator[list[Place]]:
    """Connect to a cluster, or start one; yield where workers can run, one place per machine.

    workers: as `parse_workers` returns it. In a program that has called `ray.init`, that cluster is
    used, and left connected. Raises MissingPackage without Ray, SiamkitError if no cluster answers,
    or it has another Ray or Python than this process.
    """
    require_extra("ray", "`--workers`")
    with ExitStack() as stack:
        if not _connected.acquire(blocking=False):
            raise BadInput(
                "this process embeds with workers already", hint="finish that, or use another one"
            )
        stack.callback(_connected.release)
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        if isinstance(workers, str):
            _require_answer(workers)
        local = stack.enter_context(_local_settings()) if isinstance(workers, int) else {}
        import ray

        if not ray.is_initialized():
            stack.callback(ray.shutdown)
            _init(workers, local)
        yield _places(workers)


def _init(workers: int | str, local: dict[str, Any]) -> None:
    """Call `ray.init`, and keep this process's handler of SIGTERM."""
    import logging

    import ray

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    address = workers if isinstance(workers, str) else "local"
    if isinstance(workers, int):
        options |= {"num_gpus": 0, "include_dashboard": False, **local}
        options["num_cpus"] = workers * _local_cores(workers)
        options["object_store_memory"] = max(2, workers) * STORE_BYTES
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with warnings.catch_warnings(action="ignore"):
            ray.init(address, **options)
    except (Exception, SystemExit) as error:
        if workers == "auto" and isinstance(error, ConnectionError):
            raise SiamkitError("no Ray runs on this machine", hint=_hint_for(error)) from error
        where = "Ray does not start" if isinstance(workers, int) else f"no Ray at {workers}"
        raise SiamkitError(f"{where}: {_in_short(error)}", hint=_hint_for(error)) from error
    else:  # we say in a line of ours what happens to workers
        ray._private.worker._worker_logs_enabled = False
        logging.getLogger("ray").setLevel(logging.CRITICAL)
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


@contextmanager
def _local_settings() -> Iterator[dict[str, Any]]:
    """Let a Ray of our own take commands from this process alone, and leave nothing behind."""
    before = {name: os.environ.get(name) for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN")}
    if not any(before.values()):
        if "ray" not in sys.modules:  # which reads them once
            _token.update({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)})
        os.environ.update(_token)
    try:
        with scratch(SHORT_PATH if SHORT_PATH.is_dir() else Path(tempfile.gettempdir())) as folder:
            yield {"_temp_dir": str(folder)}
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _places(workers: int | str) -> list[Place]:
    import ray

    if isinstance(workers, int):
        cores = _local_cores(workers)
        return [Place(f"worker {number}", cores) for number in range(1, workers + 1)]
    alive = [node for node in ray.nodes() if node["Alive"]]
    cores_of = {node["NodeID"]: int(node["Resources"].get("CPU", 0)) for node in alive}
    places = [
        Place(f"worker on {node['NodeManagerAddress']}", cores_of[node["NodeID"]], node["NodeID"])
        for node in alive
        if cores_of[node["NodeID"]] > 0
    ]
    if not places:
        raise SiamkitError(
            f"the Ray cluster {workers} has no machine with cores to use",
            hint="add one: `ray start --address=HOST:6379` on it",
        )
    return places


def _local_cores(workers: int) -> int:
    """Return the threads of each of so many workers on this machine."""
    return threads.threads() or max(1, threads.cores() // workers)


def _require_answer(address: str) -> None:
    """Raise SiamkitError unless something that may be Ray answers at an address."""
    if _token and not address.startswith("ray://"):
        raise SiamkitError(
            "this process has started a Ray of its own, and would show its token to no other",
            hint="connect from another process, or by ray://HOST:10001",
        )
    if address == "auto" or os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
        return
    import grpc

    target = address.removeprefix("ray://")
    with grpc.insecure_channel(target) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=ANSWER_SECONDS)
        except grpc.FutureTimeoutError as error:
            raise SiamkitError(
                f"no Ray answers at {target} within {ANSWER_SECONDS} s",
                hint="check the address, or start a cluster there: `ray start --head`",
            ) from error


def is_connected() -> bool:
    """True while this process is connected; else any call may connect to another cluster."""
    import ray

    return bool(ray.is_initialized())


def last_line(error: BaseException) -> str:
    """Return the end of an error of Ray's, which says why a process ended."""
    return shorten(str(error).strip().rpartition("\n")[2])


def _in_short(error: BaseException) -> str:
    """Return an error of Ray's on one line, without the traceback of a server that it may quote."""
    text = str(error)
    return last_line(error) if "Traceback" in text else shorten(" ".join(text.split()))


def _hint_for(error: BaseException) -> str:
    if "client server failed" in str(error):  # the head starts one for each client
        return "run the same command again; the head's log in /tmp/ray says more"
    if "ersion" in str(error):
        version = ".".join(map(str, sys.version_info[:2]))
        with suppress(ImportError):
            import ray

            return f"every machine needs Python {version} and `pip install ray=={ray.__version__}`"
    return (
        "`ray start --head` starts one; ray:// takes its client port, by default 10001; one with a"
        " token needs RAY_AUTH_MODE and RAY_AUTH_TOKEN here"
    )
