"""Faults of indexes that build, backends that purge, and those on a server."""

from __future__ import annotations

import time

import numpy as np
from toyindex import Depot, Ledger, LedgerIndex, State, locked

from planted.good import plant
from siamkit.errors import IndexUnavailable
from siamkit.testing.brute import BruteIndex
from siamkit.types import Hits

SLOW = 0.2  # seconds, longer than it takes to kill a process


# Builds.


def build_in_memory_only(self, progress):
    progress("building the index", 1, 1)
    self.built = len(self.rows)


def search_less_once_built(self, vectors, k, *, within=None):
    hits = BruteIndex.search(self, vectors, k, within=within)
    if not self.built or k != 10:
        return hits
    return Hits(np.roll(hits.ids, 1, axis=0), np.roll(hits.scores, 1, axis=0))


def build_from_what_is_saved(self, progress):
    LedgerIndex.build(self, progress)
    if self.path.exists():
        self.rows = State.read(self.path).rows


def search_nothing_once_others_build(self, vectors, k, *, within=None):
    is_old = self.path.exists() and State.read(self.path).built > self.built
    return BruteIndex.search(self, vectors, k, within=np.empty(0, np.int64) if is_old else within)


def build_backwards(self, progress):
    LedgerIndex.build(self, lambda step, done, total: progress(step, total - done, total))


def build_in_place(self, progress):
    state = State.read(self.path)
    self.path.unlink()
    time.sleep(SLOW)
    state.write(self.path, self.dim)
    LedgerIndex.build(self, progress)


# Purges.


def purge_nothing(self, prefix, ids, *, root, seq):
    Ledger.purge(self, prefix, ids[:0], root=root, seq=seq)


def purge_and_keep_a_copy(self, prefix, ids, *, root, seq):
    for path in self.folder(root).glob(f"{prefix}*"):
        (self.folder(root) / f"copy-of-{path.name}").write_bytes(path.read_bytes())
    Ledger.purge(self, prefix, ids, root=root, seq=seq)


def purge_one_key(self, prefix, ids, *, root, seq):
    Ledger.purge(self, f"{prefix}s1", ids, root=root, seq=seq)


def purge_what_is_there(self, prefix, ids, *, root, seq):
    for path in self.folder(root).glob(f"{prefix}*"):
        if absent := {*ids.tolist()} - State.read(path).rows.keys():
            raise KeyError(*absent)
    Ledger.purge(self, prefix, ids, root=root, seq=seq)


def purge_without_a_mark(self, prefix, ids, *, root, seq):
    Ledger.purge(self, prefix, ids, root=root, seq=0)


def purge_in_place(self, prefix, ids, *, root, seq):
    for path in self.folder(root).glob(f"{prefix}*"):
        content = path.read_bytes()
        path.unlink()
        time.sleep(SLOW)
        path.write_bytes(content)
    Ledger.purge(self, prefix, ids, root=root, seq=seq)


def save_as_if_purged(self, cursor):
    self.folder.mkdir(exist_ok=True)
    age = State.read(self.path).age if self.path.exists() else 0
    State(self.rows, cursor, max(age, cursor.seq), self.built).write(self.path, self.dim)
    self.saved_cursor, self.changed = cursor, False


def save_unless_purged(self, cursor):
    if not self.path.exists() or State.read(self.path).age <= self.saved_cursor.seq:
        LedgerIndex.save(self, cursor)


# Shared.


class Anybodys(LedgerIndex):
    """It saves under a key without the store's id."""

    @property
    def path(self):
        return self.folder / f"{self.key.partition('-')[2]}.npz"


def drop_anybodys(self, prefix, *, root, below=None):
    Ledger.drop(self, prefix.partition("-")[2], root=root, below=below)


def purge_anybodys(self, prefix, ids, *, root, seq):
    Ledger.purge(self, prefix.partition("-")[2], ids, root=root, seq=seq)


def save_whatever_is_there(self, cursor):
    State(self.rows, cursor, cursor.seq, self.built).write(self.path, self.dim)
    self.saved_cursor, self.changed = cursor, False


def save_on_what_was_opened(self, cursor):
    saved = State.read(self.path) if self.path.exists() else State()
    if saved.cursor in (self.saved_cursor, self.refused):
        LedgerIndex.save(self, cursor)


def save_unless_newer(self, cursor):
    with locked(self.folder):
        if self.path.exists() and State.read(self.path).age > cursor.seq:
            return
        save_whatever_is_there(self, cursor)


def folder_or_os_error(self, root):
    try:
        return Depot.folder(self, root)
    except IndexUnavailable as error:
        raise OSError("no such depot") from error


INDEX_FAULTS = [
    ("wants_build_is_bool", {"wants_build": lambda self: not self.built}),
    ("wants_build_is_bool", {"wants_build": lambda self: len(self.rows) and 1}),
    ("build_is_durable", {"build": build_in_memory_only}),
    ("build_answers_as_before", {"search": search_less_once_built}),
    ("changes_around_build", {"build": build_from_what_is_saved}),
    ("build_aside", {"search": search_nothing_once_others_build}),
    ("build_progress_rises", {"build": build_backwards}),
    ("kill_during_build", {"build": build_in_place}),
    ("late_save_brings_nothing_back", {"save": save_as_if_purged}),
    ("open_index_survives_purge", {"save": save_unless_purged}),
]
BACKEND_FAULTS = [
    ("purged_are_not_found", {"purge": purge_nothing}),
    ("purged_leave_no_bytes", {"purge": purge_and_keep_a_copy}),
    ("purge_reaches_every_key", {"purge": purge_one_key}),
    ("purge_may_be_repeated", {"purge": purge_what_is_there}),
    ("purged_count_as_saved_then", {"purge": purge_without_a_mark}),
    ("remains_is_a_sentence", {"remains": lambda self, prefix, *, root: None}),
    ("kill_during_purge", {"purge": purge_in_place}),
    *(
        (check, {"index": type(f"Index_{check}", (LedgerIndex,), members)})
        for check, members in INDEX_FAULTS
    ),
]
SERVER_INDEX_FAULTS = [
    ("older_save_is_ignored", {"save": save_whatever_is_there}),
    ("newer_save_completes", {"save": save_on_what_was_opened}),
    ("other_history_is_replaced", {"save": save_unless_newer}),
]
SERVER_FAULTS = [
    ("stores_are_apart", {"index": Anybodys, "drop": drop_anybodys, "purge": purge_anybodys}),
    ("away_is_unavailable", {"folder": folder_or_os_error}),
    *(
        (check, {"index": type(f"Index_{check}", (LedgerIndex,), members)})
        for check, members in SERVER_INDEX_FAULTS
    ),
]
PLANTED = [*plant(__name__, Ledger, BACKEND_FAULTS), *plant(__name__, Depot, SERVER_FAULTS)]
