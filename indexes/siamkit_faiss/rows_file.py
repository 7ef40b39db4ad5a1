"""The file of a snapshot's rows: exact vectors, in the order of their ids, memory-mapped.

count x dim x float32     rows; an erased one is zero
0 or 4 bytes              so that the next begin at a multiple of 8
count x int64             ids, rising
count // 8 + 1 bytes      a bit per row, the lowest of a byte first: 1 if it is erased
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from siamkit_faiss.checksums import FileState, Summing, blocks_of
from siamkit_faiss.files import BINARY, Temporary, overwrite
from siamkit_faiss.layout import Layout
from siamkit_faiss.segment import Segment

if TYPE_CHECKING:
    from siamkit.types import Ids, Vectors

COPIED = 1 << 22  # floats of rows that are written at once


def open_rows(path: Path, layout: Layout) -> Segment:
    """Map a rows file of the right size. Raises OSError."""
    content = np.asarray(np.memmap(path, np.uint8, "r", shape=(layout.bytes,)))
    rows = content[: layout.count * layout.row_bytes].view(np.float32)
    ids = content[layout.ids : layout.erased].view(np.int64)
    return Segment(ids, rows.reshape(-1, layout.dim), content[layout.erased :].copy())


def erase(path: Path, layout: Layout, rows: NDArray[np.int64]) -> None:
    """Overwrite rows with zeros, then mark them as erased; durable on return. Raises OSError."""
    erased = np.fromfile(path, np.uint8, layout.count // 8 + 1, offset=layout.erased)
    np.bitwise_or.at(erased, rows >> 3, (1 << (rows & 7)).astype(np.uint8))
    handle = os.open(path, os.O_RDWR | BINARY)
    try:
        zeros = bytes(layout.row_bytes)
        for row in rows.tolist():
            overwrite(handle, row * layout.row_bytes, zeros)
        os.fsync(handle)
        overwrite(handle, layout.erased, erased.data)
        os.fsync(handle)
    finally:
        os.close(handle)


def blocks_to_erase(layout: Layout, rows: NDArray[np.int64]) -> list[int]:
    """Return the numbers of the blocks, see checksums, that `erase` changes."""
    blocks = blocks_of(rows * layout.row_bytes, layout.row_bytes)
    return sorted({*blocks, *blocks_of(layout.erased + (rows >> 3), 1)})


class RowsWriter:
    """A rows file that is being written beside its place, one block after the other."""

    def __init__(self, path: Path, dim: int) -> None:
        """Create it. Raises OSError."""
        self._file, self._dim, self._count = Temporary(path), dim, 0
        self._sums, self._written = Summing(), 0

    def write(self, vectors: Vectors) -> None:
        """Append (n, dim) rows. Raises OSError."""
        step = max(1, COPIED // self._dim)
        for start in range(0, len(vectors), step):
            part = np.ascontiguousarray(vectors[start : start + step], np.float32)
            self._append(part.reshape(-1).view(np.uint8).data)
            self._count += len(part)

    def rows(self) -> Vectors:
        """Map the (n, dim) rows that are written so far."""
        shape = (self._count, self._dim)
        return np.asarray(np.memmap(self._file.path, np.float32, "r", shape=shape))

    def finish(self, ids: Ids) -> FileState:
        """Write the (n,) rising ids of the rows, and sync. Raises OSError."""
        layout = Layout(self._count, self._dim)
        self._append(bytes(layout.ids - self._count * layout.row_bytes))
        self._append(np.ascontiguousarray(ids, np.int64).view(np.uint8).data)
        self._append(bytes(layout.bytes - layout.erased))
        os.fsync(self._file.handle)
        return self._sums.state(self._file.path)

    def replace(self, path: Path) -> None:
        """Put the finished file into its place, durably. Raises OSError."""
        self._file.replace(path)

    def close(self) -> None:
        """Delete the file if it was not put into place."""
        self._file.close()

    def _append(self, content: bytes | memoryview) -> None:
        overwrite(self._file.handle, self._written, content)
        self._written += len(content)
        self._sums.feed(content)


def merge(segments: Iterable[Segment], writer: RowsWriter) -> Ids:
    """Write the rows of segments that are not masked, by id; return their ids.

    No id is in two of them.
    """
    parts = [(segment, segment.live_rows()) for segment in segments]
    ids = np.concatenate([segment.ids[rows] for segment, rows in parts])
    source = np.repeat(np.arange(len(parts)), [len(rows) for _, rows in parts])
    rows = np.concatenate([rows for _, rows in parts])
    if (np.diff(ids) < 0).any():
        order = np.argsort(ids, kind="stable")
        ids, source, rows = ids[order], source[order], rows[order]
    step = max(1, COPIED // parts[0][0].vectors.shape[1])
    for start in range(0, len(ids), step):
        block_source, block_rows = source[start : start + step], rows[start : start + step]
        block = np.empty((len(block_rows), parts[0][0].vectors.shape[1]), np.float32)
        for number, (segment, _) in enumerate(parts):
            there = block_source == number
            block[there] = segment.vectors[block_rows[there]]
        writer.write(block)
    return ids
