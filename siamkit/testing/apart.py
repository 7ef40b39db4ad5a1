"""A plugin in a process of its own, where an import is a first one and no network is there."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from siamkit.testing.outcome import NotRun

SECONDS = 240.0  # until a plugin counts as stuck
WATCH = 1.0  # seconds from one look at the parent to the next
GRACE = 2.0  # seconds from an interrupt to the kill


@dataclass(frozen=True, slots=True)
class Report:
    """What `siamkit.testing.child` has seen."""

    said: str = ""  # on standard output, at import
    said_in_use: str = ""  # and after that
    threads: list[str] = field(default_factory=list)  # that the import has left running
    heavy: list[str] = field(default_factory=list)  # packages that it has imported
    network: list[str] = field(default_factory=list)  # addresses that were asked for, ever
    changed: list[str] = field(default_factory=list)  # of what belongs to the whole process, ever
    imported: str = ""  # the error, or ''
    used: str = ""  # the error of what came after the import, or ''
    fingerprint: str | None = None


def look(plugin: Any, kind: str) -> Report:
    """Import, construct and use a plugin's class. Raises NotRun for one that has no address."""
    place = address(plugin)
    with tempfile.TemporaryDirectory(prefix="siamkit-check-") as folder:
        out, log = Path(folder) / "report.json", Path(folder) / "stderr.txt"
        command = [sys.executable, "-m", "siamkit.testing.child"]
        told = [kind, *place, str(out)]
        # No pipes: a process that the plugin starts would keep them open.
        with log.open("wb") as errors, process([*command, *told], stderr=errors) as running:
            try:
                code = running.wait(SECONDS)
            except subprocess.TimeoutExpired:
                return Report(imported=f"nothing within {SECONDS:.0f} s")
        if not out.exists():
            said = log.read_text(errors="replace").strip().splitlines() or ["nothing"]
            return Report(imported=f"the process ended with code {code}: {said[-1]}")
        return Report(**json.loads(out.read_text(encoding="utf-8")))


@contextmanager
def process(
    command: Sequence[str], *, stdout: int = subprocess.DEVNULL, stderr: Any = None
) -> Iterator[subprocess.Popen[str]]:
    """A process that imports what this one can; it ends with all that it has started."""
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,
    ) as running:
        try:
            yield running
        finally:
            if running.poll() is None:  # let it end in order, and what it has begun likewise
                running.send_signal(signal.SIGINT)
                with suppress(subprocess.TimeoutExpired):
                    running.wait(GRACE)
            end(running)


def end_with_parent() -> None:
    """Of a process that `process` has begun: see to it that it does not outlive who began it."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH)
        os.killpg(0, signal.SIGKILL)  # with what it has started itself

    if hasattr(os, "killpg"):
        threading.Thread(target=watch, daemon=True).start()


def address(plugin: Any) -> tuple[str, str]:
    """Module and name of a plugin's class. Raises NotRun where no other process finds it."""
    made = type(plugin)
    if "<locals>" in made.__qualname__ or made.__module__ == "__main__":
        raise NotRun(f"define {made.__qualname__} at the top of a module: it is imported anew")
    return made.__module__, made.__qualname__


def imported(module: str, qualname: str) -> Any:
    """The class of an `address`."""
    made: Any = importlib.import_module(module)
    for name in qualname.split("."):
        made = getattr(made, name)
    return made


def end(running: subprocess.Popen[str]) -> None:
    """Kill a process of `process`, and what it has started."""
    if not hasattr(os, "killpg"):
        running.kill()
        return
    with suppress(ProcessLookupError, PermissionError):  # there is nobody left, or only zombies
        os.killpg(running.pid, signal.SIGKILL)
