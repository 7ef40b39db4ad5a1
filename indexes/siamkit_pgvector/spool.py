"""A new table that is filled in one transaction, so that a large gallery is never in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from siamkit.errors import IndexUnavailable
from siamkit_pgvector import records
from siamkit_pgvector.server import WRITING, Server
from siamkit_pgvector.tables import Table

if TYPE_CHECKING:
    from siamkit.types import Ids, Vectors


class Spool:
    """The table, and the transaction that nobody else sees. Killed, it leaves nothing."""

    def __init__(self, server: Server, name: str, dim: int) -> None:
        self._server, self._last, self._has_ended = server, 0, False
        records.create(server)
        with server.translating():
            connection = server.connection()
            connection.execute(WRITING.encode())
            connection.execute("SET LOCAL statement_timeout = 0")
            self._table = Table(connection, name, dim)
            self._table.create()

    def table(self) -> Table:
        """Return the table. Raises IndexUnavailable if it is gone with its transaction."""
        if self._has_ended:
            raise IndexUnavailable(
                f"the table that was filled at {self._server.shown} could not be saved",
                hint="run the same command again",
            )
        if self._table.connection is not self._server.connection():
            raise IndexUnavailable(
                f"the connection to {self._server.shown} broke while a table was filled",
                hint="run the same command again",
            )
        return self._table

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add rows, in place of those of the same ids."""
        with self._server.translating():
            table = self.table()
            if ids.min() <= self._last:
                table.delete(ids)
            table.copy(ids, vectors)
        self._last = max(self._last, int(ids.max()))

    def remove(self, ids: Ids) -> None:
        """Remove rows."""
        with self._server.translating():
            self.table().delete(ids)

    @contextmanager
    def finishing(self) -> Iterator[Table]:
        """Yield the table; commit when the block ends. The spool is of no use after it."""
        import psycopg

        table = self.table()
        self._has_ended = True
        with self._server.translating():
            try:
                yield table
                table.connection.execute("COMMIT")
            except BaseException:
                with suppress(psycopg.Error):
                    table.connection.execute("ROLLBACK")
                raise
