"""Identities by label.

A flipped bit in SQLite's index of labels leads to another identity's row, and nothing in SQLite
notices. So the row itself is read, and must have the label that was looked for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from siamkit.errors import StoreError
from siamkit.store.sqlite_errors import MEND

# By its id, so that SQLite reads the row; to read the label alone, it would stay in the index.
_BY_LABEL = "SELECT id, name FROM identities WHERE id = (SELECT id FROM identities WHERE name = ?)"


def find(db: sqlite3.Connection, label: str) -> int | None:
    """Return the id of a label; None if there is none. Raises StoreError for a damaged index."""
    row = db.execute(_BY_LABEL, (label,)).fetchone()
    if row is None:
        return None
    if row[1] != label:
        raise StoreError(f"the store is damaged: its index takes {label!r} for another", hint=MEND)
    return int(row[0])


def ensure(db: sqlite3.Connection, label: str, when: str) -> int:
    """Return the id of a label, created if new. The caller holds the write lock."""
    if (identity_id := find(db, label)) is not None:
        return identity_id
    created = db.execute("INSERT INTO identities (name, created) VALUES (?, ?)", (label, when))
    assert created.lastrowid is not None
    return created.lastrowid


_EMPTY = "NOT EXISTS (SELECT 1 FROM samples WHERE samples.identity_id = identities.id)"


def drop_empty(db: sqlite3.Connection, identity_ids: Iterable[int]) -> None:
    """Delete those of some identities that own no sample. The caller holds the write lock."""
    rows = [(identity_id,) for identity_id in identity_ids]
    db.executemany(f"DELETE FROM identities WHERE id = ? AND {_EMPTY}", rows)


def drop_all_empty(db: sqlite3.Connection) -> None:
    """Delete the identities that own no sample. The caller holds the write lock."""
    db.execute(f"DELETE FROM identities WHERE {_EMPTY}")
