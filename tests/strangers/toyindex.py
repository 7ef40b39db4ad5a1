"""A stranger's index backends: siamkit's brute force, under names of its own."""

from __future__ import annotations

import fcntl
import io
import os
import secrets
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from siamkit.errors import IndexUnavailable
from siamkit.testing import Brute
from siamkit.testing.brute import BruteIndex
from siamkit.types import Cursor

WANTS_BUILD_FROM = 50  # rows


class Shelf(Brute):
    name = "shelf"


@dataclass
class State:
    """What a ledger holds of one key, in one file."""

    rows: dict = field(default_factory=dict)
    cursor: Cursor = field(default_factory=Cursor)
    age: int = 0  # the change that it counts as saved at
    built: int = 0  # rows that its structure was built for

    @classmethod
    def read(cls, path):
        with np.load(io.BytesIO(path.read_bytes())) as saved:
            rows = dict(zip(saved["ids"].tolist(), saved["rows"], strict=True))
            seq, age, built = saved["numbers"].tolist()
            return cls(rows, Cursor(seq, str(saved["nonce"])), age, built)

    def write(self, path, dim):
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with temporary.open("wb") as file:
            np.savez(
                file,
                ids=np.array([*self.rows], np.int64),
                rows=np.array([*self.rows.values()], np.float32).reshape(-1, dim),
                numbers=np.array([self.cursor.seq, self.age, self.built]),
                nonce=np.array(self.cursor.nonce),
            )
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)


@contextmanager
def locked(folder):
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


class LedgerIndex(BruteIndex):
    """In memory; one file per key, which an older state never replaces."""

    built = 0
    refused = Cursor()  # a state of another history, which the next save replaces

    @property
    def path(self):
        return self.folder / f"{self.key}.npz"

    def save(self, cursor):
        with locked(self.folder):
            saved = State.read(self.path) if self.path.exists() else State()
            if saved.age > cursor.seq and saved.cursor != self.refused:
                return
            self.built = saved.built if saved.cursor != self.refused else 0
            State(self.rows, cursor, cursor.seq, self.built).write(self.path, self.dim)
        self.saved_cursor, self.changed = cursor, False

    def wants_build(self):
        return len(self.rows) >= max(WANTS_BUILD_FROM, 2 * self.built)

    def build(self, progress):
        for done in range(4):
            progress("building the index", done, 3)
        with locked(self.folder):
            if self.path.exists():
                state = State.read(self.path)
                self.built = state.built = len(state.rows)
                state.write(self.path, self.dim)

    def describe(self):
        return {**super().describe(), "built": self.built}


class Ledger:
    """It builds, and it purges."""

    name = "ledger"
    index = LedgerIndex

    def folder(self, root):
        return root / self.name

    def open(self, key, dim, *, root, known):
        index = self.index(self.folder(root), key, dim)
        if not index.path.exists():
            return index, []
        try:
            state = State.read(index.path)
        except Exception as error:  # zipfile and numpy raise errors of many classes
            return index, [f"{index.path.name} is damaged: {error}"]
        if not known(state.cursor):
            index.refused = state.cursor
            return index, [f"{index.path.name} belongs to another history"]
        index.rows, index.saved_cursor, index.built = state.rows, state.cursor, state.built
        return index, []

    def drop(self, prefix, *, root, below=None):
        with locked(self.folder(root)):
            for path in self.folder(root).glob(f".{prefix}*"):
                path.unlink()
            for path in self.folder(root).glob(f"{prefix}*"):
                if below is None or State.read(path).age < below:
                    path.unlink()

    def purge(self, prefix, ids, *, root, seq):
        with locked(self.folder(root)):
            for path in self.folder(root).glob(f".{prefix}*"):
                path.unlink()
            for path in self.folder(root).glob(f"{prefix}*"):
                state = State.read(path)
                dim = len(next(iter(state.rows.values()), ()))
                for number in ids.tolist():
                    state.rows.pop(number, None)
                state.age = max(state.age, seq)
                state.write(path, dim)

    def remains(self, prefix, *, root):
        return ""


class Depot(Ledger):
    """It saves in a folder outside the store, as on a server: SIAMKIT_DEPOT."""

    name = "depot"
    shared = True
    unreachable = "/no/such/depot"
    REMAINS = "Deleted rows remain in the depot until it is swept."

    def folder(self, root):
        address = Path(os.environ.get("SIAMKIT_DEPOT", "/no/such/depot"))
        if not address.is_dir():
            raise IndexUnavailable(f"the depot {address} does not answer", hint="open the depot")
        return address

    def remains(self, prefix, *, root):
        self.folder(root)
        return self.REMAINS
