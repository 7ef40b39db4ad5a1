"""Enrolled samples: their identities, sources and templates."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from siamkit.errors import BadInput, StoreError, UnknownName
from siamkit.io.presentable import Presentable
from siamkit.sdk import regions
from siamkit.store import erasures, identities, labels, templates, uploads
from siamkit.store.checked import TIES, digest_key, fits, is_tied, sample_checksum, sound_templates
from siamkit.store.database import Store, now
from siamkit.store.galleries import Gallery, require_space
from siamkit.types import Region, Vectors

DIGEST_BYTES = 32  # SHA-256
MANY = 500  # samples that are deleted at once


@dataclass(frozen=True, slots=True)
class NewSample:
    """One region, embedded elsewhere, about to be enrolled."""

    identity: str
    source: str
    digest: bytes  # SHA-256 of the source's content
    region: str  # canonical JSON, see siamkit.sdk.regions
    quality: float | None
    inline: bool = False  # the source is the sample itself, a text


@dataclass(frozen=True, slots=True)
class Sample(Presentable):
    """One enrolled region.

    Examples:
        >>> ws.identity("hours")[0].source
        'When are you open?'
    """

    id: int
    gallery: str
    identity: str
    source: str
    digest: bytes
    region: str
    quality: float | None
    created: str
    inline: bool

    def read_region(self) -> Region:
        """Parse the region. Raises BadInput, naming the sample, if it is damaged."""
        try:
            return regions.from_json(self.region)
        except ValueError as error:
            hint = f"`siamkit forget --sample {self.id}`, then enrol it again"
            raise BadInput(f"sample {self.id} is damaged: {error}", hint=hint) from error


def add(
    store: Store, gallery: Gallery, fingerprint: str, samples: Sequence[NewSample], vectors: Vectors
) -> list[int | None]:
    """Enrol a batch in one durable transaction. vectors: (n, dim) float32, one per sample.

    Returns a sample id for each, or None if the same content and region is already enrolled.
    Raises StoreError if another process has deleted or re-embedded the gallery meanwhile.
    """
    with store.write():
        return insert(store, gallery, fingerprint, samples, vectors)


def insert(
    store: Store, gallery: Gallery, fingerprint: str, samples: Sequence[NewSample], vectors: Vectors
) -> list[int | None]:
    """Enrol a batch, as `add` does, while the caller holds the write lock."""
    db, when = store.connection, now()
    _require_unchanged(db, gallery, fingerprint)
    ids: list[int | None] = []
    added: set[tuple[Any, ...]] = set()
    (last_identity,) = db.execute("SELECT coalesce(max(id), 0) FROM identities").fetchone()
    names = dict.fromkeys(sample.identity for sample in samples)
    identity_ids = {name: identities.ensure(db, name, when) for name in names}
    for sample, vector in zip(samples, vectors, strict=True):
        identity_id, key = identity_ids[sample.identity], digest_key(sample.digest)
        content = gallery.id, identity_id, key, sample.digest, sample.region
        is_old = identity_id <= last_identity or content in added  # a new one has no other samples
        if is_old and (row := db.execute(SAME, content).fetchone()):
            ids.append(_mend(db, gallery, row[0], vector))
            continue
        crc32 = sample_checksum(
            gallery.id, identity_id, sample.inline, sample.digest, sample.region
        )
        cursor = db.execute(
            "INSERT INTO samples (gallery_id, identity_id, digest_key, digest, region, source,"
            " inline, quality, created, crc32) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*content, sample.source, sample.inline, sample.quality, when, crc32),
        )
        assert cursor.lastrowid is not None
        ids.append(cursor.lastrowid)
        added.add(content)
        templates.insert(db, gallery, cursor.lastrowid, vector)
    return ids


SAME = """
SELECT id FROM samples
WHERE gallery_id = ? AND identity_id = ? AND digest_key = ? AND digest = ? AND region = ?
"""


def _mend(db: sqlite3.Connection, gallery: Gallery, sample_id: int, vector: Vectors) -> int | None:
    """Replace the template of an enrolled sample if it is damaged; return its id, or else None."""
    rows = db.execute(f"{templates.OF_SAMPLES} WHERE s.id = ?", (sample_id,)).fetchall()
    if not sound_templates(rows, gallery.space.dim)[2]:
        return None
    db.execute("DELETE FROM templates WHERE sample_id = ?", (sample_id,))
    templates.insert(db, gallery, sample_id, vector)
    return sample_id


def _require_unchanged(db: sqlite3.Connection, gallery: Gallery, fingerprint: str) -> None:
    """Raise StoreError if another process has changed the gallery since it was read."""
    row = db.execute(
        "SELECT s.fingerprint FROM galleries g JOIN spaces s ON s.id = g.space_id WHERE g.id = ?",
        (gallery.id,),
    ).fetchone()
    if row is None:
        raise UnknownName(f"gallery {gallery.name!r} was deleted by another process")
    if row[0] != gallery.space.fingerprint:
        hint = "run the same command again"
        raise StoreError(f"gallery {gallery.name!r} was re-embedded by another process", hint=hint)
    require_space(gallery, fingerprint)


def is_enrolled(store: Store, gallery: Gallery, identity: str, digest: bytes) -> bool:
    """Return True if any region of the same content is enrolled under this identity.

    Content of which a template is damaged does not count: enrolling it again mends it.
    """
    query = (
        f"{templates.OF_SAMPLES} JOIN identities i ON i.id = s.identity_id"
        " WHERE s.gallery_id = ? AND i.name = ? AND s.digest_key = ? AND s.digest = ?"
    )
    rows = store.fetch_all(query, gallery.id, identity, digest_key(digest), digest)
    return bool(rows) and not sound_templates(rows, gallery.space.dim)[2]


# What `read_row` reads, and from where.
COLUMNS = f"""
s.id, g.name, i.name, s.source, s.digest, s.region, s.quality, s.created, s.inline, {TIES}
"""
TABLES = """
samples s JOIN galleries g ON g.id = s.gallery_id JOIN identities i ON i.id = s.identity_id
"""
_SELECT = f"SELECT {COLUMNS} FROM {TABLES}"

# `+` keeps SQLite from sorting all samples of a gallery for one page of them.
PAGE = _SELECT + "WHERE {where} AND s.id > ?2 ORDER BY s.id LIMIT ?4"
PAGE_STREAMED = 2_000  # samples read at once where all are wanted: about 2 MB


def of_label(store: Store, label: str) -> list[Sample]:
    """Return all samples of an identity, in every gallery. Raises UnknownName if there are none."""
    with store.read():
        return list(stream_of_label(store, label))


def stream_of_label(store: Store, label: str, after: int = 0) -> Iterator[Sample]:
    """Yield the samples of an identity, by gallery, then id; those behind `after`, if it is not 0.

    Raises UnknownName, before the first, if there is no such identity, or `after` is not of it.
    """
    query = (
        "SELECT DISTINCT g.name, g.id FROM samples s JOIN galleries g ON g.id = s.gallery_id"
        " WHERE s.identity_id = ? ORDER BY g.name"
    )
    with store.read():
        identity_id = labels.require(store, label)
        held_in: list[int] = [row[1] for row in store.fetch_all(query, identity_id)]
        if after:
            query = "SELECT gallery_id FROM samples WHERE id = ? AND identity_id = ?"
            row = store.fetch_one(query, after, identity_id)
            if row is None or row[0] not in held_in:
                raise UnknownName(f"{label!r} has no sample {after}")
            held_in = held_in[held_in.index(row[0]) :]
    return _stream(store, identity_id, held_in, after)


def _stream(
    store: Store, identity_id: int, gallery_ids: Sequence[int], after: int
) -> Iterator[Sample]:
    query = PAGE.format(where="+s.gallery_id = ?1 AND s.identity_id = ?3")
    for gallery_id in gallery_ids:
        while rows := store.fetch_all(query, gallery_id, after, identity_id, PAGE_STREAMED):
            yield from (sample for row in rows if (sample := read_row(store, row)))
            after = rows[-1][0]
        after = 0


def of_gallery(store: Store, gallery: Gallery) -> Iterator[Sample]:
    """Yield the samples of a gallery, oldest first."""
    for sample_id, sample in each_of_gallery(store, gallery):
        if sample:
            yield sample
        else:
            store.warn_of_damage(gallery.name, [sample_id])


def each_of_gallery(store: Store, gallery: Gallery) -> Iterator[tuple[int, Sample | None]]:
    """Yield the samples of a gallery, oldest first, with their ids; None for a damaged row."""
    return ((row[0], _read(store, row)) for row in _rows_of(store, gallery))


def each_checked(store: Store, gallery: Gallery) -> Iterator[tuple[int, bool]]:
    """Yield the ids of a gallery's samples, oldest first, and True for each sound row."""
    return ((row[0], _is_sound(row)) for row in _rows_of(store, gallery))


