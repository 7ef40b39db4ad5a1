"""Merge one identity into another, and undo it: the samples remember whose they were.

A row of `merged` is deleted with its sample, so forgetting an identity forgets its mergers.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from siamkit.errors import BadInput, StoreError
from siamkit.store import identities, labels, templates
from siamkit.store.checked import TIES, is_tied, sample_checksum
from siamkit.store.database import Store, now


@dataclass(frozen=True, slots=True)
class Merger:
    """What a merger, or undoing one, has moved from one identity to another.

    Examples:
        >>> ws.merge("hours", "refund").samples
        1
    """

    old: str
    new: str
    samples: int  # moved to `new`
    copies: int  # content and regions that both identities had: stored once under `new`


def merge(store: Store, old: str, new: str) -> Merger:
    """Give all samples of `old` to `new` in one transaction. Raises StoreError if one is absent."""
    old, new = labels.normalise_label(old), labels.normalise_label(new)
    if old == new:
        raise BadInput(f"{old!r} cannot be merged into itself", hint="name two identities")
    labels.sample_ids(store, old)  # may raise, as may the next
    labels.sample_ids(store, new)
    with store.write() as db:
        source, target = identities.find(db, old), identities.find(db, new)
        if source is None or target is None:
            raise StoreError(f"{old!r} or {new!r} was deleted meanwhile, by another process")
        query = "SELECT id FROM samples WHERE identity_id = ? ORDER BY id"
        moving = [sample_id for (sample_id,) in db.execute(query, (source,)).fetchall()]
        (number,) = db.execute("SELECT coalesce(max(merger), 0) + 1 FROM merged").fetchone()
        twins = {sample_id: _twin(db, sample_id, target) for sample_id in moving}
        for sample_id, twin in twins.items():
            if twin is None:
                _give(db, sample_id, target)
            db.execute(
                "INSERT INTO merged (merger, sample_id, label, source)"
                " SELECT ?, ?, ?, CASE WHEN ? THEN source END FROM samples WHERE id = ?",
                (number, twin or sample_id, old, twin is not None, sample_id),
            )
        db.execute("DELETE FROM samples WHERE identity_id = ?", (source,))  # the copies
        identities.drop_empty(db)
    copies = sum(twin is not None for twin in twins.values())
    return Merger(old, new, len(moving) - copies, copies)


def undo(store: Store, old: str | None = None) -> Merger:
    """Give the samples of a merged identity back to it in one transaction: of `old`, or the last.

    Samples forgotten since stay forgotten. Raises StoreError if no merger can be undone.
    """
    label = None if old is None else labels.normalise_label(old)
    with store.write() as db:
        row = db.execute(
            "SELECT m.merger, m.label, i.name FROM merged m JOIN samples s ON s.id = m.sample_id"
            " JOIN identities i ON i.id = s.identity_id WHERE ?1 IS NULL OR m.label = ?1"
            " ORDER BY m.merger DESC LIMIT 1",
            (label,),
        ).fetchone()
        if row is None:
            named = "no identity was" if label is None else f"{label!r} was not"
            raise StoreError(f"{named} merged into another, or it was forgotten since")
        number, label, new = row
        identity_id = identities.ensure(db, label, now())
        query = "SELECT sample_id, source FROM merged WHERE merger = ? ORDER BY sample_id"
        sources = dict(db.execute(query, (number,)).fetchall())
        for sample_id, source in sources.items():
            if _twin(db, sample_id, identity_id) is not None:
                continue  # enrolled again since
            if source is None:
                _give(db, sample_id, identity_id)
                later = "DELETE FROM merged WHERE sample_id = ? AND merger > ?"
                db.execute(later, (sample_id, number))
            else:
                _copy(db, sample_id, identity_id, source)
        db.execute("DELETE FROM merged WHERE merger = ?", (number,))
        identities.drop_empty(db)
    copies = sum(source is not None for source in sources.values())
    return Merger(new, label, len(sources) - copies, copies)


def _twin(db: sqlite3.Connection, sample_id: int, identity_id: int) -> int | None:
    """Return the sample of an identity that is of the same gallery, content and region."""
    row = db.execute(
        "SELECT t.id FROM samples s JOIN samples t ON t.gallery_id = s.gallery_id"
        " AND t.digest = s.digest AND t.region = s.region AND t.identity_id = ? WHERE s.id = ?",
        (identity_id, sample_id),
    ).fetchone()
    return int(row[0]) if row else None


def _give(db: sqlite3.Connection, sample_id: int, identity_id: int) -> None:
    """Tie a sample to another identity."""
    db.execute(
        "UPDATE samples SET identity_id = ?, crc32 = ? WHERE id = ?",
        (identity_id, _checksum(db, sample_id, identity_id), sample_id),
    )


def _copy(db: sqlite3.Connection, sample_id: int, identity_id: int, source: str) -> None:
    """Enrol what a sample holds under another identity too."""
    cursor = db.execute(
        "INSERT INTO samples"
        " (gallery_id, identity_id, source, inline, digest, region, quality, created, crc32)"
        " SELECT gallery_id, ?, ?, inline, digest, region, quality, created, ?"
        " FROM samples WHERE id = ?",
        (identity_id, source, _checksum(db, sample_id, identity_id), sample_id),
    )
    assert cursor.lastrowid is not None
    templates.copy(db, sample_id, cursor.lastrowid)


def _checksum(db: sqlite3.Connection, sample_id: int, identity_id: int) -> int | None:
    """Return the checksum of a sample tied to an identity; its own if it is damaged."""
    row = db.execute(f"SELECT {TIES} FROM samples s WHERE id = ?", (sample_id,)).fetchone()
    crc32, gallery_id, _, inline, digest, region = row
    if crc32 is None or not is_tied(row):
        return None if crc32 is None else int(crc32)
    return sample_checksum(gallery_id, identity_id, bool(inline), digest, region)
