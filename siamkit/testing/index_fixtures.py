"""Fixtures for checking an index backend: a folder, rows and queries, and the brute-force twin."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from siamkit.protocols import Index, IndexBackend
from siamkit.testing.brute import Brute
from siamkit.testing.rows import DIM, KEY, rows
from siamkit.testing.subjects import IndexSubject
from siamkit.types import Cursor

if TYPE_CHECKING:
    from siamkit.types import Ids, Vectors

COUNT, K = 80, 10  # rows of a filled index; neighbours of a query
RECALL = 0.95  # at K, of an index that does not promise to be exact
EXACT = 1e-4  # error of a score: float32 sums in any order
ROUNDED = 0.02  # error of a score without `exact`: vectors of bytes are 0.01 off
MANY, ROWS_PER_ADD = 3000, 700  # rows of a large index, and how many are added at once


@dataclass(frozen=True, slots=True)
class Bench:
    """A backend with an empty folder for its files."""

    backend: IndexBackend
    root: Path

    def open(self, known: Callable[[Cursor], bool] = lambda _: True, key: str = KEY) -> Index:
        return self.backend.open(key, DIM, root=self.root, known=known)[0]

    def filled(self, key: str = KEY) -> Index:
        """An index that holds the ids 1 … COUNT."""
        index = self.open(key=key)
        index.add(ids(COUNT), rows(COUNT))
        return index


@contextmanager
def bench_of(subject: IndexSubject) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="siamkit-check-") as root:
        yield Bench(subject.plugin, Path(root))


def ids(count: int) -> Ids:
    """(count,) int64: 1 … count."""
    return np.arange(1, count + 1, dtype=np.int64)


def queries() -> Vectors:
    """(25, DIM) unit rows, none of them in a filled index."""
    return rows(25, seed=1)


def ids_found(index: Index) -> set[int]:
    """All ids that searches find, whatever len() says."""
    if not len(index):
        return set()
    probes = np.concatenate([rows(COUNT), rows(5, seed=2), rows(2, seed=3)])
    return {number for number in index.search(probes, 2 * COUNT).ids.ravel().tolist() if number > 0}


def promised_recall(index: Index) -> float:
    """The share of the right answers that an index must give."""
    return 1.0 if index.exact else RECALL


def score_tolerance(index: Index) -> float:
    """The largest error of a score that an index may have."""
    return EXACT if index.exact else ROUNDED


def brute_twin(bench: Bench) -> Index:
    """A brute-force index with the rows of a filled one."""
    twin = Brute().open(KEY, DIM, root=bench.root / "twin", known=lambda _: True)[0]
    twin.add(ids(COUNT), rows(COUNT))
    return twin


def recall_of(hits: Ids, nearest: Ids) -> float:
    """The share of the nearest ids (n, k) that are among the hits, row by row, in any order."""
    pairs = zip(hits.tolist(), nearest.tolist(), strict=True)
    common = sum(len({*hit_row} & {*nearest_row} - {-1}) for hit_row, nearest_row in pairs)
    return common / int((nearest >= 0).sum())
