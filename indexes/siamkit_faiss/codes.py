"""The file of a snapshot's compressed codes: inverted lists of row numbers, memory-mapped.

    3 x int64                 bytes of the header, number of lists, bytes of a block of codes
    header                    the trained FAISS index, without lists
    0 to 7 bytes              so that the next begin at a multiple of 8
    lists x int64             rows in each list
    for each list             blocks of 32 codes as FAISS packs them, then as many int64 row numbers

An erased code is zero, and its row number -1. A query scans the codes of some lists, four bits for
a few dimensions, and gives the rows that come next; their exact vectors decide, see rows_file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from siamkit_faiss.checksums import FileState, Summing, blocks_of
from siamkit_faiss.files import BINARY, overwrite

PER_BLOCK = 32  # codes that FAISS packs together
HEAD = 24  # bytes before the header


@dataclass(frozen=True, slots=True)
class Places:
    """The parts of a codes file."""

    header: NDArray[np.uint8]
    block_bytes: int
    sizes: NDArray[np.int64]  # rows in each list
    capacities: NDArray[np.int64]  # the same, up to a whole block
    offsets: NDArray[np.int64]  # of each list's codes

    def numbers(self, content: NDArray[np.uint8], number: int) -> NDArray[np.int64]:
        """Return the row numbers of one list."""
        start = self.offsets[number] + self.capacities[number] // PER_BLOCK * self.block_bytes
        return content[start : start + 8 * self.sizes[number]].view(np.int64)


def _map(path: Path) -> tuple[NDArray[np.uint8], Places]:
    content = np.asarray(np.memmap(path, np.uint8, "r"))
    header_bytes, lists, block_bytes = content[:HEAD].view(np.int64).tolist()
    start = HEAD + (header_bytes + 7) // 8 * 8
    sizes = content[start : start + 8 * lists].view(np.int64)
    capacities = -(-sizes // PER_BLOCK) * PER_BLOCK
    lengths = capacities // PER_BLOCK * (block_bytes + 8 * PER_BLOCK)
    offsets = start + 8 * lists + np.cumsum(lengths) - lengths
    header = content[HEAD : HEAD + header_bytes]
    return content, Places(header, block_bytes, sizes, capacities, offsets)


def supported() -> bool:
    """Return True if FAISS can map inverted lists: not on Windows."""
    return hasattr(faiss, "OnDiskInvertedLists")


@dataclass(frozen=True, slots=True)
class MappedCodes:
    """A codes file that is open, memory-mapped."""

    index: faiss.IndexIVF
    content: NDArray[np.uint8]
    places: Places


def open_codes(path: Path) -> MappedCodes:
    """Open a sound codes file. Raises OSError, RuntimeError (FAISS)."""
    content, places = _map(path)
    index = faiss.deserialize_index(places.header)
    lists = faiss.OnDiskInvertedLists(len(places.sizes), places.block_bytes // PER_BLOCK, str(path))
    lists.read_only, lists.prefetch_nthread = True, 0
    lists.totsize = path.stat().st_size
    # Each entry is a struct of three size_t.
    entries = np.stack([places.sizes, places.capacities, places.offsets], axis=1)
    faiss.memcpy(lists.lists.data(), faiss.swig_ptr(np.ascontiguousarray(entries)), entries.nbytes)
    lists.do_mmap()
    index.replace_invlists(lists, True)
    lists.this.disown()  # the index deletes them
    index.ntotal = int(places.sizes.sum())
    return MappedCodes(index, content, places)


@dataclass(frozen=True, slots=True)
class Encoding:
    """A trained index in memory, and what it was before rows were added."""

    header: NDArray[np.uint8]
    index: faiss.IndexIVF

    @classmethod
    def of(cls, trained: faiss.IndexIVF) -> Encoding:
        """Begin with an index without rows."""
        return cls(faiss.serialize_index(trained), trained)

    @classmethod
    def load(cls, mapped: MappedCodes) -> Encoding:
        """Copy codes into memory, to change them. Raises RuntimeError (FAISS)."""
        content, places = mapped.content, mapped.places
        index = faiss.deserialize_index(places.header)
        for number, (size, codes) in enumerate(_lists(content, places)):
            if size:
                index.invlists.resize(number, size)
                codes_place, numbers_place = _memory(index, number, codes.nbytes)
                codes_place[:], numbers_place[:] = codes, places.numbers(content, number)
        index.ntotal = int(places.sizes.sum())
        return cls(places.header.copy(), index)

    def renumber(self, numbers: NDArray[np.int64]) -> None:
        """Give each row another number, and delete those that get -1.

        numbers: (n,) by the present number.
        """
        index, packer = self.index, self.index.get_CodePacker()
        before = _sizes(index)
        deleted = np.append(np.flatnonzero(numbers < 0), -1)
        index.remove_ids(faiss.IDSelectorBatch(deleted))
        after, zero = _sizes(index), np.zeros(packer.code_size, np.uint8)
        for number in np.flatnonzero(before).tolist():
            size, blocks = int(after[number]), -(-int(after[number]) // PER_BLOCK)
            codes, rows = _memory(index, number, blocks * packer.block_size)
            rows[:] = numbers[rows]
            # FAISS leaves codes behind the last, and adds others by setting bits in their place.
            for place in range(size, min(int(before[number]), blocks * PER_BLOCK)):
                packer.pack_1(zero, place % PER_BLOCK, codes.reshape(blocks, -1)[-1:])

    def write(self, path: Path) -> FileState:
        """Write a codes file, and sync it. Raises OSError."""
        index, sums = self.index, Summing()
        sizes = _sizes(index)
        block_bytes = index.get_CodePacker().block_size
        with path.open("wb") as file:

            def append(content: NDArray[np.int64] | NDArray[np.uint8]) -> None:
                file.write(content.data)
                sums.feed(content.view(np.uint8).data)

            append(np.array([len(self.header), index.nlist, block_bytes], np.int64))
            append(self.header)
            append(np.zeros(-len(self.header) % 8, np.uint8))
            append(sizes)
            for number in np.flatnonzero(sizes).tolist():
                blocks = -(-int(sizes[number]) // PER_BLOCK)
                codes, rows = _memory(index, number, blocks * block_bytes)
                append(codes)
                append(np.pad(rows, (0, blocks * PER_BLOCK - len(rows)), constant_values=-1))
            file.flush()
            os.fsync(file.fileno())
        return sums.state(path)


def _sizes(index: faiss.IndexIVF) -> NDArray[np.int64]:
    return np.array([index.invlists.list_size(n) for n in range(index.nlist)], np.int64)


def _memory(
    index: faiss.IndexIVF, number: int, codes_bytes: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return a list's codes and row numbers in the memory of FAISS, to read or change them."""
    lists = index.invlists
    codes = faiss.rev_swig_ptr(lists.get_codes(number), codes_bytes)
    return codes, faiss.rev_swig_ptr(lists.get_ids(number), lists.list_size(number))


