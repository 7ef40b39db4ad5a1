"""Remove the traces of deletions from the database file and its log.

`free_space` overwrites the free space within pages. A small file is rewritten instead, which is
faster; so is one of which much is unused, to make it smaller.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from siamkit.store import free_space
from siamkit.store.database import Store
from siamkit.store.erasures import Erasure
from siamkit.store.sqlite_connect import BUSY_SECONDS

SMALL_BYTES = 4 << 20  # of a database that is rewritten as fast as a program is started
UNUSED_SHARE = 1 / 4  # of a database's pages, from which on it is rewritten to make it smaller
log = logging.getLogger("siamkit")


def remove(store: Store, erased: Sequence[Erasure], *, wait_seconds: float) -> None:
    """Overwrite the free space of the database, empty its log, remove the notes of deletions.

    Raises sqlite3.OperationalError, and keeps the notes, if another process is in the way for
    longer than `wait_seconds`, or the disk is full.
    """
    notes = [(erasure.gallery_id, erasure.seq) for erasure in erased]
    with _waiting(store, wait_seconds) as db:
        if _bytes(db) <= SMALL_BYTES or not _overwrite(store, notes, wait_seconds):
            _rewrite_noted(store, db, notes)
        elif _unused_share(db) > UNUSED_SHARE:
            with suppress(sqlite3.Error):  # that costs room only
                _rewrite(db)


@contextmanager
def _waiting(store: Store, seconds: float) -> Iterator[sqlite3.Connection]:
    """Use this thread's connection, which waits that long for others."""
    with store.using() as db:
        db.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")
        try:
            yield db
        finally:
            db.execute(f"PRAGMA busy_timeout = {round(BUSY_SECONDS * 1000)}")


def _overwrite(store: Store, notes: Sequence[tuple[int, int]], wait_seconds: float) -> bool:
    """Run `free_space` on the database. Return False if that is not possible.

    Raises sqlite3.OperationalError if another process is in the way, or the disk is full.
    """
    if not sys.executable:  # an embedded Python
        return False
    job = {"path": str(store.file), "notes": notes, "wait_seconds": wait_seconds}
    program = [sys.executable, "-I", "-S", free_space.__file__]
    try:
        done = subprocess.run(program, input=json.dumps(job), text=True, capture_output=True)
    except OSError as error:
        log.debug(f"no program can be started to overwrite free space: {error}")
        return False
    if done.returncode == free_space.REFUSED:
        raise sqlite3.OperationalError(done.stdout.strip())
    if done.returncode:
        log.debug(f"the free space of {store.path} could not be overwritten: {done.stdout}")
    return not done.returncode


def _rewrite_noted(store: Store, db: sqlite3.Connection, notes: Sequence[tuple[int, int]]) -> None:
    """Rewrite the database, and remove the notes of deletions.

    Another process may delete more meanwhile: its notes stay.
    """
    (version,) = db.execute("PRAGMA data_version").fetchone()
    _rewrite(db)
    with store.write():
        db.executemany("DELETE FROM erasures WHERE gallery_id = ? AND seq <= ?", notes)
        if db.execute("PRAGMA data_version").fetchone() == (version,):
            db.execute("DELETE FROM disturbed")


def _rewrite(db: sqlite3.Connection) -> None:
    """Write the database again, without its free space."""
    _empty_log(db)  # before the costly step, which a reader would spoil
    db.execute("VACUUM")
    _empty_log(db)


def _empty_log(db: sqlite3.Connection) -> None:
    deadline = time.monotonic() + _pragma(db, "busy_timeout") / 1000
    while db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        if time.monotonic() >= deadline:
            raise sqlite3.OperationalError("another process is using the store")
        time.sleep(free_space.PAUSE_SECONDS)  # SQLite does not wait for another's checkpoint


def _bytes(db: sqlite3.Connection) -> int:
    return _pragma(db, "page_count") * _pragma(db, "page_size")


def _unused_share(db: sqlite3.Connection) -> float:
    return _pragma(db, "freelist_count") / _pragma(db, "page_count")


def _pragma(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])
