"""Enrolled samples: their identities, sources and templates."""

from __future__ import annotations

import sqlite3
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from siamkit.errors import BadInput, StoreError
from siamkit.store import erasures
from siamkit.store.database import Store, now
from siamkit.store.galleries import Gallery, drop_empty_identities, require_space
from siamkit.types import Vectors

MAX_LABEL_CHARS = 200  # characters


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
class Sample:
    """One enrolled region."""

    id: int
    gallery: str
    identity: str
    source: str
    digest: bytes
    region: str
    quality: float | None
    created: str
    inline: bool


def normalise_label(label: str) -> str:
    """Return a label as it is stored: NFC, no outer blanks. Raises BadInput if it is unusable.

    Slashes, emoji and any script are fine: a label is never used as a path.
    """
    if not isinstance(label, str):
        raise BadInput(f"a label must be text, not {type(label).__name__}")
    clean = unicodedata.normalize("NFC", label).strip()
    excerpt = clean[:40] + ("…" if len(clean) > 40 else "")
    if not clean:
        raise BadInput("a label is empty", hint="give a name, for example `--as alice`")
    if len(clean) > MAX_LABEL_CHARS:
        hint = f"use at most {MAX_LABEL_CHARS}"
        raise BadInput(f"label {excerpt!r} has {len(clean):,} characters", hint=hint)
    # "Cs" are lone surrogates: bytes that are not UTF-8, which no file or screen can hold.
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in clean):
        hint = "remove the character"
        raise BadInput(f"label {excerpt!r} has a line break or control character", hint=hint)
    return clean


def add(
    store: Store, gallery: Gallery, fingerprint: str, samples: Sequence[NewSample], vectors: Vectors
) -> list[int | None]:
    """Enrol a batch in one durable transaction. vectors: (n, dim) float32, one per sample.

    Returns a sample id for each, or None if the same content and region is already enrolled.
    Raises StoreError if another process has deleted or re-embedded the gallery meanwhile.
    """
    with store.write() as db:
        _require_unchanged(db, gallery, fingerprint)
        when = now()
        ids: list[int | None] = []
        identities = {name: _identity(db, name, when) for name in {s.identity for s in samples}}
        for sample, vector in zip(samples, vectors, strict=True):
            content = sample.source, sample.inline, sample.digest, sample.region, sample.quality
            cursor = db.execute(
                "INSERT INTO samples"
                " (gallery_id, identity_id, source, inline, digest, region, quality, created)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (gallery_id, identity_id, digest, region) DO NOTHING",
                (gallery.id, identities[sample.identity], *content, when),
            )
            if cursor.rowcount == 0:
                ids.append(None)
                continue
            ids.append(cursor.lastrowid)
            db.execute(
                "INSERT INTO templates (sample_id, gallery_id, vector) VALUES (?, ?, ?)",
                (cursor.lastrowid, gallery.id, vector.astype("<f4").tobytes()),
            )
    return ids


def _require_unchanged(db: sqlite3.Connection, gallery: Gallery, fingerprint: str) -> None:
    """Raise StoreError if another process has changed the gallery since it was read."""
    row = db.execute(
        "SELECT s.fingerprint FROM galleries g JOIN spaces s ON s.id = g.space_id WHERE g.id = ?",
        (gallery.id,),
    ).fetchone()
    if row is None:
        raise StoreError(f"gallery {gallery.name!r} was deleted by another process")
    if row[0] != gallery.space.fingerprint:
        hint = "run the same command again"
        raise StoreError(f"gallery {gallery.name!r} was re-embedded by another process", hint=hint)
    require_space(gallery, fingerprint)


def _identity(db: sqlite3.Connection, name: str, when: str) -> int:
    db.execute(
        "INSERT INTO identities (name, created) VALUES (?, ?) ON CONFLICT (name) DO NOTHING",
        (name, when),
    )
    return int(db.execute("SELECT id FROM identities WHERE name = ?", (name,)).fetchone()[0])


