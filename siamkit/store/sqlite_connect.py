"""Connect to SQLite, with the pragmas that keep a store's promises."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from siamkit.errors import StoreError
from siamkit.io.places import real

BUSY_SECONDS = 30.0  # that a writer waits for another before it gives up


def decode(text: bytes) -> str:
    """Decode a stored text; what is not UTF-8 becomes lone surrogates, see `checked.is_text`."""
    return text.decode("utf-8", "surrogateescape")


def connect(path: Path) -> tuple[sqlite3.Connection, bool]:
    """Open a connection; also return True if it may write."""
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.text_factory = decode
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")  # deleted content is overwritten
        connection.execute("PRAGMA recursive_triggers = ON")  # REPLACE is logged as a change too
        connection.execute("PRAGMA synchronous = FULL")
        _use_wal(connection)
    except sqlite3.DatabaseError as error:
        connection.close()
        if _is_read_only(error):
            return _connect_read_only(path), False
        raise
    return connection, True


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch a new database to WAL. Of two that switch at once, one fails without waiting."""
    deadline = time.monotonic() + BUSY_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
                raise StoreError("the disk of the store does not support SQLite's WAL mode")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _connect_read_only(path: Path) -> sqlite3.Connection:
    """Open the file as it stands.

    WAL needs a writable directory even to read. Without one nobody can be writing, either.
    """
    if path.with_name(path.name + "-wal").exists():
        raise StoreError(
            f"{path} is read-only and was not closed cleanly: its last changes are in a -wal file",
            hint="copy the store to a writable place",
        )
    uri = f"{real(path).as_uri()}?mode=ro&immutable=1"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    connection.text_factory = decode
    return connection


def _is_read_only(error: sqlite3.DatabaseError) -> bool:
    return any(word in str(error) for word in ("readonly", "read-only", "unable to open"))
