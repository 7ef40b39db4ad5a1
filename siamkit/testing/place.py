"""Where an index backend is tried, and with what."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.testing.brute import Brute
from siamkit.testing.rows import DIM, KEY, rows
from siamkit.testing.subjects import IndexSubject
from siamkit.types import Cursor

if TYPE_CHECKING:
    from siamkit.types import Ids, Vectors

COUNT, K = 80, 10
RECALL = 0.95  # at K, of an index that does not promise to be exact
EXACT = 1e-4  # of scores: float32 sums in any order
ROUNDED = 0.02  # of scores, where `exact` is not promised: vectors of bytes are 0.01 off
MANY, BLOCK = 3000, 700  # rows, and how many are added at once


@dataclass(frozen=True, slots=True)
class Place:
    """A folder for a backend's files."""

    backend: Any
    root: Path

    def open(self, known: Callable[[Cursor], bool] = lambda _: True, key: str = KEY) -> Any:
        return self.backend.open(key, DIM, root=self.root, known=known)[0]

    def filled(self, key: str = KEY) -> Any:
        """An index that holds the ids 1 … COUNT."""
        index = self.open(key=key)
        index.add(ids(COUNT), rows(COUNT))
        return index


@contextmanager
def place(seen: IndexSubject) -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="siamkit-check-") as root:
        yield Place(seen.plugin, Path(root))


def ids(count: int) -> Ids:
    return np.arange(1, count + 1, dtype=np.int64)


def queries() -> Vectors:
    return rows(25, seed=1)


def held(index: Any) -> set[int]:
    """The ids that an index finds, whatever number it says; one that looks at a part finds all."""
    if not len(index):
        return set()
    asked = np.concatenate([rows(COUNT), rows(5, seed=2), rows(2, seed=3)])
    return {i for i in index.search(asked, 2 * COUNT).ids.ravel().tolist() if i > 0}


def least(index: Any) -> float:
    """The share of the right answers that an index owes."""
    return 1.0 if index.exact else RECALL


def slack(index: Any) -> float:
    """How far a score of it may be off."""
    return EXACT if index.exact else ROUNDED


def brute(at: Place) -> Any:
    """The same rows in the index that anybody can read."""
    twin = Brute().open(KEY, DIM, root=at.root / "twin", known=lambda _: True)[0]
    twin.add(ids(COUNT), rows(COUNT))
    return twin


def share(found: Ids, wanted: Ids) -> float:
    """Of the ids wanted, row by row and in any order, the share that was found."""
    pairs = zip(found.tolist(), wanted.tolist(), strict=True)
    common = sum(len({*row} & {*other} - {-1}) for row, other in pairs)
    return common / int((wanted >= 0).sum())
