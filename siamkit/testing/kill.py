"""Kill a process while it saves an index, and check the state that is left."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from siamkit.protocols import Index, IndexBackend
from siamkit.testing.fresh_process import SECONDS, child
from siamkit.testing.outcome import NotRun
from siamkit.testing.rows import DIM, KEY, rows

DELAYS = (0.0, 0.02, 0.05)  # seconds from the second save to the kill
STEP, SAVES = 200, 200  # rows added before each save; how many saves
LOOK = 0.005  # seconds from one look at the saves to the next


def faults_after_kill(backend: IndexBackend) -> Iterator[str]:
    """Yield one line for each fault after a kill."""
    for delay in DELAYS:
        with tempfile.TemporaryDirectory(prefix="siamkit-check-") as folder:
            root = Path(folder)
            last = _last_save_before_kill(backend, root, delay)
            try:
                index, _ = backend.open(KEY, DIM, root=root, known=lambda _: True)
                seq = index.cursor().seq
                if seq < last:
                    yield f"the state at {seq}, though {last} had been saved"
                elif not _holds(index, seq * STEP):
                    yield f"the state at {seq} is not the {seq * STEP} rows that it had"
            except Exception as error:
                yield f"open raised {type(error).__name__}: {error}"


def _holds(index: Index, count: int) -> bool:
    """True if the index holds the first `count` rows, and no more."""
    if not count:
        return not len(index)
    last_rows = np.arange(count - 5, count + 1)  # the last of them is not in it
    nearest = index.search(rows(count + 1)[last_rows], 1).ids[:, 0]
    return bool((nearest[:5] == last_rows[:5] + 1).all() and nearest[5] != count + 1)


def _last_save_before_kill(backend: IndexBackend, root: Path, delay: float) -> int:
    """Kill a saving process after its second save; returns the last that it called done."""
    with child("save", backend, str(root)) as (process, answers):
        deadline = time.monotonic() + SECONDS
        while len(_saves(answers)) < 2 and process.poll() is None:
            if time.monotonic() > deadline:
                raise NotRun(f"no two saves within {SECONDS:.0f} s")
            time.sleep(LOOK)
        time.sleep(delay)
        process.kill()
        process.wait()
        saves = _saves(answers)
    if not saves:
        raise NotRun("it ended before its first save")
    return saves[-1]


def _saves(answers: Path) -> list[int]:
    """The saves that were reported as done, a whole line each."""
    lines = answers.read_text(encoding="utf-8").splitlines(keepends=True)
    return [int(line) for line in lines if line.endswith("\n")]
