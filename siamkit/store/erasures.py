"""Deletions whose traces are still on the disk: in index snapshots, free pages, the log.

A note is written in the transaction that deletes, and removed once the traces are gone (see
`siamkit.store.traces`). If a process is killed in between, the next one finishes its work.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from siamkit.store.checked import read_as
from siamkit.store.database import Store

_HEAD = "(SELECT coalesce(max(seq), 0) FROM changes WHERE gallery_id = ?1)"


def head(db: sqlite3.Connection, gallery_id: int) -> int:
    """Return the last change of a gallery; 0 if it never had one."""
    return int(db.execute(f"SELECT {_HEAD}", (gallery_id,)).fetchone()[0])


def note(store: Store, gallery_id: int, first: int) -> None:
    """Note a deletion, and refuse index snapshots up to now. The caller holds the write lock.

    first: the gallery's last change before it.
    """
    db = store.connection
    db.execute(
        'INSERT INTO erasures (gallery_id, first, seq, "index")'
        f' SELECT id, ?2, {_HEAD}, "index" FROM galleries WHERE id = ?1'
        " ON CONFLICT (gallery_id) DO UPDATE"
        " SET first = min(first, excluded.first), seq = excluded.seq",
        (gallery_id, first),
    )
    db.execute(f"UPDATE galleries SET floor = {_HEAD} WHERE id = ?1", (gallery_id,))


def give_up(store: Store, gallery_id: int, index: str) -> None:
    """Wait no longer for the index that a gallery had to erase what is there; `index` is next."""
    with store.write() as db:
        db.execute('UPDATE erasures SET "index" = ? WHERE gallery_id = ?', (index, gallery_id))


def disturb_all(db: sqlite3.Connection) -> None:
    """Note that rows of any page may have been moved; spares bulk deletions a note per row."""
    db.execute("INSERT OR IGNORE INTO disturbed VALUES (0, '', 0)")


_FLOOR = "CASE typeof(floor) WHEN 'integer' THEN floor END"


@dataclass(frozen=True, slots=True)
class Erasure:
    """A deletion whose traces are still on the disk. The gallery may be gone too."""

    gallery_id: int
    first: int  # the gallery's last change before it; templates removed since are gone
    seq: int  # the deletion's last change
    index: str  # the backend whose saved files hold the vectors


def pending(store: Store) -> list[Erasure]:
    """Return the deletions whose traces are still on the disk."""
    rows = store.fetch_all('SELECT gallery_id, first, seq, "index" FROM erasures')
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
