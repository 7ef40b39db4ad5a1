"""The table siamkit.indexes: a row per key, of what the server has of it.

The row is locked by whoever changes the key's rows, and changed in the same transaction.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import astuple, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from siamkit.types import Cursor
from siamkit_pgvector.server import READING, Server

if TYPE_CHECKING:
    from psycopg import Connection

SCHEMA = (
    "CREATE SCHEMA IF NOT EXISTS siamkit",
    """
    CREATE TABLE IF NOT EXISTS siamkit.indexes (
      key text PRIMARY KEY, name text NOT NULL, dim integer NOT NULL,
      seq bigint NOT NULL, nonce text NOT NULL, rows bigint NOT NULL, last bigint NOT NULL,
      purged bigint NOT NULL, origin text NOT NULL,
      graph text NOT NULL, built_to bigint NOT NULL, built_rows bigint NOT NULL,
      ef integer NOT NULL, recall double precision NOT NULL,
      purged_at timestamptz
    )
    """,
)


@dataclass(frozen=True, slots=True)
class Graph:
    """The index of the rows up to an id, and how it is searched."""

    name: str = ""  # of the index; "" if there is none
    built_to: int = 0  # the last id that it covers
    rows: int = 0  # that it covered when it was built
    ef: int = 0  # candidates of a search
    recall: float = 1.0  # measured at 10, with `ef`


@dataclass(frozen=True, slots=True)
class Record:
    """One row: a table, and what it holds."""

    key: str
    name: str  # of the table
    dim: int
    seq: int  # the last change that it holds
    nonce: str
    rows: int
    last: int  # the largest id that it ever held
    purged: int  # the change of the last purge; what is older must not be saved
    origin: str  # the folder of the store that has saved it
    graph: Graph = field(default_factory=Graph)

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.seq, self.nonce)

    @property
    def age(self) -> int:
        """The change that it counts as saved at."""
        return max(self.seq, self.purged)


_COLUMNS = "key, name, dim, seq, nonce, rows, last, purged, origin"
_GRAPH = "graph, built_to, built_rows, ef, recall"
_SELECT = f"SELECT {_COLUMNS}, {_GRAPH} FROM siamkit.indexes"
_OWN = len(fields(Record)) - 1


def read(connection: Connection[Any], key: str, *, lock: bool = False) -> Record | None:
    """Read the record of a key; None if there is none. lock: until the transaction ends."""
    rows = _select(connection, "WHERE key = %s", key, lock=lock)
    return rows[0] if rows else None


def ask(connection: Connection[Any], key: str) -> Any:
    """Ask for the record of a key that was saved, for `fetch`."""
    return connection.execute(f"{_SELECT} WHERE key = %s".encode(), (key,))


def fetch(cursor: Any) -> Record | None:
    """Fetch what was asked for; None if there is none."""
    row = cursor.fetchone()
    return None if row is None else _record(row)


def of_prefix(connection: Connection[Any], prefix: str, *, lock: bool = False) -> list[Record]:
    """Read the records of all keys that begin with a prefix."""
    return _select(connection, "WHERE starts_with(key, %s) ORDER BY key", prefix, lock=lock)


def _select(connection: Connection[Any], where: str, value: str, *, lock: bool) -> list[Record]:
    if not _are_there(connection):
        return []
    query = f"{_SELECT} {where}" + (" FOR UPDATE" if lock else "")
    rows = connection.execute(query.encode(), (value,)).fetchall()
    return [_record(row) for row in rows]


def _record(row: tuple[Any, ...]) -> Record:
    return replace(Record(*row[:_OWN]), graph=Graph(*row[_OWN:]))


def create(server: Server) -> None:
    """Create schema and table if they are not there."""
    from psycopg import errors

    with server.transaction(READING) as connection:
        if _are_there(connection):
            return
    with server.translating():
        for statement in SCHEMA:
            # Another process may create it at this moment.
            with suppress(errors.UniqueViolation, errors.DuplicateTable):
                server.connection().execute(statement.encode())


def _are_there(connection: Connection[Any]) -> bool:
    """Look before a table is used: an error would abort the transaction."""
    (name,) = connection.execute("SELECT to_regclass('siamkit.indexes')").fetchone() or (None,)
    return name is not None


def reserve(connection: Connection[Any], record: Record) -> Record:
    """Lock the record of a key, and return it; if there is none, a new one is written first."""
    values = (*astuple(record)[:_OWN], *astuple(record.graph))
    marks = ", ".join(["%s"] * len(values))
    query = (
        f"INSERT INTO siamkit.indexes ({_COLUMNS}, {_GRAPH}) VALUES ({marks})"
        " ON CONFLICT (key) DO UPDATE SET key = excluded.key"  # NOTHING would not lock it
        f" RETURNING {_COLUMNS}, {_GRAPH}"
    )
    (row,) = connection.execute(query.encode(), values)
    return _record(row)


def write(connection: Connection[Any], record: Record) -> None:
    """Replace the record of a key, which the caller has locked."""
    values = (*astuple(record)[:_OWN], *astuple(record.graph))
    marks = ", ".join(["%s"] * len(values))
    connection.execute(
        f"UPDATE siamkit.indexes SET ({_COLUMNS}, {_GRAPH}) = ({marks}) WHERE key = %s".encode(),
        (*values, record.key),
    )


def note_purge(connection: Connection[Any], key: str) -> None:
    """Note that rows were purged now, by the server's clock, which its VACUUM uses too."""
    query = "UPDATE siamkit.indexes SET purged_at = clock_timestamp() WHERE key = %s"
    connection.execute(query, (key,))


def unswept(connection: Connection[Any], prefix: str) -> list[str]:
    """Return the tables with purged rows that no VACUUM has removed yet, by keys' prefix.

    The time of a VACUUM is that of its end: it keeps rows that an open view still sees, or that
    were deleted behind it, as dead ones.
    """
    if not of_prefix(connection, prefix):
        return []
    query = """
        SELECT i.name FROM siamkit.indexes i LEFT JOIN pg_stat_user_tables s
          ON s.schemaname = 'siamkit' AND s.relname = i.name
        WHERE starts_with(i.key, %s) AND i.purged_at IS NOT NULL
          AND (i.purged_at > coalesce(greatest(s.last_vacuum, s.last_autovacuum), '-infinity')
            OR s.n_dead_tup > 0)
        ORDER BY i.key
    """
    return [name for (name,) in connection.execute(query, (prefix,))]


def delete(connection: Connection[Any], key: str) -> None:
    """Delete the record of a key."""
    connection.execute("DELETE FROM siamkit.indexes WHERE key = %s", (key,))
