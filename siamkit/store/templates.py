"""Templates as arrays.

Damaged templates are left out of every array, and a line is logged for each: see `checked`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from siamkit.errors import BadInput
from siamkit.store import calibrations, erasures, galleries, uploads
from siamkit.store.checked import TIES, fits, is_tied, sound_templates, template_checksum
from siamkit.store.database import Store
from siamkit.store.galleries import Gallery, GalleryEncoder
from siamkit.store.identities import drop_all_empty, find
from siamkit.types import Ids, Vectors

ROWS_PER_BLOCK = 20_000  # templates in memory at once: 40 MB of 512 numbers, and as rows again
IDS_PER_QUERY = 500  # ids per query, far below SQLite's limit on parameters
# For `sound_templates`: a sample without a template is as damaged as one whose template is.
OF_SAMPLES = """
SELECT s.id, t.vector, t.crc32, s.id FROM samples s LEFT JOIN templates t
  ON t.sample_id = s.id AND t.gallery_id = s.gallery_id
"""


def count(store: Store, gallery: Gallery) -> int:
    """Count the templates of a gallery, damaged ones too."""
    query = "SELECT count(*) FROM templates WHERE gallery_id = ?"
    return int(store.fetch_one(query, gallery.id)[0])


def has_any(store: Store, gallery_id: int) -> bool:
    """Return True if a gallery has a template."""
    query = "SELECT 1 FROM templates WHERE gallery_id = ? LIMIT 1"
    return store.fetch_one(query, gallery_id) is not None


def blocks(
    store: Store, gallery: Gallery, *, size: int = ROWS_PER_BLOCK
) -> Iterator[tuple[Ids, Vectors]]:
    """Yield all templates of a gallery, `size` at a time: (n,) ids in rising order, (n, dim).

    No more than a block is in memory, and none is empty. All are of one moment if the caller has
    opened a view (`store.read`); else each block is of its own.
    """
    query = (
        "SELECT id, vector, crc32, sample_id FROM templates"
        " WHERE gallery_id = ? AND id > ? ORDER BY id LIMIT ?"
    )
    last = -1  # ids begin at 1
    while rows := store.fetch_all(query, gallery.id, last, size):
        last = rows[-1][0]
        ids, vectors = _arrays(store, gallery, rows)
        del rows  # while the caller works on the arrays
        if len(ids):
            yield ids, vectors


def damaged(
    store: Store, gallery: Gallery, progress: Callable[[int], None] = lambda done: None
) -> list[int]:
    """Return the ids of the samples of a gallery without a sound template.

    progress: called with the number of samples done.
    """
    sample_ids, done = [], 0
    with store.read() as db:
        rows = db.execute(f"{OF_SAMPLES} WHERE s.gallery_id = ?", (gallery.id,))
        while part := rows.fetchmany(ROWS_PER_BLOCK):
            sample_ids += sound_templates(part, gallery.space.dim)[2]
            done += len(part)
            progress(done)
    return sample_ids


def insert(db: sqlite3.Connection, gallery: Gallery, sample_id: int, vector: Vectors) -> None:
    """Insert the (dim,) float32 template of a sample. The caller holds the write lock."""
    stored = vector.astype("<f4").tobytes()
    db.execute(
        "INSERT INTO templates (sample_id, gallery_id, vector, crc32) VALUES (?, ?, ?, ?)",
        (sample_id, gallery.id, stored, template_checksum(stored, sample_id)),
    )


def copy(db: sqlite3.Connection, sample_id: int, other_id: int) -> None:
    """Copy the template of a sample, a damaged one as it is, to another sample of its gallery."""
    query = "SELECT gallery_id, vector, crc32 FROM templates WHERE sample_id = ?"
    for gallery_id, vector, crc32 in db.execute(query, (sample_id,)).fetchall():
        is_sound = crc32 == template_checksum(vector, sample_id)
        db.execute(
            "INSERT INTO templates (sample_id, gallery_id, vector, crc32) VALUES (?, ?, ?, ?)",
            (other_id, gallery_id, vector, template_checksum(vector, other_id) if is_sound else 0),
        )


def by_id(store: Store, gallery: Gallery, ids: Iterable[int]) -> tuple[Ids, Vectors]:
    """Return the templates that exist among `ids`, in rising order of id."""
    query = (
        "SELECT id, vector, crc32, sample_id FROM templates"
        " WHERE gallery_id = ? AND id IN ({}) ORDER BY id"
    )
    rows = _fetch_by_ids(store, query, sorted(int(i) for i in ids), gallery.id)
    return _arrays(store, gallery, rows)


def _fetch_by_ids(store: Store, query: str, ids: Sequence[int], *values: Any) -> list[Any]:
    """Run a query that ends its parameters with `IN ({})`, IDS_PER_QUERY ids at a time."""
    rows = []
    with store.read():
        for start in range(0, len(ids), IDS_PER_QUERY):
            part = ids[start : start + IDS_PER_QUERY]
            rows += store.fetch_all(query.format(",".join("?" * len(part))), *values, *part)
    return rows


def of_identity(store: Store, gallery: Gallery, identity_id: int, limit: int = -1) -> Vectors:
    """Return the (n, dim) templates of an identity in this gallery, oldest first.

    limit: n at most; -1 for all.
    """
    query = (
        f"SELECT t.id, t.vector, t.crc32, s.id, {TIES} FROM templates t"
        " JOIN samples s ON s.id = t.sample_id AND s.gallery_id = t.gallery_id"
        " WHERE s.identity_id = ? AND s.gallery_id = ? ORDER BY t.id LIMIT ?"
    )
    rows = store.fetch_all(query, identity_id, gallery.id, limit)
    tied = [row for row in rows if row[6] == identity_id and is_tied(row[4:])]
    if len(tied) < len(rows):
        damaged = {row[3] for row in rows} - {row[3] for row in tied}
        store.warn_of_damage(gallery.name, sorted(damaged))
    return _arrays(store, gallery, [row[:4] for row in tied])[1]


def of_label(store: Store, gallery: Gallery, label: str) -> Vectors:
    """Return the (n, dim) templates of a label in this gallery, oldest first; n may be 0."""
    with store.read() as db:
        return of_identity(store, gallery, find(db, label) or 0)  # no identity has id 0


def of_samples(store: Store, gallery: Gallery, sample_ids: Iterable[int]) -> dict[int, Vectors]:
    """Return the (dim,) template of each sample id, for those that still exist."""
    query = (
        "SELECT sample_id, vector, crc32, sample_id FROM templates"
        " WHERE gallery_id = ? AND sample_id IN ({})"
    )
    rows = _fetch_by_ids(store, query, sorted(set(sample_ids)), gallery.id)
    ids, vectors = _arrays(store, gallery, rows)
    return dict(zip(ids.tolist(), vectors, strict=True))


def sample_ids(store: Store, gallery: Gallery) -> dict[int, int]:
    """Return the sample id of each template id of a gallery."""
    query = "SELECT id, sample_id FROM templates WHERE gallery_id = ?"
    return dict(store.fetch_all(query, gallery.id))


def replace_all(
    store: Store,
    gallery: Gallery,
    encoder: GalleryEncoder,
    embedded: set[int],
    vectors: Sequence[tuple[int, Vectors]],
) -> None:
    """Move a gallery to another encoder in one transaction.

    embedded: ids of the samples that were to be embedded again. vectors: (sample id, (dim,)
    float32); samples without one are deleted. Calibration and observations go with the old
    templates. Raises BadInput if samples were enrolled meanwhile.
    """
    with store.write() as db:
        present = _require_only(db, gallery, embedded)
        first = erasures.head(db, gallery.id)
        erasures.disturb_all(db)
        space_id = galleries.ensure_space(
            store, gallery.space.modality, encoder.fingerprint, encoder.dim
        )
        db.execute(
            "DELETE FROM templates WHERE gallery_id = ?1"
            " OR sample_id IN (SELECT id FROM samples WHERE gallery_id = ?1)",
            (gallery.id,),
        )
        db.execute(
            "UPDATE galleries SET space_id = ?, encoder = ? WHERE id = ?",
            (space_id, encoder.name, gallery.id),
        )
        for sample_id, vector in vectors:
            if sample_id in present:
                insert(db, gallery, sample_id, vector)
        db.execute(
            "DELETE FROM samples WHERE gallery_id = ?1 AND id NOT IN"
            " (SELECT sample_id FROM templates WHERE gallery_id = ?1)",
            (gallery.id,),
        )
        drop_all_empty(db)
        # Scores of the old vectors say nothing about the new ones. Nor would they if the old
        # encoder came back, once samples have been dropped.
        db.execute("DELETE FROM calibrations WHERE gallery_id = ?", (gallery.id,))
        db.execute("DELETE FROM observations WHERE gallery_id = ?", (gallery.id,))
        calibrations.add(
            store, gallery.id, encoder.fingerprint, encoder.threshold, encoder.calibration
        )
        if len(vectors) < len(present):
            erasures.note(store, gallery.id, first)


def _require_only(db: sqlite3.Connection, gallery: Gallery, embedded: set[int]) -> set[int]:
    """Return the ids of a gallery's samples. Raises BadInput if there are others than expected."""
    rows = db.execute("SELECT id FROM samples WHERE gallery_id = ?", (gallery.id,))
    present = {sample_id for (sample_id,) in rows}
    if present - embedded:
        raise BadInput(
            f"samples were enrolled into {gallery.name!r} meanwhile; nothing was changed",
            hint="run the same command again",
        )
    return present