def _rows_of(store: Store, gallery: Gallery) -> Iterator[tuple[Any, ...]]:
    # A page at a time: a transaction must not stay open while the caller uses a row.
    query, after = PAGE.format(where="+s.gallery_id = ?1"), 0
    while rows := store.fetch_all(query, gallery.id, after, None, PAGE_STREAMED):
        yield from rows
        after = rows[-1][0]


def read_row(store: Store, row: tuple[Any, ...]) -> Sample | None:
    """Read a sample; None if its row is damaged, and a line is logged."""
    sample = _read(store, row)
    if sample is None:
        store.warn_of_damage(row[1], [row[0]])
    return sample


def _is_sound(row: tuple[Any, ...]) -> bool:
    digest, region, quality = row[4:7]
    return (
        is_tied(row[9:])
        and fits(Sample, row[:9])
        and len(digest) == DIGEST_BYTES
        and 0 <= (quality or 0) <= 1
        and (row[9] is not None or regions.is_region(region))  # a checksum holds it too
    )


def _read(store: Store, row: tuple[Any, ...]) -> Sample | None:
    if not _is_sound(row):
        return None
    sample = Sample(*row[:9])
    source = sample.source if sample.inline else uploads.resolve(store, sample.source)
    return sample if source is sample.source else replace(sample, source=source)