def is_enrolled(store: Store, gallery: Gallery, identity: str, digest: bytes) -> bool:
    """Return True if any region of the same content is enrolled under this identity."""
    query = (
        "SELECT 1 FROM samples JOIN identities ON identities.id = identity_id"
        " WHERE gallery_id = ? AND name = ? AND digest = ? LIMIT 1"
    )
    return store.fetch_one(query, gallery.id, identity, digest) is not None


_SELECT = """
SELECT s.id, g.name, i.name, s.source, s.digest, s.region, s.quality, s.created, s.inline
FROM samples s JOIN galleries g ON g.id = s.gallery_id JOIN identities i ON i.id = s.identity_id
"""


def of_label(store: Store, label: str) -> list[Sample]:
    """Return all samples of an identity, in every gallery. Raises StoreError if there are none."""
    label = normalise_label(label)
    rows = store.fetch_all(_SELECT + "WHERE i.name = ? ORDER BY g.name, s.id", label)
    if not rows:
        hint = "`siamkit list` shows all identities"
        raise StoreError(f"no identity {label!r} in {store.root}", hint=hint)
    return [Sample(*row) for row in rows]


def of_gallery(store: Store, gallery: Gallery) -> list[Sample]:
    """Return the samples of a gallery, oldest first."""
    rows = store.fetch_all(_SELECT + "WHERE g.id = ? ORDER BY s.id", gallery.id)
    return [Sample(*row) for row in rows]


def list_identities(store: Store, gallery: Gallery) -> list[tuple[str, int]]:
    """Return (label, id) of each identity in a gallery, by label. The id outlives a new label."""
    return store.fetch_all(
        "SELECT name, id FROM identities WHERE id IN"
        " (SELECT identity_id FROM samples WHERE gallery_id = ?) ORDER BY name",
        gallery.id,
    )


def get(store: Store, sample_id: int) -> Sample:
    """Return a sample by id. Raises StoreError if it is absent."""
    row = store.fetch_one(_SELECT + "WHERE s.id = ?", sample_id)
    if row is None:
        hint = "`siamkit show LABEL` lists sample ids"
        raise StoreError(f"no sample {sample_id} in {store.root}", hint=hint)
    return Sample(*row)


@dataclass(frozen=True, slots=True)
class Holding:
    """Number of samples of one identity in one gallery."""

    identity: str
    gallery: str
    samples: int
    quality: float | None  # the best


def holdings(store: Store, gallery: Gallery | None = None) -> list[Holding]:
    """Return the holdings of all identities, by label, then gallery."""
    where, values = ("WHERE g.id = ?", (gallery.id,)) if gallery else ("", ())
    rows = store.fetch_all(
        "SELECT i.name, g.name, count(*), max(s.quality) FROM samples s"
        " JOIN galleries g ON g.id = s.gallery_id JOIN identities i ON i.id = s.identity_id"
        f" {where} GROUP BY i.id, g.id ORDER BY i.name, g.name",
        *values,
    )
    return [Holding(*row) for row in rows]


def rename(store: Store, old: str, new: str) -> None:
    """Give an identity another label. Raises StoreError if `old` is absent or `new` is taken."""
    old, new = normalise_label(old), normalise_label(new)
    of_label(store, old)
    with store.write() as db:
        if old != new and db.execute("SELECT 1 FROM identities WHERE name = ?", (new,)).fetchone():
            hint = "two identities cannot be merged"
            raise StoreError(f"identity {new!r} already exists", hint=hint)
        db.execute("UPDATE identities SET name = ? WHERE name = ?", (new, old))


def delete(store: Store, sample_ids: Sequence[int]) -> None:
    """Delete samples with their templates, and identities that then own none.

    Leaves a note in `erasures`; `siamkit.flows.forget` removes the traces.
    """
    with store.write() as db:
        for sample_id in sample_ids:
            row = db.execute("SELECT gallery_id FROM samples WHERE id = ?", (sample_id,)).fetchone()
            if row:
                db.execute("DELETE FROM samples WHERE id = ?", (sample_id,))
                erasures.note(store, row[0])
        drop_empty_identities(store)
