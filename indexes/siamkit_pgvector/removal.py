"""Delete rows and tables, and say what is left of them on the server's disk."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from siamkit_pgvector import records
from siamkit_pgvector.server import READING, Server
from siamkit_pgvector.tables import Table

if TYPE_CHECKING:
    from siamkit.types import Ids


def purge(server: Server, prefix: str, ids: Ids, seq: int) -> None:
    """Delete the rows of ids from the tables of all keys with a prefix, in one transaction.

    A table that somebody has dropped by hand has none: its record goes, too.
    """
    with server.transaction() as connection:
        for record in records.of_prefix(connection, prefix, lock=True):
            table = Table(connection, record.name, record.dim)
            if not table.is_there():
                records.delete(connection, record.key)
                continue
            deleted = table.delete(ids)
            rows, purged = record.rows - deleted, max(record.purged, seq)
            records.write(connection, replace(record, rows=rows, purged=purged))
            if deleted:
                records.note_purge(connection, record.key)


def remains(server: Server, prefix: str) -> str:
    """Return what is left of purged rows, and until when; '' if nothing.

    By the server's own account of its last VACUUM of each table.
    """
    with server.transaction(READING) as connection:
        names = records.unswept(connection, prefix)
    if not names:
        return ""
    tables = ", ".join(f'siamkit."{name}"' for name in names)
    return (
        f"deleted vectors stay in the files of the pgvector server at {server.shown} until"
        f' PostgreSQL vacuums {tables}, by itself or by `VACUUM siamkit."{names[0]}"`, or'
        " `siamkit index rebuild` fills another table; and in its write-ahead log until that is"
        " recycled"
    )


def drop(server: Server, prefix: str, below: int | None) -> None:
    """Drop the tables of all keys with a prefix, or those saved before a change."""
    with server.transaction() as connection:
        for record in records.of_prefix(connection, prefix, lock=True):
            if below is None or record.age < below:
                Table(connection, record.name, record.dim).drop()
                records.delete(connection, record.key)
