"""A Milvus server for tests, from the package `milvus`: started once, shared by all workers."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS = 60.0  # until a server that does not answer counts as failed
# Milvus looks at its clock five times a second, and for collections to load once: tests would wait.
SETTINGS = {
    "proxy.timeTickInterval": 20,  # ms
    "queryCoord.checkInterval": 50,
    "queryCoord.distPullInterval": 50,
    "queryCoord.checkHandoffInterval": 500,
    "dataCoord.segment.maxSize": 64,  # MB
    "log.level": "warn",
}
CHECKS = {"QUERYCOORD_CHANNELCHECKINTERVAL": "50", "QUERYCOORD_SEGMENTCHECKINTERVAL": "50"}
# Its etcd listens on port 2380, too, which no setting of the package changes: a second server on a
# machine would not start.
ETCD = """
name: default
data-dir: {folder}/etcd
listen-client-urls: http://127.0.0.1:{client}
advertise-client-urls: http://127.0.0.1:{client}
listen-peer-urls: http://127.0.0.1:{peer}
initial-advertise-peer-urls: http://127.0.0.1:{peer}
initial-cluster: default=http://127.0.0.1:{peer}
"""


class MilvusProcess:
    """A server that keeps its data in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings: dict[str, object] = {**SETTINGS}
        self.environment = {**CHECKS}
        self.process: subprocess.Popen[bytes] | None = None
        self.address = ""

    def start(self) -> None:
        """Start it, on ports that are free, and wait until it answers.

        Raises ImportError without the package, RuntimeError if it does not start.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # it leaves sockets to the collector
            import milvus

            config = milvus.MilvusServerConfig(data_dir=str(self.folder))
            for name, value in self.settings.items():
                config.set(name, value)
            config.resolve()
        port, peer = free_port(), free_port()
        etcd = self.folder / "etcd.yaml"
        client = config.get("etcd_port")
        etcd.write_text(ETCD.format(folder=self.folder, client=client, peer=peer))
        milvus._initialize_data_files(str(self.folder))
        environment = {
            **os.environ,
            **self.environment,
            "DEPLOY_MODE": "STANDALONE",
            "ETCD_CONFIG_PATH": str(etcd),
            "METRICS_PORT": str(port),
            "MILVUS_RUN_DIR": str(self.folder / "run"),
            "LD_LIBRARY_PATH": str(self.folder / "bin"),
        }
        with (self.folder / "output.txt").open("wb") as output:
            self.process = subprocess.Popen(
                [self.folder / "bin" / "milvus", "run", "standalone"],
                cwd=self.folder,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent,
            )
        self.address = f"http://127.0.0.1:{config.get('proxy_port')}"
        self._wait(f"http://127.0.0.1:{port}/healthz")

    def _wait(self, url: str) -> None:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            assert self.process is not None
            if self.process.poll() is not None:
                lines = (self.folder / "output.txt").read_text(errors="replace").splitlines()
                raise RuntimeError(f"it ended: {' '.join(lines[-1:])[:300]}")
            try:
                with urllib.request.urlopen(url, timeout=1) as answer:
                    if b"OK" in answer.read():
                        return
            except OSError:
                pass
            time.sleep(0.1)
        self.kill()
        raise RuntimeError(f"no answer within {SECONDS:.0f} s")

    def kill(self) -> None:
        """Kill it: what it has acknowledged must be there when it is started again."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


@contextmanager
def shared_server() -> Iterator[str]:
    """Give the address of the one server of this run of tests; its first user starts and ends it.

    Raises ImportError, RuntimeError or OSError if it cannot start.
    """
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    folder = Path(tempfile.gettempdir()) / f"siamkit-tests-milvus-{run}"
    folder.mkdir(exist_ok=True)
    address = folder / "address.txt"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        server = None
        try:
            if not address.exists():
                server = MilvusProcess(folder)
                server.start()
                address.write_text(server.address)
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield address.read_text()
        finally:
            if server is not None:
                fcntl.flock(lock, fcntl.LOCK_UN)
                fcntl.flock(lock, fcntl.LOCK_EX)  # when nobody else needs it
                server.kill()
                shutil.rmtree(folder)
