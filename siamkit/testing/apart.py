"""A plugin in a process of its own, where an import is a first one and no network is there."""

from __future__ import annotations

import importlib
import json
import subprocess
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from siamkit.host.child import process
from siamkit.testing.outcome import NotRun

UNTOLD = "?"
CHILD = "siamkit.testing.child"
SECONDS = 240.0  # until a plugin counts as stuck


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
    used: str = ""  # the error of what came after the import, or ''; UNTOLD before it is over
    fingerprint: str | None = None


def look(plugin: Any, kind: str) -> Report:
    """Import, construct and use a plugin's class. Raises NotRun for one that has no address."""
    place = address(plugin)
    with tempfile.TemporaryDirectory(prefix="siamkit-check-") as folder:
        out, log = Path(folder) / "report.json", Path(folder) / "stderr.txt"
        # No pipes: a process that the plugin starts would keep them open.
        with (
            log.open("wb") as errors,
            process(CHILD, [kind, *place, str(out)], stderr=errors) as running,
        ):
            try:
                ended = f"the process ended with code {running.wait(SECONDS)}"
            except subprocess.TimeoutExpired:
                ended = f"nothing within {SECONDS:.0f} s"
        if not out.exists():
            said = log.read_text(errors="replace").strip().splitlines() or ["nothing"]
            return Report(imported=f"{ended}: {said[-1]}")
        seen = Report(**json.loads(out.read_text(encoding="utf-8")))
        return replace(seen, used=ended) if seen.used == UNTOLD else seen


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
