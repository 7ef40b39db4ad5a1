"""Share one Workspace among threads, and count what goes wrong: `python tests/support/threads.py`.

    python tests/support/threads.py [SECONDS]

Each of eight threads enrols texts of its own, asks for them, and forgets some, 25 rounds or for
that many seconds. A dictionary says what must be there: every text that is enrolled must be found
first, no label that was forgotten may be found, a text that all threads ask for must always be
found, and at the end the store, and the index, must hold what the dictionary holds.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier, Lock

STRANGERS = Path(__file__).parents[1] / "strangers"
THREADS, ROUNDS = 8, 25
ALWAYS = "this text is here from the beginning to the end"


@dataclass
class Tally:
    operations: int = 0
    errors: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)  # labels
    wrong: list[str] = field(default_factory=list)  # answers
    _lock: Lock = field(default_factory=Lock)

    def attempt(self, operation: Callable[[], None]) -> None:
        """Run an operation, and count it, and the error that it raises."""
        try:
            operation()
        except Exception as error:
            with self._lock:
                self.errors.append(f"{type(error).__name__}: {error}")
        with self._lock:
            self.operations += 1


def run(folder: Path, *, threads: int = THREADS, seconds: float | None = None) -> Tally:
    """Work on one Workspace from several threads, and compare it with the dictionary."""
    from siamkit import Workspace

    tally, model = Tally(), {}
    with Workspace(folder / "store") as ws:
        ws.enrol("letters", "always", ALWAYS)
        start = Barrier(threads)

        def work(number: int) -> None:
            start.wait()
            model[number] = _work(ws, number, seconds, tally)

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(threads)))
        expected = {"always": ALWAYS} | {k: v for part in model.values() for k, v in part.items()}
        _compare(ws, expected, tally)
    return tally


def _work(ws, number: int, seconds: float | None, tally: Tally) -> dict[str, str]:
    """Enrol, query and forget labels of this thread; return the texts that must be enrolled."""
    rng, mine = random.Random(number), {}
    end = time.monotonic() + (seconds or 0)
    round_number = 0
    while time.monotonic() < end if seconds else round_number < ROUNDS:
        label, text = f"{number}-{round_number}", "".join(rng.choices("abcdefghij ", k=40)) + "z"
        round_number += 1

        def enrol(label: str = label, text: str = text) -> None:
            ws.enrol("letters", label, text)
            mine[label] = text

        def forget() -> None:
            doomed = rng.choice(sorted(mine))
            text = mine[doomed]
            if ws.forget(doomed) != 1:
                tally.wrong.append(f"{doomed}: forgot another number than 1")
            del mine[doomed]
            found = {match.identity for match in ws.query("letters", text, k=3)[0].matches}
            if doomed in found:
                tally.wrong.append(f"{doomed}: found after it was forgotten")

        def query() -> None:
            for label, text in [("always", ALWAYS), rng.choice(sorted(mine.items()))]:
                best = ws.query("letters", text, k=1)[0].matches
                if [match.identity for match in best] != [label] or best[0].score < 0.9999:
                    tally.wrong.append(f"{label}: {best}")

        tally.attempt(enrol)
        if mine:
            tally.attempt(query)
        if mine and rng.random() < 0.5:
            tally.attempt(forget)
    return mine


def _compare(ws, expected: dict[str, str], tally: Tally) -> None:
    enrolled = {holding.identity for holding in ws.identities("letters")}
    tally.lost += sorted(set(expected) - enrolled)
    tally.wrong += [f"{label}: still enrolled" for label in sorted(enrolled - set(expected))]
    for label, text in expected.items():
        best = ws.query("letters", text, k=1)[0].matches
        if [match.identity for match in best] != [label]:
            tally.wrong.append(f"{label} at the end: {best}")


if __name__ == "__main__":
    sys.path.insert(0, str(STRANGERS))
    with tempfile.TemporaryDirectory() as created:
        total = run(Path(created), seconds=float(sys.argv[1]) if len(sys.argv) > 1 else None)
    print(f"{'threads':<34}{THREADS}")
    print(f"{'operations':<34}{total.operations}")
    for name in ("errors", "lost", "wrong"):
        problems = getattr(total, name)
        print(f"{name:<34}{len(problems)} {sorted(set(problems))[:3] or ''}")
    sys.exit(bool(total.errors or total.lost or total.wrong))
