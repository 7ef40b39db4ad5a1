"""What was added and removed since the last save: searched exactly, and pushed by the next one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Ids, Vectors

MEMORY_FLOATS = 1 << 24  # kept in memory, 64 MB; what is added beyond goes to a temporary file

SMALL_BLOCK = 2_000  # rows; additions up to this are joined, else each would be searched alone


class Changes:
    """Added vectors in blocks, as they came, and removed ids. An id is in one of the two."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder  # for the temporary file
        self._blocks: list[tuple[Ids, Vectors]] = []
        self._floats = 0  # in memory
        self._file: IO[bytes] | None = None
        self.removed: Ids = np.empty(0, np.int64)

    def __len__(self) -> int:
        return self.added_count + len(self.removed)

    @property
    def added_count(self) -> int:
        """The number of added ids."""
        return sum(len(ids) for ids, _ in self._blocks)

    @property
    def added(self) -> Ids:
        """(n,) added ids, in the order of `blocks`."""
        return np.concatenate([np.empty(0, np.int64), *(ids for ids, _ in self._blocks)])

    def ids_up_to(self, last: int) -> Ids:
        """(n,) added and removed ids, up to one."""
        ids = np.concatenate([self.removed, self.added])
        return ids[ids <= last]

    def blocks(self) -> Iterator[tuple[Ids, Vectors]]:
        """Yield what was added: (n,) ids, (n, dim) vectors."""
        yield from self._blocks

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add (n, dim) vectors under (n,) distinct ids, in place of what they had."""
        self._forget_added(ids)
        self.removed = np.setdiff1d(self.removed, ids)
        if self._blocks and len(self._blocks[-1][0]) + len(ids) <= SMALL_BLOCK:
            last_ids, last_vectors = self._blocks.pop()
            ids, vectors = np.concatenate([last_ids, ids]), np.concatenate([last_vectors, vectors])
        self._blocks.append((np.array(ids), self._keep(vectors)))

    def remove(self, ids: Ids) -> None:
        """Remove (n,) ids, added before or saved."""
        self._forget_added(ids)
        self.removed = np.union1d(self.removed, ids)

    def clear(self) -> None:
        """Forget everything, and free memory and disk."""
        self._blocks, self._floats, self.removed = [], 0, np.empty(0, np.int64)
        if self._file is not None:
            self._file.close()
            self._file = None

    def search(
        self, vectors: Vectors, k: int, within: Ids | None
    ) -> tuple[NDArray[np.float32], Ids] | None:
        """Find the k best of what was added, exactly: (n, ≤ k) scores and ids; None if none."""
        scores, hits = [], []
        for ids, rows in self._blocks:
            if within is not None:
                inside = np.isin(ids, within)
                ids, rows = ids[inside], rows[inside]
            if len(ids):
                block_scores, block_ids = best(vectors @ rows.T, ids, k)
                scores.append(block_scores)
                hits.append(block_ids)
        if not scores:
            return None
        return np.concatenate(scores, axis=1), np.concatenate(hits, axis=1)

    def _forget_added(self, ids: Ids) -> None:
        for place, (block_ids, rows) in enumerate(self._blocks):
            if ids.min() <= block_ids.max() and ids.max() >= block_ids.min():
                is_kept = ~np.isin(block_ids, ids)
                self._blocks[place] = block_ids[is_kept], rows[is_kept]
        self._blocks = [block for block in self._blocks if len(block[0])]

    def _keep(self, vectors: Vectors) -> Vectors:
        """Copy vectors: into memory, or into a file that has no name and ends with the process."""
        if self._floats + vectors.size <= MEMORY_FLOATS:
            self._floats += vectors.size
            return np.array(vectors, np.float32)
        if self._file is None:
            folder = self._folder if self._folder.is_dir() else None
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - until `clear`
        start = self._file.seek(0, 2)
        self._file.write(np.ascontiguousarray(vectors, np.float32).data)
        self._file.flush()
        file: Any = self._file
        return np.memmap(file, np.float32, "r", offset=start, shape=vectors.shape)


def best(scores: NDArray[np.float32], ids: Ids, k: int) -> tuple[NDArray[np.float32], Ids]:
    """Return the k best of (n, m) scores of (m,) ids as (n, ≤ k), equal scores by id."""
    if k < len(ids):
        limits = -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]
        columns = np.flatnonzero((scores >= limits).any(axis=0))
        scores, ids = scores[:, columns], ids[columns]
    order = np.lexsort((np.broadcast_to(ids, scores.shape), -scores), axis=1)[:, :k]
    return np.take_along_axis(scores, order, axis=1), ids[order]
