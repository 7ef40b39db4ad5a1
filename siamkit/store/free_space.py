"""Overwrite the free space within the pages of a SQLite file with zeros.

secure_delete overwrites what is deleted, but not the copies that SQLite leaves behind where it has
moved rows between pages. Each page says where its free space lies, as SQLite documents:
https://sqlite.org/fileformat2.html. No reader looks at it, so whatever interrupts this, nothing
that is stored changes.

That happens

* anywhere in an index whose entries come in any order: the pages of those are all gone through;
* in a table to which rows are only appended, near rows that were changed or deleted since: triggers
  note these in the table `disturbed`, and the pages around them are gone through.

So it takes time in proportion to the entries of those indexes, not to the vectors in the store.

This runs as a program of its own, which imports nothing of siamkit: a process that closes the file
gives up the locks that SQLite holds on it there.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from mmap import mmap
from struct import Struct
from typing import NoReturn

TABLES = ("identities", "samples", "templates")  # rows are appended to them
INDEXES = (  # and other b-trees that hold labels, sources or digests in any order
    *("sqlite_autoindex_identities_1", "samples_by_digest"),
    *("merged", "unknowns", "sqlite_autoindex_unknowns_1", "uploads", "sqlite_autoindex_uploads_1"),
)
MOST_ROWS = 2_000  # disturbed, around which it is faster to look than to go through all pages
PAUSE_SECONDS = 0.01  # between attempts to find the log empty while others write
REFUSED = 75  # exit code: another process is in the way, or the disk is full
NEIGHBOURS = 4  # leaves on either side; SQLite moves rows between three leaves at a time
DEEPEST = 20  # levels of a b-tree, as SQLite has it
_INTERIOR, _LEAF = (2, 5), (10, 13)  # kinds of b-tree pages: of an index, of a table
_ZEROS = bytes(65_536)  # as long as the largest page
_HEADER = Struct(">BHHH")  # of a b-tree page: kind, first free block, cells, start of their content
_U16, _U32, _BLOCK, _TRUNK = Struct(">H"), Struct(">I"), Struct(">HH"), Struct(">II")


class Damaged(Exception):
    """A page is not as SQLite writes it."""


class Database:
    """A database file, of which nobody changes a page meanwhile."""

    def __init__(self, content: mmap | bytearray) -> None:
        self.content = content
        (size,) = _U16.unpack_from(content, 16)
        self.page_size = 65_536 if size == 1 else size
        self.usable = self.page_size - content[20]  # bytes of a page
        self.pages = len(content) // self.page_size
        self.overwritten = 0  # bytes

    def clear_tree(self, root: int) -> None:
        """Overwrite the free space of all pages of a b-tree."""
        waiting = [root]
        for _ in range(self.pages):
            if not waiting:
                return
            number = waiting.pop()
            if self.clear_page(number) in _INTERIOR:
                cells, rightmost = self._cells(number)
                waiting += [_U32.unpack_from(self.content, cell)[0] for cell in cells] + rightmost
        raise Damaged("a b-tree does not end")

    def clear_around(self, root: int, row_ids: Iterable[int]) -> None:
        """Overwrite the free space of the leaves of a table where rows are or would be."""
        for number in {leaf for row_id in row_ids for leaf in self._leaves_around(root, row_id)}:
            self.clear_page(number)

    def clear_free_pages(self) -> None:
        """Overwrite the pages that belong to nothing."""
        (trunk,) = _U32.unpack_from(self.content, 32)
        for _ in range(self.pages + 1):
            if not trunk:
                return
            start = self._start(trunk)
            trunk, count = _TRUNK.unpack_from(self.content, start)
            if 8 + 4 * count > self.usable:
                raise Damaged("the list of free pages is damaged")
            for number in Struct(f">{count}I").unpack_from(self.content, start + 8):
                self._clear(self._start(number), self._start(number) + self.page_size)
            self._clear(start + 8 + 4 * count, start + self.page_size)
        raise Damaged("the list of free pages does not end")

    def clear_page(self, number: int) -> int:
        """Overwrite the free space of a b-tree page, before and among its cells; return its kind.

        Not of the first page, where the header of the file is.
        """
        page = self._start(number)
        kind, block, cells, content = _HEADER.unpack_from(self.content, page)
        gap, end = page + (12 if kind in _INTERIOR else 8) + 2 * cells, page + (content or 65_536)
        if kind not in (*_INTERIOR, *_LEAF) or not gap <= end <= page + self.usable:
            raise Damaged(f"page {number} is damaged")
        if not block and not self._holds(gap, end):  # as nearly all are
            return int(kind)
        free = [(gap, end)]
        while block:
            following, length = _BLOCK.unpack_from(self.content, page + block)
            last = block + length
            if page + block < end or length < 4 or last > self.usable or 0 < following < last:
                raise Damaged(f"page {number} is damaged")
            free.append((page + block + 4, page + last))
            block = following
        if any(self._holds(*part) for part in free):
            starts = Struct(f">{cells}H").unpack_from(self.content, gap - 2 * cells)
            for start, end in free:
                if any(start <= page + cell < end for cell in starts):
                    raise Damaged(f"page {number} is damaged")
                self._clear(start, end)
        return int(kind)

    def _holds(self, start: int, end: int) -> bool:
        """Return True if a part of the file is not all zeros."""
        return not _ZEROS.startswith(self.content[start:end])

    def _clear(self, start: int, end: int) -> None:
        if self._holds(start, end):
            self.content[start:end] = _ZEROS[: end - start]
            self.overwritten += end - start

    def _start(self, number: int) -> int:
        start = (number - 1) * self.page_size
        if not 1 < number <= self.pages:
            raise Damaged(f"there is no page {number}")
        return start

    def _cells(self, number: int) -> tuple[Sequence[int], list[int]]:
        """Return where the cells of an interior page are, and its last child; nothing of a leaf."""
        page = self._start(number)
        kind, _, count, _ = _HEADER.unpack_from(self.content, page)
        if kind not in _INTERIOR:
            return (), []
        if 12 + 2 * count > self.usable:
            raise Damaged(f"page {number} is damaged")
        places = Struct(f">{count}H").unpack_from(self.content, page + 12)
        return [page + place for place in places], [*_U32.unpack_from(self.content, page + 8)]

    def _leaves_around(self, root: int, row_id: int) -> Iterator[int]:
        leaf, before, last = self._leaf(root, row_id)
        yield leaf
        for _ in range(NEIGHBOURS):
            if before is not None:
                leaf, before, _ = self._leaf(root, before)
                yield leaf
            if last is not None:
                leaf, _, last = self._leaf(root, last + 1)
                yield leaf

    def _leaf(self, root: int, row_id: int) -> tuple[int, int | None, int | None]:
        """Find the leaf where a row is or would be; the last ids of the leaf before it, and of it.

        None if it is the first leaf, or the last one.
        """
        number, before, last = root, None, None
        for _ in range(DEEPEST):
            cells, rightmost = self._cells(number)
            if not rightmost:
                return number, before, last
            low, high = 0, len(cells)  # the first cell whose key is not below the id
            while low < high:
                middle = (low + high) // 2
                low, high = (
                    (middle + 1, high) if self._key(cells[middle]) < row_id else (low, middle)
                )
            before = self._key(cells[low - 1]) if low else before
            last = self._key(cells[low]) if low < len(cells) else last
            (number,) = (
                _U32.unpack_from(self.content, cells[low]) if low < len(cells) else rightmost
            )
        raise Damaged("a b-tree does not end")

    def _key(self, cell: int) -> int:
        """Return the row id in a cell of an interior page of a table, a varint behind the child."""
        value = 0
        for position in range(cell + 4, cell + 12):
            byte = self.content[position]
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value
        value = value << 8 | self.content[cell + 12]
        return value - (1 << 64 if value >> 63 else 0)


def overwrite(path: str, notes: Sequence[tuple[int, int]], wait_seconds: float) -> NoReturn:
    """Overwrite the free space of a store's database where it may hold copies of rows, and exit.

    Nobody writes meanwhile: SQLite's lock is held by the same process as the file, so that neither
    outlives the other. The transaction that ends it removes the notes of deletions (gallery id,
    last change), and makes every other connection drop the pages that it remembers, with their free
    space as it was. Raises sqlite3.OperationalError, OSError, Damaged.
    """
    db = sqlite3.connect(path, timeout=wait_seconds, isolation_level=None)
    db.execute("PRAGMA secure_delete = ON")
    db.execute("PRAGMA synchronous = FULL")
    _lock_with_empty_log(db, path, wait_seconds)
    file = open(path, "r+b")  # noqa: SIM115 (closing it gives up SQLite's locks)
    content = mmap(file.fileno(), 0)
    database = Database(content)
    _clear(db, database)
    if database.overwritten:
        content.flush()
        os.fsync(file.fileno())
    db.execute("DELETE FROM disturbed")
    db.executemany("DELETE FROM erasures WHERE gallery_id = ? AND seq <= ?", notes)
    db.execute("COMMIT")
    os._exit(0)  # closing the last connection deletes the log, even if locks were lost elsewhere


def _lock_with_empty_log(db: sqlite3.Connection, path: str, wait_seconds: float) -> None:
    """Begin a transaction in which the file holds all that is stored, and nobody else writes."""
    deadline = time.monotonic() + wait_seconds
    while True:
        busy, _, _ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not busy:
            db.execute("BEGIN IMMEDIATE")
            if not os.stat(f"{path}-wal").st_size:
                return
            db.execute("ROLLBACK")  # another process was faster
        if time.monotonic() >= deadline:
            raise sqlite3.OperationalError("another process is using the store")
        time.sleep(PAUSE_SECONDS)  # SQLite does not wait for another's checkpoint


def _clear(db: sqlite3.Connection, database: Database) -> None:
    query = "SELECT name, rootpage FROM sqlite_master WHERE rootpage > 1"
    roots: dict[str, int] = dict(db.execute(query).fetchall())
    rows: dict[str, list[int]] = {table: [] for table in TABLES}
    disturbed = db.execute("SELECT tree, id FROM disturbed LIMIT ?", (MOST_ROWS + 1,)).fetchall()
    for table, row_id in disturbed:
        rows.get(table, []).append(row_id)
    is_known = all(table in rows and type(row_id) is int for table, row_id in disturbed)
    for index in INDEXES:
        database.clear_tree(roots[index])
    if is_known and len(disturbed) <= MOST_ROWS:
        for table, row_ids in rows.items():
            database.clear_around(roots[table], row_ids)
        return
    for table in TABLES:
        database.clear_tree(roots[table])
    database.clear_free_pages()


def main() -> NoReturn:
    """Do what standard input asks for. Never returns: see the end of `overwrite`."""
    try:
        job = json.load(sys.stdin)
        overwrite(job["path"], job["notes"], job["wait_seconds"])
    except BaseException as error:
        print(error, flush=True)
        os._exit(REFUSED if isinstance(error, sqlite3.OperationalError) else 1)


if __name__ == "__main__":
    main()
