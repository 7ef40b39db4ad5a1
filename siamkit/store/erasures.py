"""Deletions whose traces are still on the disk: in index snapshots, free pages, the log.

A note is written in the transaction that deletes, and removed once the traces are gone. If a
process is killed in between, the next one finishes its work.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from siamkit.store.checked import read_as
from siamkit.store.database import Store
from siamkit.store.sqlite_connect import BUSY_SECONDS


def note(store: Store, gallery_id: int) -> None:
    """Note a deletion, and refuse index snapshots up to now. The caller holds the write lock."""
    db = store.connection
    head = "(SELECT coalesce(max(seq), 0) FROM changes WHERE gallery_id = ?1)"
    db.execute(
        'INSERT INTO erasures (gallery_id, seq, "index")'
        f' SELECT id, {head}, "index" FROM galleries WHERE id = ?1'
        " ON CONFLICT (gallery_id) DO UPDATE SET seq = excluded.seq",
        (gallery_id,),
    )
    db.execute(f"UPDATE galleries SET floor = {head} WHERE id = ?1", (gallery_id,))


_FLOOR = "CASE typeof(floor) WHEN 'integer' THEN floor END"


@dataclass(frozen=True, slots=True)
class Erasure:
    """A deletion whose traces are still on the disk. The gallery may be gone too."""

    gallery_id: int
    seq: int  # the deletion's last change
    index: str  # the backend whose saved files hold the vectors


def pending(store: Store) -> list[Erasure]:
    """Return the deletions whose traces are still on the disk."""
    rows = store.fetch_all('SELECT gallery_id, seq, "index" FROM erasures')
    return [erasure for row in rows if (erasure := read_as(Erasure, row))]


def floor(store: Store, gallery_id: int, index: str) -> int | None:
    """Return the change before which an index must not have been saved.

    None if the gallery is gone, uses another index, or is damaged: then nothing may stay saved.
    """
    query = f'SELECT {_FLOOR} FROM galleries WHERE id = ? AND "index" = ?'
    row = store.fetch_one(query, gallery_id, index)
    return row[0] if row else None


def floors(store: Store) -> dict[int, tuple[str, int]]:
    """Return the index of each gallery, and the change before which it must not have been saved."""
    rows = store.fetch_all(f'SELECT id, "index", coalesce({_FLOOR}, 0) FROM galleries')
    return {gallery_id: (index, floor) for gallery_id, index, floor in rows}


def scrub(store: Store, erased: list[Erasure], *, wait_seconds: float) -> None:
    """Rewrite the database without its free space, empty the log, remove the notes.

    secure_delete alone leaves copies behind where SQLite has moved rows between pages.
    Raises sqlite3.OperationalError, and keeps the notes, if another process is in the way for
    longer than `wait_seconds`, or the disk is full.
    """
    with store.using() as db:
        db.execute(f"PRAGMA busy_timeout = {round(wait_seconds * 1000)}")
        try:
            _empty_log(db)  # before the costly step, which a reader would spoil
            db.execute("VACUUM")
            _empty_log(db)
        finally:
            db.execute(f"PRAGMA busy_timeout = {round(BUSY_SECONDS * 1000)}")
    with store.write():  # another process may have deleted more meanwhile: its notes stay
        db.executemany(
            "DELETE FROM erasures WHERE gallery_id = ? AND seq <= ?",
            [(erasure.gallery_id, erasure.seq) for erasure in erased],
        )


def _empty_log(db: sqlite3.Connection) -> None:
    busy, _, _ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise sqlite3.OperationalError("another process is using the store")
