"""Rows in memory or in a mapped file, and their exact search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import faiss
import numpy as np
from numpy.typing import NDArray

from siamkit.sdk.nearest import best_hits, merge_hits, no_hits
from siamkit.types import Hits

if TYPE_CHECKING:
    from siamkit.types import Ids, Vectors

BLAS_FROM = 8  # queries from which to use matrix products; FAISS itself does from 20, late for flat
SPARE = 64  # rows that a scan finds besides k, for those that turn out to be masked
GATHERED = 1 << 22  # floats of rows that are copied together at once


class Segment:
    """(n,) rising ids and (n, dim) float32 unit vectors, of which some are masked.

    Searches return row numbers, -1 at the end, whose score is -inf.
    """

    def __init__(self, ids: Ids, vectors: Vectors, masked: NDArray[np.uint8] | None = None) -> None:
        """masked: a bit per row, the lowest of a byte first; None for no row."""
        self.ids, self.vectors = ids, vectors
        size = len(ids) // 8 + 1
        masked = np.zeros(size, np.uint8) if masked is None else masked
        self._live = ~masked  # as IDSelectorBitmap wants it
        self.masked = int(np.unpackbits(masked).sum())

    @classmethod
    def empty(cls, dim: int) -> Segment:
        """Return a segment without rows."""
        return cls(np.empty(0, np.int64), np.empty((0, dim), np.float32))

    def __len__(self) -> int:
        return len(self.ids) - self.masked

    def find(self, ids: Ids) -> NDArray[np.int64]:
        """Return the numbers of the rows, rising, that have one of some ids and are not masked."""
        rows = self.numbers_of(ids)
        return rows[self.are_live(rows)]

    def numbers_of(self, ids: Ids) -> NDArray[np.int64]:
        """Return the numbers of the rows, rising, that have one of some ids."""
        wanted = np.unique(ids)
        rows = np.searchsorted(self.ids, wanted)
        inside = rows < len(self.ids)
        rows, wanted = rows[inside], wanted[inside]
        numbers: NDArray[np.int64] = rows[self.ids[rows] == wanted].astype(np.int64)
        return numbers

    def are_live(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of some row numbers are not masked."""
        bits: NDArray[np.uint8] = self._live[rows >> 3] >> (rows & 7).astype(np.uint8) & 1
        return bits.astype(bool)

    def live_rows(self) -> NDArray[np.int64]:
        """Return the numbers of all rows that are not masked, rising."""
        bits = np.unpackbits(self._live, count=len(self.ids), bitorder="little")
        return np.flatnonzero(bits)

    def masked_ids(self) -> Ids:
        """Return the ids of the rows that are masked."""
        return np.delete(self.ids, self.live_rows())

    def mask(self, ids: Ids) -> None:
        """Leave out the rows of some ids from now on; absent ones are ignored."""
        rows = self.find(ids)
        np.bitwise_and.at(self._live, rows >> 3, ~(1 << (rows & 7)).astype(np.uint8))
        self.masked += len(rows)

    def selector(self) -> faiss.IDSelector | None:
        """Return the rows that FAISS may find; None for all."""
        return faiss.IDSelectorBitmap(self._live) if self.masked else None

    def search(self, queries: Vectors, k: int) -> tuple[Vectors, NDArray[np.int64]]:
        """Find the k nearest rows of each of (n, dim) queries, by scanning all."""
        if not self.masked or len(queries) < BLAS_FROM:
            return _scan(queries, self.vectors, k, self.selector())
        # FAISS multiplies matrices, ten times as fast, only where it may find every row.
        scores, rows = _scan(queries, self.vectors, k + min(self.masked, SPARE), None)
        is_masked = (rows >= 0) & ~self.are_live(rows)
        scores[is_masked], rows[is_masked] = -np.inf, -1
        hits = best_hits(rows, scores, k)
        few = (hits.ids >= 0).sum(axis=1) < min(k, len(self))
        if few.any():
            rescanned = _scan(queries[few], self.vectors, k, self.selector())
            hits.scores[few], hits.ids[few] = rescanned
        return hits.scores, hits.ids

    def search_within(
        self, queries: Vectors, k: int, ids: Ids
    ) -> tuple[Vectors, NDArray[np.int64]]:
        """Find the k nearest rows of each of (n, dim) queries among those of some ids."""
        rows = self.find(ids)
        step = max(1, GATHERED // self.vectors.shape[1])
        hits = no_hits(len(queries))
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            scores, block = _scan(queries, self.vectors[part], min(k, len(part)), None)
            hits = merge_hits([hits, Hits(part[block], scores)], k)
        return hits.scores, hits.ids

    def score(self, queries: Vectors, rows: NDArray[np.int64]) -> Vectors:
        """Return the exact (n, m) scores of (n, dim) queries and (n, m) row numbers; -inf for -1.

        A number that no row has counts as -1.
        """
        rows[(rows >= len(self.ids)) | (rows < 0)] = -1
        scores = np.empty(rows.shape, np.float32)
        faiss.fvec_inner_products_by_idx(
            faiss.swig_ptr(scores),
            faiss.swig_ptr(queries),
            faiss.swig_ptr(self.vectors),
            faiss.swig_ptr(rows),
            self.vectors.shape[1],
            *rows.shape,
        )
        return scores


def _scan(
    queries: Vectors, rows: Vectors, k: int, selector: faiss.IDSelector | None
) -> tuple[Vectors, NDArray[np.int64]]:
    """Find the k best of (m, dim) rows for each of (n, dim) queries; the first of equal scores."""
    scores = np.empty((len(queries), k), np.float32)
    numbers = np.empty((len(queries), k), np.int64)
    faiss.cvar.distance_compute_blas_threshold = 1 if len(queries) >= BLAS_FROM else 20
    faiss.knn_inner_product(
        faiss.swig_ptr(queries),
        faiss.swig_ptr(rows),
        rows.shape[1],
        len(queries),
        len(rows),
        k,
        faiss.swig_ptr(scores),
        faiss.swig_ptr(numbers),
        selector,
    )
    scores[numbers < 0] = -np.inf
    return scores, numbers
