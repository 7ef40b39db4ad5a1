"""Fixtures for checking an index: ids, unit vectors, cursors, and what an index may miss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from siamkit.types import Cursor

if TYPE_CHECKING:
    from siamkit.protocols import Index
    from siamkit.types import Ids, Vectors

DIM, KEY = 16, "g1-s1"
COUNT, K = 80, 10  # rows of a filled index; neighbours of a query
RECALL = 0.95  # at K, of an index that does not promise to be exact
EXACT = 1e-4  # error of a score: float32 sums in any order
ROUNDED = 0.02  # error of a score without `exact`: vectors of bytes are 0.01 off


def ids(count: int) -> Ids:
    """(count,) int64: 1 … count."""
    return np.arange(1, count + 1, dtype=np.int64)


def rows(count: int, seed: int = 0) -> Vectors:
    """(count, DIM) unit rows, the same for the same seed; fewer of them are the first ones."""
    normal = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    return np.asarray(normal / np.linalg.norm(normal, axis=1, keepdims=True), np.float32)


def queries() -> Vectors:
    """(25, DIM) unit rows, none of them in a filled index."""
    return rows(25, seed=1)


def cursor(seq: int) -> Cursor:
    return Cursor(seq, f"{seq:016x}")


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


def recall_of(hits: Ids, nearest: Ids) -> float:
    """The share of the nearest ids (n, k) that are among the hits, row by row, in any order."""
    pairs = zip(hits.tolist(), nearest.tolist(), strict=True)
    common = sum(len({*hit_row} & {*nearest_row} - {-1}) for hit_row, nearest_row in pairs)
    return common / int((nearest >= 0).sum())
