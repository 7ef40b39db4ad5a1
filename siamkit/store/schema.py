"""Compare the tables, indexes and triggers of a store with those that the migrations make.

Every query trusts them: a view in a table's place may never end, and without its triggers a table
of templates changes unlogged. The comparison costs one query when a store is opened.
"""

from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path
from typing import TypeAlias

from siamkit.errors import StoreError
from siamkit.store.sqlite_errors import MEND

# CRC-32 of the schema that the migrations make; a test compares. Another SQLite may word it
# otherwise: then the migrations run in memory, and their words decide.
USUAL = 3633869806
FOREIGN = ("sqlite_", "_sqlite_migrations")  # tables of SQLite and of sqlite_utils begin so
_READ = "SELECT name, type, sql FROM sqlite_master ORDER BY name"

Parts: TypeAlias = dict[str, tuple[str, str]]  # by name: its type, and its SQL without blanks


def require(connection: sqlite3.Connection, path: Path) -> None:
    """Raise StoreError unless a database has siamkit's tables, indexes and triggers unaltered."""
    actual = read(connection)
    if checksum(actual) == USUAL:
        return
    expected = migrated()
    faults = [_compare(name, part, actual.get(name)) for name, part in expected.items()]
    faults += [
        f"trigger {name} is not siamkit's"
        for name, (kind, _) in actual.items()
        if kind == "trigger" and name not in expected
    ]
    if named := [fault for fault in faults if fault]:
        more = f" and {len(named) - 1} more faults" if len(named) > 1 else ""
        raise StoreError(f"{path} was altered: {named[0]}{more}", hint=MEND)


def _compare(name: str, expected: tuple[str, str], actual: tuple[str, str] | None) -> str:
    """Describe the difference; '' if there is none."""
    kind = expected[0]
    if actual is None:
        return f"{kind} {name} is missing"
    if actual[0] != kind:
        return f"{name} is a {actual[0]}, not a {kind}"
    return "" if actual == expected else f"{kind} {name} is not as siamkit made it"


def read(connection: sqlite3.Connection) -> Parts:
    """Read the schema, without what SQLite and sqlite_utils add."""
    rows = connection.execute(_READ).fetchall()
    return {
        str(name): (str(kind), "".join(str(sql).split()))
        for name, kind, sql in rows
        if not str(name).startswith(FOREIGN)
    }


def checksum(parts: Parts) -> int:
    """Return the CRC-32 of a schema."""
    return zlib.crc32(repr(parts).encode())


def migrated() -> Parts:
    """Return the schema that the migrations make, by this SQLite and sqlite_utils."""
    from sqlite_utils import Database

    from siamkit.store import migrations

    connection = sqlite3.connect(":memory:")
    try:
        migrations.apply(Database(connection, execute_plugins=False))
        return read(connection)
    finally:
        connection.close()
