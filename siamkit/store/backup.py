"""A copy of the store as of one moment, whatever others commit meanwhile."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from siamkit.errors import StoreError
from siamkit.store import uploads
from siamkit.store.database import Store
from siamkit.store.sqlite_connect import BUSY_SECONDS, decode
from siamkit.store.sqlite_errors import plain_errors
from siamkit.types import Progress, ignore_progress

PAGES = 2_000  # pages of 4 KiB per step: Ctrl-C and the progress bar wait for 8 MB
log = logging.getLogger("siamkit")


def copy_database(store: Store, path: Path, progress: Progress = ignore_progress) -> None:
    """Copy the database to a new file, with the store's own files as rows. Raises StoreError."""

    def report(_: int, remaining: int, total: int) -> None:
        progress("copying", total - remaining, total)

    with plain_errors(store.path, BUSY_SECONDS), closing(_connect(path)) as copy:
        # Within a view, so that SQLite does not begin again whenever somebody writes.
        with store.read() as db:
            db.execute("SELECT 1 FROM galleries LIMIT 1").fetchone()
            with _naming_the_disk():  # a view is not locked
                db.backup(copy, pages=PAGES, progress=report)
        copy.execute("PRAGMA journal_mode = DELETE")  # a file that can be read on any disk
        (verdict,) = copy.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise StoreError(
                f"{store.path} is damaged, and no backup was made of it: {verdict}",
                hint="restore an earlier backup; `siamkit doctor` says more",
            )
        with _naming_the_disk():
            _add_uploads(store, copy)


def _add_uploads(store: Store, copy: sqlite3.Connection) -> None:
    """Add the contents of the store's own files, as rows."""
    copy.text_factory = decode
    missing = 0
    copy.execute("BEGIN")
    for source in uploads.named_in(copy):
        try:
            content = uploads.place(store, source).read_bytes()
        except FileNotFoundError:  # also of a sample that was forgotten meanwhile
            missing += 1
            continue
        copy.execute("INSERT INTO uploads VALUES (?, ?)", (source, content))
    copy.execute("COMMIT")
    if missing:
        log.warning(
            f"{missing:,} files of samples are not in {uploads.place(store, uploads.UPLOADS)},"
            " nor in the backup, which holds their vectors"
        )


@contextmanager
def _naming_the_disk() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        hint = "name a file on a disk that has room"
        raise StoreError(f"the backup could not be written: {error}", hint=hint) from error


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)
