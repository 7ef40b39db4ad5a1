"""Records of what a collection holds: aliases of it, whose names carry cursors.

Milvus has no transaction over rows and a cursor, and no compare-and-set. It does have names that it
keeps consistently, adds and removes one by one, and returns with the description of a collection:
its aliases. So each save adds a record, and nobody overwrites another's:

    a save:  push, the rows are upserted and deleted, saved, push withdrawn
    a purge: purge, the rows are deleted, purge again with the time, the first one withdrawn

* A reader takes the newest `saved` record that its store's log knows. Rows may be newer than that,
  never older: the record is the last thing that a save writes. Newer rows do no harm: those with
  larger ids are left out, and the reader applies the log from the record on, where applying a
  change twice changes nothing.
* `saved` and `purge` carry the server's time after their rows. A search that asks for that time
  sees all of them, on whichever node it runs.
* A `push` that is not withdrawn is of a process at work, or of a killed one. It may bring back rows
  of a view of the store that a deletion has overtaken. So a deletion drops a collection with an
  older push, and a save that finds a purge newer than its own view drops what it has pushed.
* No name of a collection is used twice, so a record, or a search, never meets another one than the
  one it was meant for.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from siamkit.types import Cursor

_NAME = re.compile(
    r".+__(?P<kind>saved|push|purge)_(?P<seq>\d+)_(?P<nonce>[0-9A-Za-z]*)_(?P<time>\d+)"
    r"_(?P<count>\d+)_(?P<last>\d+)"
)


@dataclass(frozen=True, slots=True)
class Record:
    """One alias of a collection, read from its name."""

    kind: str  # saved, push or purge
    seq: int  # the change that the store was at
    nonce: str  # of that change; of a push or a purge, its own
    time: int = 0  # of the server, after the rows were written or deleted
    count: int = 0  # of the rows then, up to the id `last`
    last: int = 0  # the largest id that was saved; ids only rise, so what is above came later

    @property
    def cursor(self) -> Cursor:
        """The change that the store was at."""
        return Cursor(self.seq, self.nonce)

    def alias(self, collection: str) -> str:
        """Return the alias of a collection that stands for this record."""
        numbers = f"{self.time}_{self.count}_{self.last}"
        return f"{collection}__{self.kind}_{self.seq}_{self.nonce}_{numbers}"


def new_record(kind: str, seq: int) -> Record:
    """Make a record of a push or a purge, with a nonce of its own."""
    return Record(kind, seq, secrets.token_hex(8))


def read_record(alias: str) -> Record | None:
    """Read a record from the name of an alias; None for one that is not ours."""
    match = _NAME.fullmatch(alias)
    if not match:
        return None
    numbers = {key: int(match[key]) for key in ("seq", "time", "count", "last")}
    return Record(kind=match["kind"], nonce=match["nonce"], **numbers)


@dataclass(frozen=True, slots=True)
class State:
    """A collection as it stands on the server."""

    fault: str  # why its rows cannot be used, "holds 64-d vectors, not 128-d"; '' if they can
    records: frozenset[Record]

    def of(self, kind: str) -> list[Record]:
        """Return the records of a kind, oldest first."""
        return sorted((r for r in self.records if r.kind == kind), key=lambda r: (r.seq, r.time))

    @property
    def newest(self) -> int:
        """The change of the newest save or purge, 0 if there was none."""
        return max((r.seq for r in self.records if r.kind != "push"), default=0)

    @property
    def latest(self) -> Record | None:
        """The record of the rows as they are now; None while somebody changes them."""
        done = [record for record in self.records if record.time]
        return (
            max(done, key=lambda r: r.time, default=None)
            if len(done) == len(self.records)
            else None
        )

    @property
    def time(self) -> int:
        """The server's time after all that is on record."""
        return max((record.time for record in self.records), default=0)

    def is_from_before(self, seq: int) -> bool:
        """True if it may hold rows that the store has deleted before the change `seq`."""
        return self.newest < seq or self.has_push_before(seq)

    def has_push_before(self, seq: int) -> bool:
        """True if a push of an older view of the store, at work or killed, may bring rows back."""
        return any(push.seq < seq for push in self.of("push"))
