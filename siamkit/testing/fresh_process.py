"""Run a plugin's class in a process of its own, to observe its import or to kill it in a save.

`siamkit.testing.child` is what runs in that process, without network.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from siamkit.protocols import Index
from siamkit.testing.index_fixtures import rows
from siamkit.testing.rule import NotRun

if TYPE_CHECKING:
    from siamkit.testing.subjects import IndexSubject

SECONDS = 240.0  # until a plugin counts as stuck
DELAYS = (0.0, 0.02, 0.05)  # seconds from the second save to the kill
STEP, SAVES = 200, 200  # rows added before each save; how many saves
LOOK = 0.005  # seconds from one look at the saves to the next


@dataclass(frozen=True, slots=True)
class Report:
    """The child's observations of a plugin."""

    import_error: str = ""
    use_error: str = ""
    prints: str = ""  # written to standard output, at import or in use
    threads: list[str] = field(default_factory=list)  # that the import left running
    heavy: list[str] = field(default_factory=list)  # packages that take seconds, imported
    network: list[str] = field(default_factory=list)  # addresses asked for, at import or in use
    changed: list[str] = field(default_factory=list)  # process-wide settings, at import or in use
    fingerprint: str | None = None


@contextmanager
def child(task: str, plugin: object, argument: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Start a task of `siamkit.testing.child` on a plugin's class; kill it at the end of the block.

    Gives the process and the file that its answers go to. A file, since a pipe would be kept open
    by every process that the plugin starts. Raises NotRun for a class that cannot be imported.
    """
    kind = type(plugin)
    if "<locals>" in kind.__qualname__ or kind.__module__ in ("__main__", "builtins"):
        raise NotRun(
            f"define {kind.__qualname__} at the top of a module: another process imports it"
        )
    address = f"{kind.__module__}:{kind.__qualname__}"
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    with tempfile.TemporaryDirectory(prefix="siamkit-check-") as folder:
        answers, errors = Path(folder) / "answers.txt", Path(folder) / "errors.txt"
        with answers.open("wb") as stdout, errors.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "siamkit.testing.child", task, address, argument],
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
    """Import, construct and use a plugin's class once. Raises NotRun as `child` does."""
    with child("observe", plugin, kind) as (process, answers):
        try:
            ended = f"the process ended with code {process.wait(SECONDS)}"
        except subprocess.TimeoutExpired:
            ended = f"nothing within {SECONDS:.0f} s"
        reports = answers.read_text(encoding="utf-8").split("\n")[:-1]  # after import, after use
        last_words = answers.with_name("errors.txt").read_text(errors="replace").split("\n")
    if not reports:
        reason = next((line for line in reversed(last_words) if line.strip()), "no message")
        return Report(import_error=f"{ended}: {reason}")
    return Report(**json.loads(reports[-1]))


def faults_after_kill(subject: IndexSubject, task: str) -> Iterator[str]:
    """Kill a process in a task ("save", "build"); yield one line for each fault of what is left."""
    folder = subject.folder
    for delay in DELAYS:
        root = folder / str(delay)
        root.mkdir()
        subject.enter(root)
        last = _last_before_kill(subject, task, delay)
        try:
            index = subject.open()
            seq = index.cursor().seq
            if seq < last:
                yield f"the state at {seq}, though {last} had been saved"
            elif not _holds(index, seq * STEP):
                yield f"the state at {seq} is not the {seq * STEP} rows that it had"
        except Exception as error:
            yield f"open raised {type(error).__name__}: {error}"


def purged_before_kill(subject: IndexSubject) -> int:
    """Kill a process that purges ids 1, 2, 3 … of a saved index; return the last that it erased."""
    return _last_before_kill(subject, "purge", DELAYS[1])


def _holds(index: Index, count: int) -> bool:
    """True if the index holds the first `count` rows, and no more."""
    if not count:
        return not len(index)
    last_rows = np.arange(count - 5, count + 1)  # the last of them is not in it
    nearest = index.search(rows(count + 1)[last_rows], 1).ids[:, 0]
    return bool((nearest[:5] == last_rows[:5] + 1).all() and nearest[5] != count + 1)


def _last_before_kill(subject: IndexSubject, task: str, delay: float) -> int:
    """Kill a process `delay` seconds after its second step; return the last it called done."""
    argument = json.dumps([str(subject.folder), subject.owners[-1]])
    with child(task, subject.plugin, argument) as (process, answers):
        deadline = time.monotonic() + SECONDS
        while len(_steps(answers)) < 2 and process.poll() is None:
            if time.monotonic() > deadline:
                raise NotRun(f"no two steps within {SECONDS:.0f} s")
            time.sleep(LOOK)
        time.sleep(delay)
        process.kill()
        process.wait()
        steps = _steps(answers)
    if not steps:
        raise NotRun(f"it ended before its first {task}")
    return steps[-1]


def _steps(answers: Path) -> list[int]:
    """The steps that were reported as done, a whole line each."""
    return [int(line) for line in answers.read_text(encoding="utf-8").split("\n")[:-1]]
