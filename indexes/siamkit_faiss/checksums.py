"""Checksums of a file, block by block, so that a change in place costs as much as it changes.

A block has two: a CRC-32, and the xor of its 8-byte words, which is computed as fast as memory is
read. A block whose checksums are None is being changed, and is not compared.

numpy is imported where it computes: a command that only deletes snapshots does without it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLOCK = 1 << 20  # bytes; at least as long as a row, see blocks_of
Sums: TypeAlias = Sequence[int | None]


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it was written: its size, modification time and checksums."""

    bytes: int
    mtime_ns: int
    crc32: Sums
    xor64: Sums

    def is_as_written(self, path: Path, *, thorough: bool) -> bool:
        """Compare all blocks with a file of the same size, by CRC-32 if thorough, else by xor."""
        recorded, compute = (self.crc32, _crc32) if thorough else (self.xor64, _xor64)
        return _agree(path, recorded, range(len(recorded)), compute)

    def holds(self, path: Path, blocks: Iterable[int]) -> bool:
        """Compare some blocks of a file, by CRC-32."""
        return _agree(path, self.crc32, blocks, _crc32)

    def without(self, blocks: Iterable[int]) -> FileState:
        """Return the same with some blocks marked as being changed."""
        crc32, xor64 = list(self.crc32), list(self.xor64)
        for number in blocks:
            crc32[number] = xor64[number] = None
        return FileState(self.bytes, self.mtime_ns, crc32, xor64)

    def renewed(self, path: Path) -> FileState:
        """Return the state after a change in place: the marked blocks and the time are new."""
        crc32, xor64, content = list(self.crc32), list(self.xor64), _map(path)
        for number in self.changing():
            block = content[number * BLOCK : (number + 1) * BLOCK]
            crc32[number], xor64[number] = _crc32(block), _xor64(block)
        return FileState(self.bytes, path.stat().st_mtime_ns, crc32, xor64)

    def changing(self) -> list[int]:
        """Return the blocks that are marked as being changed."""
        return [number for number, value in enumerate(self.crc32) if value is None]


class Summing:
    """Checksums of a file that is written from its start to its end."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._crc32: list[int | None] = []
        self._xor64: list[int | None] = []
        self._bytes = 0

    def feed(self, content: bytes | memoryview) -> None:
        """Take the next bytes of the file."""
        import numpy as np

        self._bytes += len(content)
        self._rest += content
        whole = len(self._rest) // BLOCK * BLOCK
        for start in range(0, whole, BLOCK):
            self._note(np.frombuffer(self._rest, np.uint8, BLOCK, start))
        if whole:
            del self._rest[:whole]

    def state(self, path: Path) -> FileState:
        """Return the state of the file, written to its end."""
        import numpy as np

        if self._rest:
            self._note(np.frombuffer(bytes(self._rest), np.uint8))
            self._rest.clear()
        return FileState(self._bytes, path.stat().st_mtime_ns, self._crc32, self._xor64)

    def _note(self, block: NDArray[np.uint8]) -> None:
        self._crc32.append(_crc32(block))
        self._xor64.append(_xor64(block))


def blocks_of(offsets: NDArray[np.int64], size: int) -> list[int]:
    """Return the numbers of the blocks that hold `size` bytes, at most BLOCK, from each offset."""
    import numpy as np

    numbers: list[int] = np.union1d(offsets // BLOCK, (offsets + size - 1) // BLOCK).tolist()
    return numbers


def _agree(
    path: Path,
    recorded: Sums,
    blocks: Iterable[int],
    compute: Callable[[NDArray[np.uint8]], int],
) -> bool:
    content = _map(path)
    return all(
        recorded[number] in (None, compute(content[number * BLOCK : (number + 1) * BLOCK]))
        for number in blocks
    )


def _map(path: Path) -> NDArray[np.uint8]:
    import numpy as np

    return np.asarray(np.memmap(path, np.uint8, "r"))


def _crc32(block: NDArray[np.uint8]) -> int:
    return zlib.crc32(block.data)


def _xor64(block: NDArray[np.uint8]) -> int:
    """Return the xor of the 8-byte words; those after the last whole word count as one."""
    import numpy as np

    end = len(block) // 8 * 8
    words = np.bitwise_xor.reduce(block[:end].view("<u8"), initial=0)
    return int(words) ^ int.from_bytes(block[end:].tobytes(), "little")
