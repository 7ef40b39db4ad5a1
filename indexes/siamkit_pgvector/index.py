"""One gallery's index: a table as it stands on the server plus, in memory, the changes since."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from siamkit.errors import IndexUnavailable
from siamkit.sdk.nearest import merge_hits, no_hits
from siamkit.sdk.server_address import read_address
from siamkit.sdk.unsaved_rows import UnsavedRows
from siamkit.types import Cursor, Hits
from siamkit_pgvector import building, records
from siamkit_pgvector.records import Record
from siamkit_pgvector.server import READING, Server
from siamkit_pgvector.spool import Spool
from siamkit_pgvector.tables import Table, new_name

if TYPE_CHECKING:
    from psycopg import Connection

    from siamkit.types import Ids, Progress, Vectors

T = TypeVar("T")
SAVE_AFTER = 1_000  # changes
SPOOL_FLOATS = 1 << 23  # numbers of a new table in memory, 32 MB; further ones go to the server
COUNTED_ROWS = 200_000  # rows of the largest table that is counted when it is opened: 30 ms


@dataclass(frozen=True, slots=True)
class Place:
    """A key on a server, and the store that owns it."""

    key: str
    dim: int
    origin: str  # the folder of its store
    known: Callable[[Cursor], bool]
    folder: Path  # for temporary files

    @classmethod
    def of(cls, key: str, dim: int, root: Path, known: Callable[[Cursor], bool]) -> Place:
        """Return that of a store. A copied folder is another one, a restored database is not."""
        folder = root.parent
        return cls(key, dim, f"{folder.stat().st_ino:x}" if folder.exists() else "", known, root)


class PgVectorIndex:
    """An index: exact until a graph (HNSW) is built, then with a measured recall.

    The table may be ahead of this index, since other processes save too. Ids are never used again
    and templates never change, so the changes since it was opened lead to the same rows from there.
    """

    def __init__(self, place: Place, server: Server) -> None:
        self._place, self._server = place, server
        self._record: Record | None = None  # as last seen
        self._cursor = Cursor()  # that the changes follow
        self._replaces: Cursor | None = None  # of another history, which the next save overwrites
        self._changes = UnsavedRows(place.folder)
        self.refused = ""  # why what is saved cannot be used
        self._spool: Spool | None = None  # which has all rows, and `_changes` none
        self._last = 0  # the largest id that was opened or added: later ones are not of its view

    @classmethod
    def open(cls, key: str, dim: int, root: Path, known: Callable[[Cursor], bool]) -> PgVectorIndex:
        """Open what the server has of a key, or an empty index; `refused` says why it is empty."""
        index = cls(Place.of(key, dim, root, known), Server(read_address("pgvector", root)))
        try:
            index._open()
        except BaseException:
            index._server.close()
            raise
        return index

    def _open(self) -> None:
        place = self._place
        with self._server.transaction(READING) as connection:
            record = records.read(connection, place.key)
            if record is None or not record.seq:  # nothing was saved
                return
            if record.dim != place.dim:
                self.refused = f"table {record.name} has {record.dim}-d vectors, not {place.dim}-d"
            elif not place.known(record.cursor):
                self._require_own(record)
                self.refused = f"table {record.name} is of another history of this store"
            else:
                table = Table(connection, record.name, place.dim)
                fault = _fault(table, record)
                self.refused = f"table {record.name} {fault}" if fault else ""
        if self.refused:
            self._replaces = record.cursor
            return
        self._record, self._cursor, self._last = record, record.cursor, record.last

    @property
    def exact(self) -> bool:
        """True if searches find the true nearest."""
        return not (self._record and self._record.graph.name)

    def __len__(self) -> int:
        added, masked = self._changes.added_count, self._changes.ids()

        def count(table: Table) -> int:
            return (0 if self._record else table.count()) - table.count_of(masked)

        try:
            saved = self._ask(count, 0)
        except IndexUnavailable:  # a search says so, and what is done about it
            saved = -len(self._changes.removed)
        return max(0, saved + added + (self._record.rows if self._record else 0))

    def cursor(self) -> Cursor:
        """Return the last change that the table is known to hold."""
        return self._cursor

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add (n, dim) unit vectors under (n,) ids; an id that is there is replaced."""
        if not len(ids):
            return
        if self._spool:
            self._spool.add(ids, vectors)
        else:
            self._changes.add(ids, vectors)
            if not self._cursor.seq and self._changes.floats > SPOOL_FLOATS:
                self._begin_spool()
        self._last = max(self._last, int(ids.max()))

    def remove(self, ids: Ids) -> None:
        """Remove (n,) ids; unknown ones are ignored."""
        if not len(ids):
            return
        if self._spool:
            self._spool.remove(ids)
        else:
            self._changes.remove(ids)

    def search(self, vectors: Vectors, k: int, *, within: Ids | None = None) -> Hits:
        """Find the k nearest of each of (n, dim) unit vectors, best first; ids are -1 at the end.

        within: (m,) ids to search among, exactly.
        """
        vectors = np.ascontiguousarray(vectors, np.float32)
        masked = self._changes.ids()
        nothing = no_hits(len(vectors))
        if not len(vectors):
            return merge_hits([nothing], k)

        def find(table: Table) -> Hits:
            if within is not None:
                return table.search_within(vectors, k, np.setdiff1d(within, masked))
            graph = self._record.graph if self._record and self._record.graph.name else None
            return table.search(vectors, k, last=self._last, masked=masked, graph=graph)

        saved = self._ask(find, nothing)
        return merge_hits([saved, self._changes.search(vectors, k, within)], k)

    def due(self) -> bool:
        """Return True if saving now makes the next opening cheaper."""
        return len(self._changes) > SAVE_AFTER or (
            not self._cursor.seq and (len(self._changes) > 0 or self._spool is not None)
        )

    def save(self, cursor: Cursor) -> None:
        """Write the changes and the cursor in one transaction. Raises IndexUnavailable.

        If the server has a later change already, nothing is written: the changes are in it.
        """
        if self._spool:
            with self._spool.finishing() as table:  # else it has ended, and every call says so
                saved = self._save(table.connection, cursor, table)
        else:
            records.create(self._server)
            with self._server.transaction() as connection:
                saved = self._save(connection, cursor, None)
        if saved is not None:
            self._record, self._cursor, self._replaces = saved, saved.cursor, None
            self._spool = None
            self._changes.clear()

    def _save(
        self, connection: Connection[Any], cursor: Cursor, full: Table | None
    ) -> Record | None:
        """Bring the table to a change; return what stands there then, or None if it may not.

        full: a table that holds all rows.
        """
        place = self._place
        blank = Record(place.key, "", place.dim, 0, "", 0, 0, 0, place.origin)
        old = records.reserve(connection, blank)
        is_refused = old.cursor == self._replaces
        if old.cursor != self._cursor and not is_refused and old.seq:
            self._require_own(old)
        if old.age > cursor.seq and not is_refused:
            if full:
                full.drop()
            # What was purged after this change must not come back: the next save is of a later one.
            return old if old.seq >= cursor.seq else None
        if old.seq < self._cursor.seq:
            raise self._gone()
        if full is None and self._cursor.seq:
            record = self._apply(connection, old)
        else:
            record = self._replace(connection, old, full)
        record = replace(record, seq=cursor.seq, nonce=cursor.nonce, origin=place.origin)
        records.write(connection, record)
        return record

    def _apply(self, connection: Connection[Any], old: Record) -> Record:
        """Write the changes to the table that is there."""
        table = Table(connection, old.name, self._place.dim)
        deleted = table.delete(self._changes.ids())
        for ids, vectors in self._changes.blocks():
            table.copy(ids, vectors)
        rows = old.rows - deleted + self._changes.added_count
        return replace(old, rows=rows, last=max(old.last, self._last))

    def _replace(self, connection: Connection[Any], old: Record, full: Table | None) -> Record:
        """Put a new table with all rows in the place of the one that is there, if any."""
        table = full
        if table is None:
            table = Table(connection, new_name(self._place.key), self._place.dim)
            table.create()
            for ids, vectors in self._changes.blocks():
                table.copy(ids, vectors)
        if old.name:
            Table(connection, old.name, old.dim).drop()
        return Record(old.key, table.name, table.dim, 0, "", table.count(), self._last, 0, "")

    def _begin_spool(self) -> None:
        """Send what is in memory to a table of its own, in a transaction that `save` commits."""
        self._spool = Spool(self._server, new_name(self._place.key), self._place.dim)
        for ids, vectors in self._changes.blocks():
            self._spool.add(ids, vectors)
        self._changes.clear()

    def _ask(self, work: Callable[[Table], T], otherwise: T) -> T:
        """Run queries on the table, as it stands now; without one, return `otherwise`.

        What stands there is the saved rows and perhaps later ones: a table with other rows has
        another name. Raises IndexUnavailable if there is another.
        """
        if self._spool:
            with self._server.translating():
                return work(self._spool.table())
        record = self._record
        if record is None:
            return otherwise

        def ask(connection: Connection[Any]) -> tuple[T, Record | None]:
            rows = records.ask(connection, record.key)
            answer = work(Table(connection, record.name, record.dim))
            return answer, records.fetch(rows)

        answer, current = self._server.ask(ask)
        if current is None or current.name != record.name:
            raise self._gone()
        if current.cursor != self._cursor:
            self._require_own(current)
        self._record = current
        return answer

    def _require_own(self, record: Record) -> None:
        """Raise IndexUnavailable if another copy of the store has saved the record."""
        place = self._place
        if record.origin != place.origin and not place.known(record.cursor):
            raise IndexUnavailable(
                f"table {record.name} at {self._server.shown} is used by another copy of this"
                " store, with other samples",
                hint="give this copy an id of its own: `siamkit index rebuild --new-id`;"
                " or, if the other copy is gone, take the table over: `siamkit index rebuild`",
            )

    def _gone(self) -> IndexUnavailable:
        """Return the error of a table that was dropped while this index was open."""
        return IndexUnavailable(
            f"the table of {self._place.key} at {self._server.shown} was dropped or replaced",
            hint="another process rebuilds it, perhaps; try again",
        )

    def wants_build(self) -> bool:
        """Return True if many saved rows are not in the graph."""
        return self._record is not None and building.wants_graph(self._record)

    def build(self, progress: Progress) -> None:
        """Build a graph of all saved rows; searches and saves go on. Raises IndexUnavailable."""
        if self._record is not None and self.wants_build():
            self._record = building.build(self._server, self._record, progress)

    def describe(self) -> Mapping[str, str | int | float | bool]:
        """Return the structure, size and measured recall."""
        rows, record = len(self), self._record
        count, size = self._ask(lambda table: (table.count(), table.bytes()), (0, 0))
        if record is not None and not self._spool:
            rows += count - record.rows  # as it really is
        graph = record.graph if record else records.Graph()
        return {
            "structure": "HNSW" if graph.name else "table" if size else "not saved yet",
            "exact": self.exact,
            "recall": graph.recall,
            **({"ef_search": graph.ef, "in_graph": graph.rows} if graph.name else {}),
            "templates": rows,
            "since_saved": len(self._changes),
            "bytes": size,
            "server": f"{self._server.shown}, {self._server.versions()}",
        }

    def close(self) -> None:
        """Close the connection."""
        self._server.close()
        self._changes.clear()
        self._spool = None


def _fault(table: Table, record: Record) -> str:
    """Return what is wrong with a saved table, to follow its name; '' if nothing is."""
    if fault := table.fault():
        return fault
    if record.rows <= COUNTED_ROWS and (count := table.count()) != record.rows:
        return f"holds {count:,} rows, not the {record.rows:,} that were saved"
    return ""
