"""A connection to the server: opened when needed, again after it broke, and never over a fork."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from siamkit.errors import IndexUnavailable
from siamkit.sdk.extras import require_extra
from siamkit.sdk.forks import never_free
from siamkit.sdk.server_address import hide_password

if TYPE_CHECKING:
    from psycopg import Connection

T = TypeVar("T")
LEAST = (0, 5, 0)  # of pgvector, the first with HNSW
CONNECT_SECONDS = 5
# Until a search or a change of rows counts as stuck; building and copying may take longer.
STATEMENT_MS, LOCK_MS = 60_000, 10_000
DEAD_MS = 15_000  # until a peer that acknowledges nothing counts as gone
SESSION = (
    f"SET statement_timeout = {STATEMENT_MS}",
    f"SET lock_timeout = {LOCK_MS}",
    "SET client_min_messages = warning",
    "SET client_connection_check_interval = 2000",  # ms: the server stops work of a killed client
    "SET jit = off",  # compiling takes longer than a search
)
# All statements of the one see the same rows; those of the other, what was committed before each.
READING, WRITING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "BEGIN"
PATTERN = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"


class Server:
    """The server at an address, for one index: all its calls happen one after the other.

    Raises IndexUnavailable at the first use if there is no such server, or none with pgvector.
    """

    def __init__(self, address: str) -> None:
        self._connection: Connection[Any] | None = None
        self._pid = os.getpid()
        require_extra("pgvector", "index pgvector")
        self._address, self.shown = address, hide_password(address)
        self._conninfo = _parse(address)

    def connection(self) -> Connection[Any]:
        """Return the open connection; in a forked process, one of its own."""
        if self._pid != os.getpid():
            self.close()
        if self._connection is None or self._connection.closed:
            with self.translating():
                self._connection = self._connect()
            self._pid = os.getpid()
        return self._connection

    @contextmanager
    def transaction(self, begin: str = WRITING) -> Iterator[Connection[Any]]:
        """Yield a connection in a transaction, which is committed when the block ends.

        If the connection has broken since it was last used, there is a new one. Raises
        IndexUnavailable.
        """
        import psycopg

        with self.translating():
            connection = self.connection()
            try:
                connection.execute(begin.encode())
            except psycopg.Error:
                connection.close()  # the server has been restarted, or has ended the session
                connection = self.connection()
                connection.execute(begin.encode())
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(psycopg.Error):
                    connection.execute("ROLLBACK")
                raise

    def ask(self, work: Callable[[Connection[Any]], T]) -> T:
        """Run queries that change nothing, sent together until the first answer is fetched.

        If the connection has broken since it was last used, they run on a new one. Raises
        IndexUnavailable.
        """
        import psycopg

        with self.translating():
            connection = self.connection()
            try:
                with connection.pipeline():
                    return work(connection)
            except psycopg.Error:
                if not connection.closed:
                    raise
            connection = self.connection()
            with connection.pipeline():
                return work(connection)

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Raise what psycopg raises as IndexUnavailable, with what to do about it."""
        import psycopg

        try:
            yield
        except psycopg.Error as error:
            raise self._unavailable(error) from error

    def versions(self) -> str:
        """Return the versions of PostgreSQL and pgvector."""
        query = "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
        with self.translating():
            connection = self.connection()
            row = connection.execute(query).fetchone()
            number = connection.info.server_version
        return f"PostgreSQL {number // 10_000}.{number % 10_000}, pgvector {row[0] if row else '?'}"

    def another(self) -> Server:
        """Return the same server, with a connection of its own."""
        return Server(self._address)

    def close(self) -> None:
        """Close the connection, if this process has opened it: its parent's stays open."""
        connection, self._connection = self._connection, None
        if connection is not None and self._pid == os.getpid():
            connection.close()
        elif connection is not None:
            never_free(connection)  # that would end the parent's session

    __del__ = close

    def _connect(self) -> Connection[Any]:
        import psycopg

        # What it says about a connection that breaks is said by the error.
        logging.getLogger("psycopg").addHandler(logging.NullHandler())
        connection = psycopg.connect(**self._conninfo, autocommit=True, prepare_threshold=None)
        try:
            set_defaults(connection)
            self._require_extension(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _require_extension(self, connection: Connection[Any]) -> None:
        """Create the extension if it is not there. Raises IndexUnavailable if it cannot be used."""
        import psycopg

        query = "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
        if not (row := connection.execute(query).fetchone()):
            try:
                connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            except psycopg.Error as error:
                reason = str(error).split("\n")[0]
                raise IndexUnavailable(
                    f"the database at {self.shown} has no extension pgvector: {reason}",
                    hint=f"install pgvector {_text(LEAST)} or newer on the server, then let its"
                    " administrator run: CREATE EXTENSION vector",
                ) from error
            row = connection.execute(query).fetchone()
        version = str(row[0]) if row else ""
        if tuple(int(part) for part in version.split(".") if part.isdigit()) < LEAST:
            raise IndexUnavailable(
                f"pgvector of the server at {self.shown} is {version}; {_text(LEAST)} is the oldest"
                " that serves",
                hint="install a newer one there, then run: ALTER EXTENSION vector UPDATE",
            )

    def _unavailable(self, error: Exception) -> IndexUnavailable:
        from psycopg import errors

        line = str(error).strip().split("\n")[0].removeprefix("connection failed: ")
        state = getattr(error, "sqlstate", None) or ""
        text, hint = f"the pgvector server at {self.shown} refuses: {line}", ""
        if isinstance(error, errors.DiskFull):
            text = f"the disk of the pgvector server at {self.shown} is full: {line}"
            hint = "make room there; the store has everything, and nothing is lost"
        elif isinstance(error, errors.InsufficientPrivilege):
            hint = "let its administrator run: GRANT CREATE ON DATABASE … TO …"
        elif isinstance(error, errors.LockNotAvailable):
            hint = "another process changes the same table; try again"
        elif isinstance(error, errors.UndefinedTable):
            hint = "another process rebuilds it, perhaps; try again"
        elif isinstance(error, errors.QueryCanceled):
            text = f"the pgvector server at {self.shown} took too long: {line}"
            hint = "`siamkit index rebuild` builds its graph; `siamkit doctor` says if it is there"
        elif (state or "").startswith("28") or "authentication failed" in line:
            text = f"the pgvector server at {self.shown} refuses the login: {line}"
            hint = "correct the user or password in SIAMKIT_PGVECTOR or --index-address"
        elif not state or state.startswith(("08", "57P", "3D")):  # connection, database
            text = f"the pgvector server at {self.shown} does not answer: {line}"
            hint = (
                "start it, or give its address again, by SIAMKIT_PGVECTOR or --index-address; or do"
                " without it: `siamkit index rebuild GALLERY --index faiss`"
            )
        return IndexUnavailable(text, hint=hint)


def set_defaults(connection: Connection[Any]) -> None:
    """Set a connection's time-outs."""
    for setting in SESSION:
        connection.execute(setting.encode())


def _parse(address: str) -> dict[str, Any]:
    """Parse an address. Raises IndexUnavailable, without quoting any of it: part is a password."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    wrong = IndexUnavailable(
        "the address of the pgvector server cannot be read",
        hint=f"write it as {PATTERN}; in a password, write @ as %40, / as %2F, % as %25",
    )
    try:
        parts: dict[str, Any] = dict(conninfo_to_dict(address))
    except psycopg.Error:
        raise wrong from None
    if any(sign in str(parts.get("host", "")) for sign in "@ "):
        raise wrong
    defaults = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "siamkit",
        "tcp_user_timeout": DEAD_MS,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }
    return {**defaults, **parts}


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