def require(store: Store, sample_id: int) -> None:
    """Raise StoreError if there is no sample of this id, damaged or not."""
    is_id = abs(sample_id) < 1 << 63  # SQLite holds no other integer
    if not (is_id and store.fetch_one("SELECT 1 FROM samples WHERE id = ?", sample_id)):
        hint = "`siamkit show LABEL` lists sample ids"
        raise UnknownName(f"no sample {sample_id} in {store.root}", hint=hint)


def get(store: Store, sample_id: int) -> Sample:
    """Return a sample by id. Raises StoreError if it is absent."""
    require(store, sample_id)
    row = store.fetch_one(_SELECT + "WHERE s.id = ?", sample_id)
    if row and (sample := read_row(store, row)):
        return sample
    hint = f"`siamkit forget --sample {sample_id}`, then enrol it again"
    raise StoreError(f"sample {sample_id} in {store.root} is damaged", hint=hint)


# A region that was enrolled by a review would keep its file in the store.
_FORGET_UNKNOWN = """
DELETE FROM unknowns WHERE 'unknown ' || id IN (SELECT subject FROM reviews WHERE sample_id = ?)
"""


def delete(store: Store, sample_ids: Sequence[int]) -> int:
    """Delete samples with their templates, and identities that then own none; count the samples.

    Leaves a note in `erasures`; `siamkit.flows.forget` removes the traces.
    """
    query = "SELECT gallery_id, identity_id FROM samples WHERE id = ?"
    heads: dict[int, int] = {}  # of the galleries, before
    owners: set[int] = set()
    deleted = 0
    with store.write() as db:
        if len(sample_ids) >= MANY:
            erasures.disturb_all(db)
        for sample_id in sample_ids:
            row = db.execute(query, (sample_id,)).fetchone()
            if row is None:
                continue
            gallery_id, identity_id = row
            if gallery_id not in heads:
                heads[gallery_id] = erasures.head(db, gallery_id)
            db.execute("DELETE FROM samples WHERE id = ?", (sample_id,))
            db.execute(_FORGET_UNKNOWN, (sample_id,))
            owners.add(identity_id)
            deleted += 1
        for gallery_id, first in heads.items():
            erasures.note(store, gallery_id, first)
        identities.drop_empty(db, owners)
    return deleted
