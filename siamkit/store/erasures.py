"""Deletions whose traces must still leave the disk: index snapshots, free pages, the log.

A note is written in the transaction that deletes, and taken back when the traces are gone, so that
a process killed in between leaves the rest to the next one.
"""

from __future__ import annotations

import sqlite3

from siamkit.store.database import Store


def note(store: Store, gallery_id: int) -> None:
    """Note a gallery, and refuse its snapshots up to now. The caller holds the write lock."""
    db = store.connection
    db.execute("INSERT OR REPLACE INTO erasures (gallery_id) VALUES (?)", (gallery_id,))
    db.execute(
        "UPDATE galleries SET floor = (SELECT max(seq) FROM changes WHERE gallery_id = ?1)"
        " WHERE id = ?1",
        (gallery_id,),
    )


def pending(store: Store) -> list[int]:
    """The ids of galleries, some of them deleted, with traces left."""
    with store.read() as db:
        return [i for (i,) in db.execute("SELECT gallery_id FROM erasures")]


def floor(store: Store, gallery_id: int) -> int | None:
    """The change from which on a snapshot may be used; None if the gallery is gone."""
    with store.read() as db:
        row = db.execute("SELECT floor FROM galleries WHERE id = ?", (gallery_id,)).fetchone()
    return row[0] if row else None


def scrub(store: Store, done: list[int]) -> bool:
    """Rewrite the database without its free space, empty the log, take the notes back.

    secure_delete alone leaves copies behind where SQLite has moved rows between pages. False if
    another process is in the way; the notes then stay.
    """
    try:
        store.connection.execute("VACUUM")
        busy, _, _ = store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError as error:
        if "locked" not in str(error) and "busy" not in str(error):
            raise
        busy = True
    if not busy:
        with store.write() as db:
            db.executemany("DELETE FROM erasures WHERE gallery_id = ?", [(i,) for i in done])
    return not busy
