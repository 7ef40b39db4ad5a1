"""Run a plugin's class in a process of its own: its import is a first one there, without network.

`siamkit.testing.child` is what runs in that process.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from siamkit.testing.outcome import NotRun

SECONDS = 240.0  # until a plugin counts as stuck


@dataclass(frozen=True, slots=True)
class Report:
    """The child's observations of a plugin."""

    import_error: str = ""
    use_error: str = ""
    import_prints: str = ""  # what the import wrote to standard output
    use_prints: str = ""
    threads: list[str] = field(default_factory=list)  # that the import left running
    heavy: list[str] = field(default_factory=list)  # packages that take seconds, imported
    network: list[str] = field(default_factory=list)  # addresses asked for, at import or in use
    changed: list[str] = field(default_factory=list)  # process-wide settings, at import or in use
    fingerprint: str | None = None


@contextmanager
def child(
    task: str, plugin: object, *arguments: str
) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Start a task of `siamkit.testing.child` on a plugin's class; kill it at the end of the block.

    Gives the process and the file that its answers go to. A file, since a pipe would be kept open
    by every process that the plugin starts. Raises NotRun for a class that has no address.
    """
    place = address(plugin)
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    with tempfile.TemporaryDirectory(prefix="siamkit-check-") as folder:
        answers, errors = Path(folder) / "answers.txt", Path(folder) / "errors.txt"
        with answers.open("wb") as stdout, errors.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "siamkit.testing.child", task, *place, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env={**os.environ, "PYTHONPATH": path},
                text=True,
            )
            try:
                yield process, answers
            finally:
                process.kill()
                process.wait()


def observe(plugin: object, kind: str) -> Report:
    """Import, construct and use a plugin's class once. Raises NotRun for one without an address."""
    with child("observe", plugin, kind) as (process, answers):
        try:
            ended = f"the process ended with code {process.wait(SECONDS)}"
        except subprocess.TimeoutExpired:
            ended = f"nothing within {SECONDS:.0f} s"
        # One report after the import, another after the use.
        lines = [line for line in answers.read_text(encoding="utf-8").splitlines() if line]
        last_words = answers.with_name("errors.txt").read_text(errors="replace").split("\n")
    if not lines:
        reason = next((line for line in reversed(last_words) if line.strip()), "no message")
        return Report(import_error=f"{ended}: {reason}")
    report = Report(**json.loads(lines[-1]))
    if len(lines) == 1 and not report.import_error:
        return Report(**{**json.loads(lines[-1]), "use_error": ended})
    return report


def address(plugin: object) -> tuple[str, str]:
    """Module and name of a plugin's class. Raises NotRun where no other process finds it."""
    kind = type(plugin)
    if "<locals>" in kind.__qualname__ or kind.__module__ == "__main__":
        raise NotRun(
            f"define {kind.__qualname__} at the top of a module: another process imports it"
        )
    return kind.__module__, kind.__qualname__


def import_class(module: str, qualname: str) -> Any:
    """The class at an `address`."""
    imported: Any = importlib.import_module(module)
    for name in qualname.split("."):
        imported = getattr(imported, name)
    return imported