def _lists(content: NDArray[np.uint8], places: Places) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield each list's size and codes."""
    lengths = places.capacities // PER_BLOCK * places.block_bytes
    for size, offset, length in zip(
        places.sizes.tolist(), places.offsets.tolist(), lengths.tolist(), strict=True
    ):
        yield size, content[offset : offset + length]


@dataclass(frozen=True, slots=True)
class Slots:
    """Places of some rows in a codes file: (m,) each."""

    blocks: NDArray[np.int64]  # offset of the block of codes
    places: NDArray[np.int64]  # of the code in its block
    numbers: NDArray[np.int64]  # offset of the row number
    block_bytes: int

    def blocks_to_erase(self) -> list[int]:
        """Return the numbers of the blocks, see checksums, that `erase` changes."""
        codes = blocks_of(self.blocks, self.block_bytes)
        return sorted({*codes, *blocks_of(self.numbers, 8)})


def find(path: Path, rows: NDArray[np.int64], count: int) -> Slots:
    """Look up rows in a sound codes file of `count` rows. Raises OSError."""
    content, places = _map(path)
    wanted = np.zeros(count + 1, bool)  # the last is -1, an erased code
    wanted[rows] = True
    lists, slots = [], []
    for number in np.flatnonzero(places.sizes).tolist():
        inside = np.flatnonzero(wanted[places.numbers(content, number)])
        lists.append(np.full(len(inside), number))
        slots.append(inside)
    of_list = np.concatenate(lists) if lists else np.empty(0, np.int64)
    slot = np.concatenate(slots) if slots else np.empty(0, np.int64)
    start = places.offsets[of_list]
    codes_bytes = places.capacities[of_list] // PER_BLOCK * places.block_bytes
    return Slots(
        start + slot // PER_BLOCK * places.block_bytes,
        slot % PER_BLOCK,
        start + codes_bytes + 8 * slot,
        places.block_bytes,
    )


def erase(path: Path, slots: Slots) -> None:
    """Overwrite codes with zeros and their row numbers with -1, durably. Raises OSError."""
    _, places = _map(path)
    packer = faiss.deserialize_index(places.header).get_CodePacker()
    zero, none = np.zeros(packer.code_size, np.uint8), np.array([-1], np.int64)
    handle = os.open(path, os.O_RDWR | BINARY)
    try:
        for offset, place in zip(slots.blocks.tolist(), slots.places.tolist(), strict=True):
            block = np.fromfile(path, np.uint8, slots.block_bytes, offset=offset)
            packer.pack_1(zero, place, block[None])
            overwrite(handle, offset, block.data)
        os.fsync(handle)  # the numbers lead a repeated purge to the codes: they go last
        for offset in slots.numbers.tolist():
            overwrite(handle, offset, none.view(np.uint8).data)
        os.fsync(handle)
    finally:
        os.close(handle)
