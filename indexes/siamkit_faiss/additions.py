"""Rows added since the last save: few in memory, many in a file that the save puts into place."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from siamkit_faiss.files import create_folder
from siamkit_faiss.rows_file import RowsWriter
from siamkit_faiss.segment import Segment

if TYPE_CHECKING:
    from siamkit.types import Ids, Vectors

IN_MEMORY = 16_000_000  # floats


class Additions:
    """Rows by id. Above IN_MEMORY, they move to a temporary file beside the snapshots."""

    def __init__(self, folder: Path, key: str, dim: int) -> None:
        self._folder, self._key, self._dim = folder, key, dim
        self._blocks: list[tuple[Ids, Vectors]] = []  # not yet in `_memory`
        self._memory = Segment.empty(dim)
        self._spooled = Segment.empty(dim)
        self._writer: RowsWriter | None = None
        self._can_spool = True
        self._last = -1  # the largest id

    def __len__(self) -> int:
        return sum(map(len, self.segments()))

    @property
    def has_file(self) -> bool:
        """True once rows were moved to the file. A deletion waits until it is saved."""
        return self._writer is not None

    def segments(self) -> list[Segment]:
        """Return the rows, those in the file and those in memory, without empty parts."""
        return [part for part in (self._spooled, self._gathered()) if len(part.ids)]

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add (n,) distinct ids and (n, dim) vectors; an id that is there is replaced."""
        self.mask(ids)
        self._blocks.append((np.array(ids, np.int64), np.array(vectors, np.float32)))
        self._last = max(self._last, int(ids.max()))
        waiting = len(self._memory.ids) + sum(len(numbers) for numbers, _ in self._blocks)
        if waiting * self._dim > IN_MEMORY and self._can_spool:
            self._spool()

    def mask(self, ids: Ids) -> None:
        """Leave out some ids from now on; absent ones are ignored."""
        if len(ids) and ids.min() <= self._last:
            for segment in self.segments():
                segment.mask(ids)

    def finish(self) -> tuple[RowsWriter, Ids] | None:
        """Return the file with all rows in it, to be finished; None if they have to be merged.

        Raises OSError.
        """
        memory = self._gathered()
        if not (self._writer and self._can_spool and self._follows(memory)):
            return None
        if self._spooled.masked or memory.masked:
            return None
        self._can_spool = False  # what is written now is counted twice if it cannot be saved
        self._writer.write(memory.vectors)
        return self._writer, np.concatenate([self._spooled.ids, memory.ids])

    def close(self) -> None:
        """Delete the file if it was not put into place."""
        if self._writer:
            self._writer.close()

    def _gathered(self) -> Segment:
        """Return the rows in memory as one segment."""
        if self._blocks:
            live = self._memory.live_rows()
            parts = [(self._memory.ids[live], self._memory.vectors[live]), *self._blocks]
            ids, vectors = (np.concatenate(column) for column in zip(*parts, strict=True))
            if (np.diff(ids) < 0).any():
                order = np.argsort(ids, kind="stable")
                ids, vectors = ids[order], vectors[order]
            self._memory, self._blocks = Segment(ids, vectors), []
        return self._memory

    def _follows(self, memory: Segment) -> bool:
        """Return True if the ids in memory are all above those in the file."""
        return not (len(memory.ids) and len(self._spooled.ids)) or bool(
            memory.ids[0] > self._spooled.ids[-1]
        )

    def _spool(self) -> None:
        """Move the rows in memory to the file; they stay if the disk does not take them."""
        memory = self._gathered()
        if not (self._follows(memory) and self._folder.parent.is_dir()):
            return
        self._can_spool = False
        with suppress(OSError):
            if not self._writer:
                create_folder(self._folder)
                self._writer = RowsWriter(self._folder / f"{self._key}-added", self._dim)
            rows = memory.live_rows()
            self._writer.write(memory.vectors[rows])
            spooled = Segment(
                np.concatenate([self._spooled.ids, memory.ids[rows]]), self._writer.rows()
            )
            spooled.mask(self._spooled.masked_ids())
            self._spooled, self._memory, self._can_spool = spooled, Segment.empty(self._dim), True
