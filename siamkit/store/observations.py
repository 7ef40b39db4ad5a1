"""Scores of recent queries, and of the gallery's own samples at calibration, to detect drift.

No vector, name or source of a query is kept, only two scores and a time. The oldest are deleted.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from typing import Any

from siamkit.errors import StoreError
from siamkit.stats.probe_scores import ProbeScores
from siamkit.store.checked import read_as
from siamkit.store.database import Store, now
from siamkit.store.galleries import Gallery
from siamkit.store.sqlite_connect import BUSY_SECONDS

MAX_QUERIES = 1_000  # queries per gallery
MAX_COSINE = 1.001  # of float32 vectors, with rounding
MAX_WAIT_SECONDS = 0.02  # s that a query waits at most while another process writes to the store
log = logging.getLogger("siamkit")


def replace_reference(store: Store, gallery: Gallery, rows: Sequence[ProbeScores]) -> None:
    """Replace a gallery's reference with these rows, and delete the scores of its queries.

    The caller holds the write lock.
    """
    store.connection.execute("DELETE FROM observations WHERE gallery_id = ?", (gallery.id,))
    _insert(store.connection, gallery, rows)


def _insert(db: sqlite3.Connection, gallery: Gallery, rows: Sequence[ProbeScores]) -> None:
    encoder, when = gallery.space.fingerprint, now()
    db.executemany(
        "INSERT INTO observations (gallery_id, fingerprint, kind, person, best, rest, created)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(gallery.id, encoder, r.kind, r.person, r.best, r.rest, when) for r in rows],
    )


def record(store: Store, gallery: Gallery, rows: Sequence[ProbeScores]) -> bool:
    """Keep the scores of a query if the gallery has a reference. Return True if they were kept.

    Never raises, and waits no longer than MAX_WAIT_SECONDS: a query is answered on a read-only
    store, on a full disk, and while another process writes. Nor does it wait for the commit to
    reach the disk: a power cut costs a few scores.
    """
    if not rows or not store.writing.acquire(timeout=MAX_WAIT_SECONDS):
        return False
    try:
        with store.using() as db:
            if db.in_transaction or not will_record(store, gallery):
                return False
            _record(db, gallery, rows)
    except (sqlite3.Error, StoreError) as error:
        log.debug(f"the scores of a query were not kept: {error}")
        return False
    finally:
        store.writing.release()
    return True


def _record(db: sqlite3.Connection, gallery: Gallery, rows: Sequence[ProbeScores]) -> None:
    db.execute(f"PRAGMA busy_timeout = {round(MAX_WAIT_SECONDS * 1000)}")
    db.execute("PRAGMA synchronous = NORMAL")
    try:
        db.execute("BEGIN IMMEDIATE")
        try:
            _insert(db, gallery, rows)
            db.execute(_TRIM, (gallery.id, gallery.id, MAX_QUERIES))
            db.execute("COMMIT")
        except BaseException:
            db.rollback()
            raise
    finally:
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA busy_timeout = {round(BUSY_SECONDS * 1000)}")


_TRIM = """
DELETE FROM observations WHERE gallery_id = ? AND kind = 'query' AND id <= (
  SELECT id FROM observations WHERE gallery_id = ? AND kind = 'query'
  ORDER BY id DESC LIMIT 1 OFFSET ?)
"""


def will_record(store: Store, gallery: Gallery) -> bool:
    """Return True if the scores of a query of this gallery would be kept."""
    return store.writable and has_reference(store, gallery)


def has_reference(store: Store, gallery: Gallery) -> bool:
    """Return True if there is a reference for the gallery's present encoder."""
    query = (
        "SELECT 1 FROM observations WHERE gallery_id = ? AND kind IN ('known', 'stranger')"
        " AND fingerprint = ? LIMIT 1"
    )
    return store.fetch_one(query, gallery.id, gallery.space.fingerprint) is not None


_SELECT = """
SELECT kind, best, rest, person FROM observations WHERE gallery_id = ? AND fingerprint = ?
"""


def reference(store: Store, gallery: Gallery) -> list[ProbeScores]:
    """Return the reference rows of the gallery's present encoder, oldest first."""
    query = _SELECT + " AND kind IN ('known', 'stranger') ORDER BY id"
    rows = store.fetch_all(query, gallery.id, gallery.space.fingerprint)
    return _readable(rows)


def recent(store: Store, gallery: Gallery, limit: int) -> list[ProbeScores]:
    """Return the last `limit` queries with the gallery's present encoder, newest first."""
    query = _SELECT + " AND kind = 'query' ORDER BY id DESC LIMIT ?"
    rows = store.fetch_all(query, gallery.id, gallery.space.fingerprint, limit)
    return _readable(rows)


def _readable(rows: list[tuple[Any, ...]]) -> list[ProbeScores]:
    """Return the rows that hold cosines; damaged ones count as not recorded."""
    scores = (read_as(ProbeScores, row) for row in rows)
    return [s for s in scores if s and abs(s.best) <= MAX_COSINE and abs(s.rest or 0) <= MAX_COSINE]
