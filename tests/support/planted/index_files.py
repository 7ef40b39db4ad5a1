"""Faults of saved indexes."""

from __future__ import annotations

import os
import time

import numpy as np

from planted.good import plant
from planted.indexes import larger_id_first
from siamkit.testing import Brute
from siamkit.testing.brute import BruteIndex
from siamkit.types import Cursor


def save_rounded(self, cursor):
    self.rows = {i: row.astype(np.float16).astype(np.float32) for i, row in self.rows.items()}
    BruteIndex.save(self, cursor)


def save_and_forget_the_cursor(self, cursor):
    BruteIndex.save(self, cursor)
    self.saved_cursor = Cursor()


def save_in_place(self, cursor):
    for path in self.folder.glob(f"{self.key}-*"):
        path.unlink()
    time.sleep(0.2)  # longer than it takes to kill it
    BruteIndex.save(self, cursor)


def remove_and_remember(self, ids):
    self.removed = {i: self.rows[i] for i in ids.tolist() if i in self.rows}
    BruteIndex.remove(self, ids)


def save_removed_rows_too(self, cursor):
    rows, self.rows = self.rows, {**getattr(self, "removed", {}), **self.rows}
    BruteIndex.save(self, cursor)
    self.rows = rows


def save_unless_empty(self, cursor):
    if self.rows:
        BruteIndex.save(self, cursor)


def close_and_delete(self):
    for path in self.folder.glob(f"{self.key}-*"):
        path.unlink()


def add_unless_loaded(self, ids, vectors):
    if not self.saved_cursor.seq:
        BruteIndex.add(self, ids, vectors)


def within_until_saved(self, vectors, k, *, within=None):
    return BruteIndex.search(self, vectors, k, within=None if self.saved_cursor.seq else within)


def ties_in_order_until_saved(self, vectors, k, *, within=None):
    def search(k, within):
        return BruteIndex.search(self, vectors, k, within=within)

    return larger_id_first(search, k, within) if self.saved_cursor.seq else search(k, within)


def open_raising(self, key, dim, *, root, known):
    index, refused = Brute.open(self, key, dim, root=root, known=known)
    if any("damaged" in line for line in refused):
        raise ValueError(refused[0])
    return index, refused


def open_unknown(self, key, dim, *, root, known):
    return Brute.open(self, key, dim, root=root, known=lambda cursor: True)


def drop_longer_keys_too(self, prefix, *, root, below=None):
    Brute.drop(self, prefix.rstrip("-"), root=root, below=below)


def drop_newer_too(self, prefix, *, root, below=None):
    Brute.drop(self, prefix, root=root)


class WithoutChecksum(BruteIndex):
    def save(self, cursor):
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.key}-{cursor.seq}-{cursor.nonce}.npz"
        temporary = path.with_name(f".{path.name}")
        rows = (np.int64(i).tobytes() + row.tobytes() for i, row in self.rows.items())
        temporary.write_bytes(len(self.rows).to_bytes(8) + b"".join(rows))
        os.replace(temporary, path)
        self.saved_cursor, self.changed = cursor, False


def open_without_checksum(self, key, dim, *, root, known):
    index, refused = WithoutChecksum(root / self.name, key, dim), []
    for path in sorted((root / self.name).glob(f"{key}-*"), key=self.age, reverse=True):
        content, width = path.read_bytes(), 8 + 4 * dim
        cursor = Cursor(self.age(path), path.stem.rpartition("-")[2])
        if len(content) != 8 + width * int.from_bytes(content[:8]) or not known(cursor):
            refused.append(f"{path.name} is cut short, or of another history")
            continue
        for start in range(8, len(content), width):
            number = int(np.frombuffer(content, np.int64, 1, start)[0])
            index.rows[number] = np.frombuffer(content, np.float32, dim, start + 8)
        index.saved_cursor = cursor
        break
    return index, refused


INDEX_FAULTS = [
    ("saved_cursor_comes_back", {"save": save_and_forget_the_cursor}),
    ("save_reopen_equal", {"save": save_rounded}),
    ("changes_after_reopening", {"add": add_unless_loaded}),
    ("reopened_searches_equal", {"search": within_until_saved}),
    ("reopened_searches_equal", {"search": ties_in_order_until_saved}),
    ("removals_are_saved", {"save": save_removed_rows_too, "remove": remove_and_remember}),
    ("removals_are_saved", {"save": save_unless_empty}),
    ("due_is_false_after_save", {"due": lambda self: True}),
    ("close_keeps_saved_files", {"close": lambda self: 1 / 0}),
    ("close_keeps_saved_files", {"close": close_and_delete}),
    ("kill_during_save", {"save": save_in_place}),
]
BACKEND_FAULTS = [
    ("newest_is_opened", {"age": staticmethod(lambda path: path.name)}),
    ("unknown_cursor_is_refused", {"open": open_unknown}),
    ("damage_is_refused", {"open": open_raising}),
    ("rot_is_refused", {"index": WithoutChecksum, "open": open_without_checksum}),
    ("drop_deletes", {"drop": drop_longer_keys_too}),
    ("drop_below_keeps_newer", {"drop": drop_newer_too}),
    *(
        (check, {"index": type(f"Index_{check}", (BruteIndex,), members)})
        for check, members in INDEX_FAULTS
    ),
]
PLANTED = plant(__name__, Brute, BACKEND_FAULTS)
