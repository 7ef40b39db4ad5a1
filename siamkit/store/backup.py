"""A copy of the database as of one moment, whatever others commit meanwhile."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from siamkit.errors import StoreError
from siamkit.store.database import BUSY_SECONDS, Store
from siamkit.store.sqlite_errors import plain_errors
from siamkit.types import Progress, ignore_progress

PAGES = 2_000  # pages of 4 KiB per step: Ctrl-C and the progress bar wait for 8 MB


def copy_database(store: Store, path: Path, progress: Progress = ignore_progress) -> None:
    """Copy the database to a new file, all of it, with nothing beside it. Raises StoreError."""

    def report(_: int, remaining: int, total: int) -> None:
        progress("copying", total - remaining, total)

    with plain_errors(store.path, BUSY_SECONDS), closing(_connect(path)) as copy:
        # Within a view, so that SQLite does not begin again whenever somebody writes.
        with store.read() as db:
            db.execute("SELECT 1 FROM galleries LIMIT 1").fetchone()
            try:
                db.backup(copy, pages=PAGES, progress=report)
            except sqlite3.OperationalError as error:  # of the copy: a view is not locked
                hint = "name a file on a disk that has room"
                raise StoreError(f"the backup could not be written: {error}", hint=hint) from error
        copy.execute("PRAGMA journal_mode = DELETE")  # a file that can be read on any disk
        (verdict,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise StoreError(
            f"{store.path} is damaged, and no backup was made of it: {verdict}",
            hint="restore an earlier backup; `siamkit doctor` says more",
        )


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)
