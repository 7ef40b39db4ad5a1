"""What runs in the process of siamkit.testing.apart."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from siamkit.host import surroundings
from siamkit.host.child import end_with_parent
from siamkit.testing.apart import UNTOLD, imported
from siamkit.testing.use import USE

# Seconds to import each; a plugin that needs one imports it inside of a function.
HEAVY = {
    "torch", "torchvision", "tensorflow", "jax", "timm", "transformers", "sentence_transformers",
    "sklearn", "scipy", "pandas", "matplotlib",
}  # fmt: skip


def main(kind: str, module: str, qualname: str, out: str) -> None:
    report: dict[str, Any] = {
        "network": [], "said": "", "said_in_use": "", "threads": [], "heavy": [], "changed": []
    }  # fmt: skip
    _cut_off(report["network"])
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever was inherited
    end_with_parent()
    before, state = set(threading.enumerate()), surroundings.state()
    loaded = set(sys.modules)
    try:
        with _overheard(report, "said"):
            plugin = imported(module, qualname)()
    except BaseException as error:
        report["imported"] = f"{type(error).__name__}: {error}"
    else:
        report["threads"] = [t.name for t in threading.enumerate() if t not in before]
        report["heavy"] = sorted(HEAVY & {name.split(".")[0] for name in set(sys.modules) - loaded})
        report["used"] = UNTOLD
        _tell(report, out)
        report["used"] = ""
        try:
            with _overheard(report, "said_in_use"):
                report["fingerprint"] = USE[kind](plugin)
        except BaseException as error:
            report["used"] = f"{type(error).__name__}: {error}"
        report["changed"] = surroundings.changed(state)
    _tell(report, out)
    sys.stdout.flush()
    os._exit(0)  # a plugin's thread must not keep this process


def _tell(report: dict[str, Any], out: str) -> None:
    aside = Path(f"{out}.aside")
    aside.write_text(json.dumps(report), encoding="utf-8")
    aside.replace(out)


@contextmanager
def _overheard(report: dict[str, Any], what: str) -> Iterator[None]:
    """Keep what is written to standard output, by Python or by a library below it."""
    sys.stdout.flush()
    kept = os.dup(1)
    with tempfile.TemporaryFile() as heard:
        os.dup2(heard.fileno(), 1)
        try:
            yield
        finally:
            sys.stdout.flush()
            os.dup2(kept, 1)
            heard.seek(0)
            report[what] = heard.read().decode(errors="replace")


def _cut_off(asked: list[str]) -> None:
    """Let nothing reach the network, and note who tries."""

    def refuse(address: object) -> OSError:
        asked.append(str(address))
        return OSError("the conformance kit allows no network")

    def guarded(real: Callable[..., Any], place: int) -> Callable[..., Any]:
        """A method of sockets whose argument at `place` is the address."""

        def ask(self: socket.socket, *given: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6):
                raise refuse(given[place])
            return real(self, *given)

        return ask

    def resolve(host: Any, *rest: Any, **more: Any) -> Any:
        raise refuse(host)

    for name, place in (("connect", 0), ("connect_ex", 0), ("sendto", -1)):
        setattr(socket.socket, name, guarded(getattr(socket.socket, name), place))
    for name in ("getaddrinfo", "gethostbyname"):
        setattr(socket, name, resolve)
