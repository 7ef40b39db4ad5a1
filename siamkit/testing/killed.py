"""Kill a process while it saves an index, and look at what is left.

That process runs `main`: it adds STEP rows and saves, again and again, and says when each save is
done.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from siamkit.host.child import end, end_with_parent, lines, process
from siamkit.testing.apart import SECONDS, address, imported
from siamkit.testing.outcome import NotRun
from siamkit.testing.rows import DIM, KEY, cursor, rows

DELAYS = (0.0, 0.02, 0.05)  # seconds from the second save to the kill
STEP, SAVES = 200, 200


def saved_when_killed(backend: Any) -> Iterator[str]:
    """What is wrong after a kill, a line each; nothing if all is well."""
    place = address(backend)
    for delay in DELAYS:
        with tempfile.TemporaryDirectory(prefix="siamkit-check-") as root:
            last = _kill(place, Path(root), delay)
            try:
                index, _ = backend.open(KEY, DIM, root=Path(root), known=lambda _: True)
                seq = index.cursor().seq
                if seq < last:
                    yield f"the state at {seq}, though {last} had been saved"
                elif not _whole(index, seq * STEP):
                    yield f"the state at {seq} is not the {seq * STEP} rows that it had"
            except Exception as error:
                yield f"open raised {type(error).__name__}: {error}"


def _whole(index: Any, count: int) -> bool:
    """True if the index holds the first `count` rows, and no more."""
    if not count:
        return not len(index)
    numbers = np.arange(count - 5, count + 1)
    found = index.search(rows(count + 1)[numbers], 1).ids[:, 0]
    same: bool = [int(i) for i in found[:5]] == [*numbers[:5] + 1] and bool(found[5] != count + 1)
    return same


def _kill(place: tuple[str, str], root: Path, delay: float) -> int:
    """Run the process, kill it, and return the last state that it called saved."""
    with process(__name__, [*place, str(root)], stdout=subprocess.PIPE) as running:
        said = lines(running, SECONDS)
        try:
            told = [*islice(said, 2)]
            time.sleep(delay)
            end(running)
            told += said
        except TimeoutError as silence:
            raise NotRun(f"saving said {silence}") from None
    saved = [int(line) for line in told if line.strip().isdigit()]
    if not saved:
        raise NotRun("it ended before its first save")
    return max(saved)


def main(module: str, qualname: str, root: str) -> None:
    end_with_parent()
    index, _ = imported(module, qualname)().open(KEY, DIM, root=Path(root), known=lambda _: True)
    vectors = rows(STEP * SAVES)
    for seq in range(1, SAVES + 1):
        new = np.arange((seq - 1) * STEP, seq * STEP)
        index.add(new + 1, vectors[new])
        index.save(cursor(seq))
        print(seq, flush=True)