@dataclass(frozen=True, slots=True)
class Owner:
    """The identity and the sample that a template belongs to."""

    identity_id: int
    identity: str
    sample_id: int
    source: str


def owners(
    store: Store, gallery: Gallery, template_ids: Iterable[int]
) -> tuple[dict[int, Owner], Ids, Vectors]:
    """Return the owner of each template id, for those that still exist, and their templates.

    The templates are (n,) ids in rising order and (n, dim) vectors.
    """
    query = (
        f"SELECT t.id, t.vector, t.crc32, t.sample_id, i.id, i.name, s.id, s.source, {TIES}"
        " FROM templates t JOIN samples s ON s.id = t.sample_id AND s.gallery_id = t.gallery_id"
        " JOIN identities i ON i.id = s.identity_id"
        " WHERE t.gallery_id = ? AND t.id IN ({}) ORDER BY t.id"
    )
    rows = _fetch_by_ids(store, query, sorted(int(i) for i in template_ids), gallery.id)
    owned = [row for row in rows if fits(Owner, row[4:8]) and is_tied(row[8:])]
    ids, vectors = _arrays(store, gallery, [row[:4] for row in owned])
    sound = set(ids.tolist())
    owned = [row for row in owned if row[0] in sound]
    if len(owned) < len(rows):
        store.warn_of_damage(gallery.name, sorted({r[3] for r in rows} - {r[3] for r in owned}))
    by_template = {row[0]: Owner(*row[4:8]) for row in owned}
    for key, owner in by_template.items():
        if (source := uploads.resolve(store, owner.source)) is not owner.source:
            by_template[key] = replace(owner, source=source)
    return by_template, ids, vectors


def _arrays(store: Store, gallery: Gallery, rows: Sequence[Sequence[Any]]) -> tuple[Ids, Vectors]:
    """Return the keys and vectors of the rows that are sound: see `sound_templates`."""
    ids, vectors, damaged = sound_templates(rows, gallery.space.dim)
    store.warn_of_damage(gallery.name, damaged)
    return ids, vectors
