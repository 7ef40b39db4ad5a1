"""What was added and removed since the last save: in memory, and searched exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from siamkit.types import Hits

if TYPE_CHECKING:
    from siamkit.types import Ids, Vectors


class Changes:
    """Added rows in blocks, as they came, and the ids of removed ones."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._blocks: list[tuple[Ids, Vectors]] = []
        self.removed = np.empty(0, np.int64)

    def __len__(self) -> int:
        return self.added_count + len(self.removed)

    @property
    def added_count(self) -> int:
        return sum(len(ids) for ids, _ in self._blocks)

    @property
    def floats(self) -> int:
        """Numbers in memory."""
        return sum(rows.size for _, rows in self._blocks)

    def added(self) -> tuple[Ids, Vectors]:
        """Return (n,) ids in rising order and (n, dim) vectors; a single block, from now on."""
        if not self._blocks:
            return np.empty(0, np.int64), np.empty((0, 0), np.float32)
        ids, rows = (np.concatenate(parts) for parts in zip(*self._blocks, strict=True))
        if (np.diff(ids) < 0).any():
            order = np.argsort(ids)
            ids, rows = ids[order], rows[order]
        self._blocks = [(ids, rows)]
        return ids, rows

    def masked(self) -> Ids:
        """Return the ids of which the saved rows no longer count."""
        return np.union1d(self.removed, self.added()[0])

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add rows, in place of those of the same ids."""
        self.remove(ids)
        self.removed = np.setdiff1d(self.removed, ids)
        self._blocks.append((np.array(ids, np.int64), np.array(vectors, np.float32)))

    def remove(self, ids: Ids) -> None:
        """Remove rows, added or saved."""
        for place, (added, rows) in enumerate(self._blocks):
            if len(added) and ids.min() <= added.max() and ids.max() >= added.min():
                is_kept = ~np.isin(added, ids)
                self._blocks[place] = added[is_kept], rows[is_kept]
        self._blocks = [block for block in self._blocks if len(block[0])]
        self.removed = np.union1d(self.removed, ids)

    def search(self, vectors: Vectors, k: int, within: Ids | None) -> Hits | None:
        """Find the k best of the added rows, (n, ≤ k), equal scores by id; None if there are none.

        within: ids to search among.
        """
        ids, rows = self.added()
        if within is not None and len(ids):
            is_inside = np.isin(ids, within)
            ids, rows = ids[is_inside], rows[is_inside]
        if not len(ids):
            return None
        return best(np.broadcast_to(ids, (len(vectors), len(ids))), vectors @ rows.T, k)


def best(ids: Ids, scores: Vectors, k: int) -> Hits:
    """Return the k best of each row of (n, m) ids and scores, equal scores by id, gaps (-1) last.

    Padded to k where m is smaller.
    """
    if scores.shape[1] < k:
        gap = (len(scores), k - scores.shape[1])
        ids = np.concatenate([ids, np.full(gap, -1, np.int64)], axis=1)
        scores = np.concatenate([scores, np.full(gap, -np.inf, np.float32)], axis=1)
    by_id = np.where(ids < 0, np.iinfo(np.int64).max, ids)
    order = np.lexsort((by_id, -scores), axis=1)[:, :k]
    return Hits(np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1))
