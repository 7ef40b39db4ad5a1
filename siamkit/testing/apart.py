"""A plugin in a process of its own, where an import is a first one and no network is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from siamkit.testing.outcome import NotRun

SECONDS = 300.0  # until a plugin counts as stuck


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
    made = type(plugin)
    if "<locals>" in made.__qualname__ or made.__module__ == "__main__":
        raise NotRun(f"define {made.__qualname__} at the top of a module: it is imported anew")
    with tempfile.TemporaryDirectory(prefix="siamkit-check-") as folder:
        out = Path(folder) / "report.json"
        command = [sys.executable, "-m", "siamkit.testing.child"]
        try:
            done = subprocess.run(
                [*command, kind, made.__module__, made.__qualname__, str(out)],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                timeout=SECONDS,
                env=surroundings(),
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Report(imported=f"nothing within {SECONDS:.0f} s")
        if not out.exists():
            said = done.stderr.strip().splitlines() or ["nothing"]
            return Report(imported=f"the process ended with code {done.returncode}: {said[-1]}")
        return Report(**json.loads(out.read_text(encoding="utf-8")))


def surroundings() -> dict[str, str]:
    """The environment of a process that imports what this one can import."""
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    return {**os.environ, "PYTHONPATH": path}
