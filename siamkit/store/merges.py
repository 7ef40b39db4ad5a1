"""Merge one identity into another, and undo it: the samples remember whose they were.

The rows of `merged` on one sample are a tree: its root is the identity that has the sample, and a
row, with the label that had the same content, hangs from the row of the merger that moved it
onward, or from the root. A row without a source gave its parent the sample; one with a source is
a copy that its parent had too. Rows are deleted with their sample, so forgetting an identity
forgets its mergers.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from siamkit.errors import BadInput, UnknownName
from siamkit.store import identities, labels, templates, uploads
from siamkit.store.checked import TIES, is_tied, sample_checksum
from siamkit.store.database import Store, now


@dataclass(frozen=True, slots=True)
class Merger:
    """The outcome of a merger, or of undoing one: samples moved from one identity to another.

    Examples:
        >>> ws.merge("hours", "refund").samples
        1
    """

    old: str
    new: str
    samples: int  # moved to `new`
    copies: int  # content and regions that both identities had: stored once under `new`
    number: int = field(default=0, compare=False, repr=False)  # of the merger, to undo it by


def merge(store: Store, old: str, new: str) -> Merger:
    """Give all samples of `old` to `new` at once. Raises UnknownName if one is not there."""
    old, new = labels.normalise_label(old), labels.normalise_label(new)
    if old == new:
        raise BadInput(f"{old!r} cannot be merged into itself", hint="name two identities")
    labels.sample_ids(store, old)  # may raise, as may the next
    labels.sample_ids(store, new)
    with store.write() as db:
        source, target = identities.find(db, old), identities.find(db, new)
        if source is None or target is None:
            raise UnknownName(f"{old!r} or {new!r} was deleted meanwhile, by another process")
        query = "SELECT id FROM samples WHERE identity_id = ? ORDER BY id"
        moving = [sample_id for (sample_id,) in db.execute(query, (source,)).fetchall()]
        number = _next_number(db)
        copies = _move(db, number, moving, old, target)
        identities.drop_empty(db, [source])
    _delete_thumbnails(store, moving)
    return Merger(old, new, len(moving) - copies, copies, number)


def move(store: Store, sample_id: int, label: str) -> Merger:
    """Give one sample to another identity, created if new; `undo` takes it back as a merger.

    Raises UnknownName for an unknown sample, BadInput if it is of that identity already.
    """
    new = labels.normalise_label(label)
    with store.write() as db:
        query = "SELECT i.name, i.id FROM samples s JOIN identities i ON i.id = s.identity_id"
        row = db.execute(f"{query} WHERE s.id = ?", (sample_id,)).fetchone()
        if row is None:
            raise UnknownName(f"no sample {sample_id} in {store.root}")
        if row[0] == new:
            hint = "name another identity"
            raise BadInput(f"sample {sample_id} is of {new!r} already", hint=hint)
        target, number = identities.ensure(db, new, now()), _next_number(db)
        copies = _move(db, number, [sample_id], row[0], target)
        identities.drop_empty(db, [row[1]])
    _delete_thumbnails(store, [sample_id])
    return Merger(row[0], new, 1 - copies, copies, number)


def _delete_thumbnails(store: Store, sample_ids: Sequence[int]) -> None:
    """Delete the thumbnails of samples that may be gone; the next page draws the others again."""
    with suppress(OSError):
        uploads.delete_thumbnails(store, sample_ids)


def _move(
    db: sqlite3.Connection, number: int, sample_ids: Sequence[int], old: str, target: int
) -> int:
    """Give samples of `old` to another identity as merger `number`; count those that both had."""
    copies = 0
    for sample_id in sample_ids:
        onward = "UPDATE merged SET onward = ? WHERE onward IS NULL AND sample_id = ?"
        db.execute(onward, (number, sample_id))
        twin = _twin(db, sample_id, target)
        if twin is None:
            _give(db, sample_id, target)
        else:
            db.execute("UPDATE merged SET sample_id = ? WHERE sample_id = ?", (twin, sample_id))
        db.execute(
            "INSERT INTO merged (merger, sample_id, label, source)"
            " SELECT ?, ?, ?, CASE WHEN ? THEN source END FROM samples WHERE id = ?",
            (number, twin or sample_id, old, twin is not None, sample_id),
        )
        if twin is not None:
            db.execute("DELETE FROM samples WHERE id = ?", (sample_id,))
            copies += 1
    return copies


def _next_number(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT coalesce(max(merger), 0) + 1 FROM merged").fetchone()[0])


def undo(store: Store, old: str | None = None, number: int | None = None) -> Merger:
    """Give the samples of a merged identity back to it in one transaction.

    That of `old`, or of the merger `number`, or else the last.

    Samples forgotten since stay forgotten. Raises UnknownName if no merger can be undone.
    """
    label = None if old is None else labels.normalise_label(old)
    with store.write() as db:
        row = db.execute(
            "SELECT m.merger, m.label, i.name FROM merged m JOIN samples s ON s.id = m.sample_id"
            " JOIN identities i ON i.id = s.identity_id WHERE (?1 IS NULL OR m.label = ?1)"
            " AND (?2 IS NULL OR m.merger = ?2) ORDER BY m.merger DESC LIMIT 1",
            (label, number),
        ).fetchone()
        if row is None:
            named = "no identity was" if label is None else f"{label!r} was not"
            raise UnknownName(f"{named} merged into another, or it was forgotten since")
        number, label, new = row
        identity_id = identities.ensure(db, label, now())
        query = "SELECT sample_id FROM merged WHERE merger = ? ORDER BY sample_id"
        merged = [sample_id for (sample_id,) in db.execute(query, (number,)).fetchall()]
        query = "SELECT identity_id FROM samples WHERE id = ?"
        owners = {db.execute(query, (sample_id,)).fetchone()[0] for sample_id in merged}
        moves = [_give_back(db, sample_id, number, identity_id) for sample_id in merged]
        identities.drop_empty(db, owners | {identity_id})
    _delete_thumbnails(store, merged)
    return Merger(new, label, moves.count("moved"), moves.count("copied"), number)


def _give_back(
    db: sqlite3.Connection, sample_id: int, number: int, identity_id: int
) -> Literal["moved", "copied", "skipped"]:
    """Give an identity what it had of a sample before a merger; skip what it has again since."""
    query = "SELECT merger, source, onward FROM merged WHERE sample_id = ?"
    rows = {row[0]: _Row(*row[1:]) for row in db.execute(query, (sample_id,)).fetchall()}
    (source,) = db.execute("SELECT source FROM samples WHERE id = ?", (sample_id,)).fetchone()
    source = next((row.source for row in _founded(rows, number) if row.source), source)
    twin = _twin(db, sample_id, identity_id)
    leaving, heir = ([number], None) if twin is not None else _leaving(rows, number)
    if heir is not None:
        _inherit(db, sample_id, rows, heir)
    is_whole = twin is None and heir is None and rows[leaving[-1]].source is None
    if is_whole:
        _give(db, sample_id, identity_id)
    own = sample_id if is_whole else twin or _copy(db, sample_id, identity_id, source)
    for merger in _below(rows, number):
        row = rows[merger]
        is_first = row.onward == number
        db.execute(
            "UPDATE merged SET sample_id = ?, onward = ?, source = ?"
            " WHERE sample_id = ? AND merger = ?",
            (
                own,
                None if is_first else row.onward,
                source if is_first and twin is not None and row.source is None else row.source,
                sample_id,
                merger,
            ),
        )
    gone = [(sample_id, merger) for merger in leaving]
    db.executemany("DELETE FROM merged WHERE sample_id = ? AND merger = ?", gone)
    return "moved" if is_whole else "copied" if twin is None else "skipped"


class _Row(NamedTuple):
    """A row of `merged`."""

    source: str | None  # of a copy; None: the identity merged into got its sample by this merger
    onward: int | None  # the merger by which that identity was merged in turn


def _founded(rows: Mapping[int, _Row], number: int) -> Iterator[_Row]:
    """Yield the row of a merger, and those of the identities that have the sample through it."""
    row = rows[number]
    yield row
    while row.source is None and row.onward is not None:
        row = rows[row.onward]
        yield row


def _leaving(rows: Mapping[int, _Row], number: int) -> tuple[list[int], int | None]:
    """Return the mergers whose identities lose the sample if the first of them takes it back.

    The second is the merger whose copy the next identity goes on with, if it has one.
    """
    leaving = [number]
    while rows[leaving[-1]].source is None:
        onward = rows[leaving[-1]].onward
        heirs = [m for m, row in rows.items() if row.onward == onward and m != leaving[-1]]
        if heirs:
            return leaving, min(heirs)
        if onward is None:
            break
        leaving.append(onward)
    return leaving, None


def _inherit(db: sqlite3.Connection, sample_id: int, rows: Mapping[int, _Row], heir: int) -> None:
    """Make a copy the one that the identities it was merged into have their sample from."""
    source, top = rows[heir].source, rows[heir].onward
    key = "WHERE sample_id = ? AND merger = ?"
    db.execute(f"UPDATE merged SET source = NULL {key}", (sample_id, heir))
    while top is not None and rows[top].source is None:
        top = rows[top].onward
    if top is None:
        db.execute("UPDATE samples SET source = ? WHERE id = ?", (source, sample_id))
    else:
        db.execute(f"UPDATE merged SET source = ? {key}", (source, sample_id, top))


def _below(rows: Mapping[int, _Row], number: int) -> list[int]:
    """Return the mergers that a merger moved onward, directly or by others."""
    direct = [merger for merger, row in rows.items() if row.onward == number]
    return direct + [merger for below in direct for merger in _below(rows, below)]


def _twin(db: sqlite3.Connection, sample_id: int, identity_id: int) -> int | None:
    """Return the sample of an identity that is of the same gallery, content and region."""
    row = db.execute(
        "SELECT t.id FROM samples s JOIN samples t ON t.gallery_id = s.gallery_id"
        " AND t.digest_key = s.digest_key AND t.digest = s.digest AND t.region = s.region"
        " AND t.identity_id = ? WHERE s.id = ?",
        (identity_id, sample_id),
    ).fetchone()
    return int(row[0]) if row else None


def _give(db: sqlite3.Connection, sample_id: int, identity_id: int) -> None:
    """Tie a sample to another identity."""
    db.execute(
        "UPDATE samples SET identity_id = ?, crc32 = ? WHERE id = ?",
        (identity_id, _checksum(db, sample_id, identity_id), sample_id),
    )


def _copy(db: sqlite3.Connection, sample_id: int, identity_id: int, source: str) -> int:
    """Enrol what a sample holds under another identity too; return the new sample."""
    cursor = db.execute(
        "INSERT INTO samples"
        " (gallery_id, identity_id, source, crc32, inline, digest, digest_key, region, quality,"
        " created) SELECT gallery_id, ?, ?, ?, inline, digest, digest_key, region, quality, created"
        " FROM samples WHERE id = ?",
        (identity_id, source, _checksum(db, sample_id, identity_id), sample_id),
    )
    assert cursor.lastrowid is not None
    templates.copy(db, sample_id, cursor.lastrowid)
    return cursor.lastrowid


def _checksum(db: sqlite3.Connection, sample_id: int, identity_id: int) -> int | None:
    """Return the checksum of a sample tied to an identity; its own if it is damaged."""
    row = db.execute(f"SELECT {TIES} FROM samples s WHERE id = ?", (sample_id,)).fetchone()
    crc32, gallery_id, _, inline, digest, region = row
    if crc32 is None or not is_tied(row):
        return None if crc32 is None else int(crc32)
    return sample_checksum(gallery_id, identity_id, bool(inline), digest, region)
