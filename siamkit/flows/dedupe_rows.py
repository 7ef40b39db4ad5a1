"""Dedupe the rows of a matrix: nothing of a row but numbers is held in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from siamkit.flows.dedupe import Deduped, assemble
from siamkit.flows.dedupe_items import Item, RowItems
from siamkit.flows.grouping import MatchRule, group_duplicates
from siamkit.io import npy
from siamkit.types import Fault, Ids, Progress, Vectors, ignore_progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS_PER_BLOCK = 65_536  # rows whose bytes are compared at once


class SelectedRows:
    """Some rows of a matrix, read where they are: a copy of a large matrix would fill the memory.

    Takes slices and row numbers, as an (n, dim) array does.
    """

    def __init__(self, vectors: Vectors, rows: Ids) -> None:
        self.vectors, self.rows = vectors, rows
        self.shape, self.dtype = (len(rows), vectors.shape[1]), vectors.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: slice | Ids) -> Vectors:
        return self.vectors[self.rows[at]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype)


def dedupe_matrix(
    path: Path,
    rule: MatchRule,
    *,
    max_memory: int | None = None,
    progress: Progress = ignore_progress,
) -> Deduped:
    """Find the duplicates among the rows of a .npy file. Rows that are zero, NaN or Inf are faults.

    Raises BadInput for any other file.
    """
    matrix = npy.read(path)
    faults = [Fault("zero, NaN or Inf", str(row), row + 1) for row in matrix.unusable.tolist()]
    rows = np.delete(np.arange(len(matrix.vectors)), matrix.unusable)
    return dedupe_vectors(
        RowItems(rows, matrix.names),
        _select(matrix.vectors, rows),
        rule,
        faults=faults,
        max_memory=max_memory,
        progress=progress,
    )


def dedupe_vectors(
    items: Sequence[Item],
    vectors: Vectors,
    rule: MatchRule,
    *,
    faults: Sequence[Fault] = (),
    max_memory: int | None = None,
    progress: Progress = ignore_progress,
) -> Deduped:
    """Find the duplicates among n items by their (n, dim) unit vectors."""
    distinct, firsts = number_distinct_rows(vectors)
    grouping = group_duplicates(
        _select(vectors, firsts),
        None,
        rule,
        copies=np.bincount(distinct, minlength=len(firsts)),
        max_memory=max_memory,
        progress=progress,
    )
    return assemble(items, faults, distinct, grouping)


def _select(vectors: Vectors, rows: Ids) -> Vectors:
    """Return some rows, sorted; all of them as they are."""
    if len(rows) == len(vectors):
        return vectors
    return cast("Vectors", SelectedRows(vectors, rows))


def number_distinct_rows(vectors: Vectors) -> tuple[Ids, Ids]:
    """Return the (n,) number of each row's bytes, and the (m,) first row of each number.

    Numbers are in the order of their first rows.
    """
    keys = _hash_rows(vectors)
    order = np.argsort(keys, kind="stable")
    is_repeated = np.concatenate([[False], keys[order[1:]] == keys[order[:-1]]])[: len(keys)]
    first = np.arange(len(keys))  # of the equal rows
    first[order] = order[np.maximum.accumulate(np.where(is_repeated, 0, np.arange(len(keys))))]
    _correct_collisions(vectors, first)
    is_first = first == np.arange(len(keys))
    return (np.cumsum(is_first) - 1)[first], np.flatnonzero(is_first)


def _hash_rows(vectors: Vectors) -> NDArray[np.uint64]:
    """Return (n,) sums of a row's 64-bit words, each times a random odd number."""
    count, dim = vectors.shape
    rng = np.random.default_rng(0)
    factors = rng.integers(0, 1 << 63, dim // 2, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    keys = np.empty(count, np.uint64)
    for start in range(0, count, ROWS_PER_BLOCK):
        rows = np.ascontiguousarray(vectors[start : start + ROWS_PER_BLOCK], np.float32)
        words = np.ascontiguousarray(rows[:, : dim // 2 * 2]).view(np.uint64)
        keys[start : start + len(rows)] = words @ factors
    return keys


def _correct_collisions(vectors: Vectors, first: Ids) -> None:
    """Give rows whose hash, but not every byte, equals that of their first row one of their own."""
    repeated = np.flatnonzero(first != np.arange(len(first)))
    of_bytes: dict[bytes, int] = {}
    for start in range(0, len(repeated), ROWS_PER_BLOCK):
        rows = repeated[start : start + ROWS_PER_BLOCK]
        own, others = (np.ascontiguousarray(vectors[ids]) for ids in (rows, first[rows]))
        differs = (own.view(np.uint32) != others.view(np.uint32)).any(axis=1)
        for row, vector in zip(rows[differs].tolist(), own[differs], strict=True):
            first[row] = of_bytes.setdefault(vector.tobytes(), row)
