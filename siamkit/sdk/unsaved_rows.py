"""For an index on a server: the rows that were added and removed since its last save."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from siamkit.sdk.nearest import best_hits, merge_hits, no_hits

if TYPE_CHECKING:
    from siamkit.types import Hits, Ids, Vectors

MEMORY_FLOATS = 1 << 24  # 64 MB; what is added beyond goes to a temporary file
SMALL_BLOCK = 2_000  # rows; additions up to this are joined, else each would be searched alone


class UnsavedRows:
    """Added vectors in blocks, as they came, and removed ids. An id is in one of the two."""

    def __init__(self, folder: Path) -> None:
        """folder: for a temporary file, if it exists; else the system's."""
        self._folder = folder
        self._blocks: list[tuple[Ids, Vectors]] = []
        self._file: IO[bytes] | None = None
        self.removed: Ids = np.empty(0, np.int64)

    def __len__(self) -> int:
        """Return the number of ids that were added or removed."""
        return self.added_count + len(self.removed)

    @property
    def added_count(self) -> int:
        """The number of added ids."""
        return sum(len(ids) for ids, _ in self._blocks)

    @property
    def added(self) -> Ids:
        """(n,) added ids, in the order of `blocks`."""
        return np.concatenate([np.empty(0, np.int64), *(ids for ids, _ in self._blocks)])

    @property
    def floats(self) -> int:
        """Numbers of the added vectors."""
        return sum(rows.size for _, rows in self._blocks)

    def ids(self, last: int | None = None) -> Ids:
        """Return (n,) added and removed ids, of which saved rows no longer count; up to `last`."""
        ids = np.concatenate([self.removed, self.added])
        return ids if last is None else ids[ids <= last]

    def blocks(self) -> Iterator[tuple[Ids, Vectors]]:
        """Yield what was added: (n,) ids, (n, dim) vectors."""
        yield from self._blocks

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add (n, dim) vectors under (n,) distinct ids, in place of what they had."""
        if not len(ids):
            return
        self._drop_added(ids)
        self.removed = np.setdiff1d(self.removed, ids)
        if self._blocks and len(self._blocks[-1][0]) + len(ids) <= SMALL_BLOCK:
            last_ids, last_rows = self._blocks[-1]
            joined = np.concatenate([last_ids, ids]), np.concatenate([last_rows, vectors])
            self._blocks[-1] = joined
            return
        if self._blocks:
            last_ids, last_rows = self._blocks[-1]
            self._blocks[-1] = last_ids, self._moved(last_rows)
        self._blocks.append((np.array(ids, np.int64), np.array(vectors, np.float32)))

    def remove(self, ids: Ids) -> None:
        """Remove (n,) ids, added before or saved."""
        self._drop_added(ids)
        self.removed = np.union1d(self.removed, ids)

    def clear(self) -> None:
        """Drop everything, and free memory and disk."""
        self._blocks, self.removed = [], np.empty(0, np.int64)
        if self._file is not None:
            self._file.close()
            self._file = None

    def search(self, vectors: Vectors, k: int, within: Ids | None) -> Hits:
        """Find the k best of the added rows for (n, dim) vectors, exactly.

        within: (m,) ids to search among; None for all.
        """
        hits = no_hits(len(vectors))
        for ids, rows in self._blocks:
            if within is not None:
                is_inside = np.isin(ids, within)
                ids, rows = ids[is_inside], rows[is_inside]
            hits = merge_hits([hits, best_hits(ids, vectors @ rows.T, k)], k)
        return hits

    def _drop_added(self, ids: Ids) -> None:
        for place, (added, rows) in enumerate(self._blocks):
            if len(ids) and ids.min() <= added.max() and ids.max() >= added.min():
                remains = ~np.isin(added, ids)
                if not remains.all():
                    self._blocks[place] = added[remains], rows[remains]
        self._blocks = [block for block in self._blocks if len(block[0])]

    def _moved(self, rows: Vectors) -> Vectors:
        """Move the rows of a full block to a file that ends with the process, if memory is used up.

        They stay in memory if the disk does not take them.
        """
        in_memory = sum(rows.size for _, rows in self._blocks if not isinstance(rows, np.memmap))
        if in_memory <= MEMORY_FLOATS or isinstance(rows, np.memmap):
            return rows
        with suppress(OSError):
            if self._file is None:
                folder = self._folder if self._folder.is_dir() else None
                self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - until `clear`
            start = self._file.seek(0, 2)
            self._file.write(np.ascontiguousarray(rows).data)
            self._file.flush()
            file: Any = self._file
            return np.memmap(file, np.float32, "r", offset=start, shape=rows.shape)
        return rows
