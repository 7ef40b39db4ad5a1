"""A store's database: connections and their pragmas, transactions, schema version.

WAL lets readers go on while one process writes; `synchronous=FULL` makes a commit durable before
it is acknowledged. sqlite_utils (0.13 s to import) is loaded only to migrate, so that a cold query
does not pay for it.
"""

from __future__ import annotations

import logging
import os
import re
import sqlite3
import stat
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit.errors import StoreError
from siamkit.io.atomic import create_folder, create_private
from siamkit.sdk import forks
from siamkit.store.connections import Connections
from siamkit.store.schema import require as require_schema
from siamkit.store.sqlite_connect import BUSY_SECONDS, connect
from siamkit.store.sqlite_errors import ELSEWHERE, MEND, plain_errors

if TYPE_CHECKING:
    from sqlite_utils import Database

SCHEMA = 13  # number of migrations that this version of siamkit knows
APPLICATION_ID = 0x5349414D  # 'SIAM'; tells a store from any other SQLite database
OWN_ID = re.compile("[0-9a-f]{16}")  # as the schema makes it
MOST_NAMED = 10  # damaged samples in one line
log = logging.getLogger("siamkit")


def now() -> str:
    """Return the time, UTC in ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Store:
    """A store directory: `store.db`, the truth, and `index/`, a cache of it.

    Any number of threads may use it: each has a connection, and with it transactions, of its own.

    Raises StoreError if there is no store, a newer siamkit has written it, or it is damaged.
    """

    def __init__(self, root: Path, *, create: bool = False) -> None:
        self.root = root
        self.path = root / "store.db"
        self.created = False
        self._warned_of: set[object] = set()  # samples; each is worth one line
        with plain_errors(self.path, BUSY_SECONDS):
            _require_folder(root)
            if not self.path.exists():
                if not create:
                    hint = "enrol first: `siamkit enrol GALLERY FILE --as NAME`, or give --store"
                    raise StoreError(f"there is no store in {root}", hint=hint)
                create_folder(root)
                create_private(self.path)  # SQLite gives -wal and -shm the same mode
                self.created = True
            self.file = Path(os.path.abspath(self.path))  # whatever directory threads change to
            _require_files(self.path, self.index_root)
            self._inode: int | None = None
            self.writable = True
            self._connections = Connections(self._open)
            self._renew()
            forks.renew_in_child(self, Store._renew)
            try:
                self._check_schema()
                self._restore_uploads()
            except BaseException:
                self.close()
                raise

    def _renew(self) -> None:
        """Replace the locks, in the child of a fork."""
        # Held while a thread writes: SQLite would let the others try again and again.
        self.writing = threading.RLock()

    def _open(self) -> sqlite3.Connection:
        """Open a connection for this thread, to the same file as those of the others."""
        if self._inode is not None and self._inode != self.file.stat().st_ino:
            hint = "close the workspace, and open it again"
            raise StoreError(f"{self.path} was replaced while it was open", hint=hint)
        connection, self.writable = connect(self.file)
        self._inode = self.file.stat().st_ino
        return connection

    def is_current(self) -> bool:
        """Return False if the database was deleted, moved or replaced since it was opened."""
        try:
            return self._inode in (None, self.file.stat().st_ino)
        except OSError:
            return False

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection to SQLite; meant for use within `write`, `read` or `using`."""
        return self._connections.mine()

    @property
    def own_id(self) -> str:
        """Sixteen hex digits, random, that no other store has; a copy of its folder has them too.

        Raises StoreError if they are damaged: they name its tables on servers.
        """
        row = self.fetch_one("SELECT own_id FROM store")
        if not (row and type(row[0]) is str and OWN_ID.fullmatch(row[0])):
            raise StoreError(f"{self.path} is damaged: it has no id of its own", hint=MEND)
        return str(row[0])

    def renew_id(self) -> None:
        """Take another id: a copied folder has that of the store that it was copied from."""
        with self.write() as db:
            db.execute("UPDATE store SET own_id = lower(hex(randomblob(8)))")

    @property
    def index_root(self) -> Path:
        """Folder that index backends save to."""
        return self.file.parent / "index"

    def create_index_root(self) -> None:
        """Create the folder of the indexes, for those who may read the database. Raises OSError."""
        readable = self.file.stat().st_mode & 0o777
        create_folder(self.index_root, mode=readable | (readable & 0o444) >> 2)

    @property
    def tables(self) -> Database:
        """Open the same connection through sqlite_utils."""
        from sqlite_utils import Database

        return Database(self.connection, execute_plugins=False)

    def _check_schema(self) -> None:
        version, application = self._pragma("user_version"), self._pragma("application_id")
        if version > SCHEMA:
            raise StoreError(
                f"{self.path} has schema {version}, newer than the {SCHEMA} this siamkit knows",
                hint="upgrade siamkit: `pip install --upgrade siamkit`",
            )
        if version == SCHEMA and application == APPLICATION_ID:
            require_schema(self.connection, self.path)
            return
        if self._pragma("schema_version") and application != APPLICATION_ID:
            raise StoreError(f"{self.path} is a database, but not a siamkit store")
        if not self.writable:
            raise StoreError(f"{self.path} needs an upgrade, but it is read-only")
        from siamkit.store import migrations

        with self.using() as db:
            db.execute(
                "PRAGMA foreign_keys = OFF"
            )  # or a table that is replaced takes others along
            try:
                with self.write():
                    if self._pragma("user_version") < SCHEMA:  # another process may have been first
                        migrations.apply(self.tables)
                        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                        db.execute(f"PRAGMA user_version = {SCHEMA}")
                    require_schema(db, self.path)
            finally:
                db.execute("PRAGMA foreign_keys = ON")

    def _restore_uploads(self) -> None:
        """Make files of what a backup holds as rows, when it is opened for the first time."""
        if self.writable and self.fetch_one("SELECT 1 FROM uploads LIMIT 1"):
            from siamkit.store import uploads

            uploads.restore(self)

    def _pragma(self, name: str) -> int:
        return int(self.connection.execute(f"PRAGMA {name}").fetchone()[0])

    def require_writable(self) -> None:
        """Raise StoreError if the store is read-only; called before work that would be lost."""
        if not self.writable:
            raise StoreError(f"{self.path} is read-only", hint="copy the store to a writable place")

    @contextmanager
    def using(self) -> Iterator[sqlite3.Connection]:
        """Use this thread's connection; nobody closes it meanwhile. Nests. Raises sqlite3.Error."""
        with self._connections.at_work() as db:
            yield db

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Open a durable transaction. BEGIN IMMEDIATE: a second writer waits instead of failing."""
        with plain_errors(self.path, BUSY_SECONDS), self.writing, self.using() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                db.rollback()  # does nothing if SQLite has already rolled back
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Open one consistent view, whatever others commit meanwhile. Nests."""
        with plain_errors(self.path, BUSY_SECONDS), self.using() as db:
            if db.in_transaction:
                yield db
                return
            db.execute("BEGIN")
            try:
                yield db
            finally:
                db.rollback()

    def fetch_one(self, query: str, *values: Any) -> Any:
        """Return the first row of a query, or None; within `read`, of its view."""
        with self.read() as db:
            return db.execute(query, values).fetchone()

    def fetch_all(self, query: str, *values: Any) -> list[Any]:
        """Return all rows of a query; within `read`, of its view."""
        with self.read() as db:
            return db.execute(query, values).fetchall()

    def warn_of_damage(self, gallery: str, sample_ids: Iterable[object]) -> None:
        """Log a line that names the damaged samples that a caller leaves out, each once."""
        if new := [i for i in sample_ids if i not in self._warned_of]:
            self._warned_of.update(new)
            named = ", ".join(map(str, new[:MOST_NAMED])) + ("…" if len(new) > MOST_NAMED else "")
            log.warning(
                f"gallery {gallery}: damaged and left out: {len(new)} of its samples ({named});"
                " `siamkit doctor` says how to mend them"
            )

    def close(self) -> None:
        """Close the connections; those of other threads at work when they are done."""
        self._connections.close()


def _require_folder(root: Path) -> None:
    """Raise StoreError if the store's place is taken by something else. Raises OSError."""
    with suppress(FileNotFoundError):
        if not stat.S_ISDIR(root.stat().st_mode):
            raise StoreError(f"{root} is not a folder, as a store is", hint=ELSEWHERE)


def _require_files(path: Path, index_root: Path) -> None:
    """Raise StoreError if the database is not a file, or was cut to nothing.

    SQLite waits for ever for a pipe, and takes an empty file for a new database.
    """
    for part in (path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))):
        if part.exists() and not part.is_file():
            hint = "move it away; `siamkit backup --help` says how to restore a backup"
            raise StoreError(f"{part} is not a file", hint=hint)
    if path.exists() and not path.stat().st_size and any(index_root.glob("*/*")):
        raise StoreError(f"{path} is empty, though something was enrolled", hint=MEND)
