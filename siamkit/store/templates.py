"""Templates as arrays, and the change log that every index replays."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from siamkit.errors import BadInput, StoreError
from siamkit.store import erasures, galleries
from siamkit.store.database import Store
from siamkit.store.galleries import Gallery, GalleryEncoder
from siamkit.types import Cursor, Ids, Vectors

ROWS_PER_READ = 10_000  # templates per read: as rows they take twice the memory
IDS_PER_QUERY = 500  # ids per query, far below SQLite's limit on parameters


def last_change(store: Store, gallery: Gallery) -> Cursor:
    """Return the gallery's last change; Cursor() if it never had one."""
    query = "SELECT seq, nonce FROM changes WHERE gallery_id = ? ORDER BY seq DESC LIMIT 1"
    row = store.fetch_one(query, gallery.id)
    return Cursor(*row) if row else Cursor()


def has_change(store: Store, gallery: Gallery, cursor: Cursor) -> bool:
    """Return True if this exact change is in the log; one of a restored backup is not."""
    query = "SELECT 1 FROM changes WHERE seq = ? AND nonce = ? AND gallery_id = ?"
    return store.fetch_one(query, cursor.seq, cursor.nonce, gallery.id) is not None


def load_all(store: Store, gallery: Gallery) -> tuple[Ids, Vectors]:
    """Load all templates of a gallery: (n,) int64 ids in rising order and (n, dim) float32."""
    import numpy as np

    with store.read() as db:
        rows = db.execute(
            "SELECT id, vector FROM templates WHERE gallery_id = ? ORDER BY id", (gallery.id,)
        )
        parts = chain(iter(lambda: rows.fetchmany(ROWS_PER_READ), []), [[]])  # at least one part
        arrays = [_arrays(part, gallery.space.dim) for part in parts]
    ids, vectors = zip(*arrays, strict=True)
    return np.concatenate(ids), np.concatenate(vectors)


def changed_since(store: Store, gallery: Gallery, cursor: Cursor) -> tuple[Ids, Vectors, Ids]:
    """Return what to add (ids, vectors) and what to remove (ids) to follow the log from `cursor`.

    The final state is read from the templates themselves, so replaying is idempotent.
    """
    import numpy as np

    query = "SELECT DISTINCT template_id FROM changes WHERE gallery_id = ? AND seq > ?"
    with store.read():
        touched = [i for (i,) in store.fetch_all(query, gallery.id, cursor.seq)]
        ids, vectors = by_id(store, gallery, touched)
    removed = np.setdiff1d(np.asarray(touched, dtype=np.int64), ids)
    return ids, vectors, removed


def by_id(store: Store, gallery: Gallery, ids: Iterable[int]) -> tuple[Ids, Vectors]:
    """Return the templates that exist among `ids`, in rising order of id."""
    query = "SELECT id, vector FROM templates WHERE gallery_id = ? AND id IN ({}) ORDER BY id"
    rows = _fetch_by_ids(store, query, sorted(int(i) for i in ids), gallery.id)
    return _arrays(rows, gallery.space.dim)


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
        "SELECT t.id, t.vector FROM templates t JOIN samples s ON s.id = t.sample_id"
        " WHERE s.identity_id = ? AND s.gallery_id = ? ORDER BY t.id LIMIT ?"
    )
    rows = store.fetch_all(query, identity_id, gallery.id, limit)
    return _arrays(rows, gallery.space.dim)[1]


def of_label(store: Store, gallery: Gallery, label: str) -> Vectors:
    """Return the (n, dim) templates of a label in this gallery, oldest first; n may be 0."""
    row = store.fetch_one("SELECT id FROM identities WHERE name = ?", label)
    return of_identity(store, gallery, row[0] if row else 0)  # no identity has id 0


def of_samples(store: Store, gallery: Gallery, sample_ids: Iterable[int]) -> dict[int, Vectors]:
    """Return the (dim,) template of each sample id, for those that still exist."""
    query = "SELECT sample_id, vector FROM templates WHERE gallery_id = ? AND sample_id IN ({})"
    rows = _fetch_by_ids(store, query, sorted(set(sample_ids)), gallery.id)
    ids, vectors = _arrays(rows, gallery.space.dim)
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
        space_id = galleries.ensure_space(
            store, gallery.space.modality, encoder.fingerprint, encoder.dim
        )
        db.execute("DELETE FROM templates WHERE gallery_id = ?", (gallery.id,))
        db.execute(
            "UPDATE galleries SET space_id = ?, encoder = ? WHERE id = ?",
            (space_id, encoder.name, gallery.id),
        )
        db.executemany(
            "INSERT INTO templates (sample_id, gallery_id, vector) VALUES (?, ?, ?)",
            [
                (sample_id, gallery.id, vector.astype("<f4").tobytes())
                for sample_id, vector in vectors
                if sample_id in present
            ],
        )
        db.execute(
            "DELETE FROM samples WHERE gallery_id = ?1 AND id NOT IN"
            " (SELECT sample_id FROM templates WHERE gallery_id = ?1)",
            (gallery.id,),
        )
        galleries.drop_empty_identities(store)
        # Scores of the old vectors say nothing about the new ones. Nor would they if the old
        # encoder came back, once samples have been dropped.
        db.execute("DELETE FROM calibrations WHERE gallery_id = ?", (gallery.id,))
        db.execute("DELETE FROM observations WHERE gallery_id = ?", (gallery.id,))
        galleries.calibrate(
            store, gallery.id, encoder.fingerprint, encoder.threshold, encoder.calibration
        )
        if len(vectors) < len(present):
            erasures.note(store, gallery.id)


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


def owners(store: Store, template_ids: Iterable[int]) -> dict[int, Owner]:
    """Return the owner of each template id, for those that still exist."""
    query = (
        "SELECT t.id, i.id, i.name, s.id, s.source FROM templates t JOIN samples s"
        " ON s.id = t.sample_id JOIN identities i ON i.id = s.identity_id WHERE t.id IN ({})"
    )
    rows = _fetch_by_ids(store, query, [int(i) for i in template_ids])
    return {row[0]: Owner(*row[1:]) for row in rows}


def _arrays(rows: Sequence[tuple[int, bytes]], dim: int) -> tuple[Ids, Vectors]:
    import numpy as np

    ids = np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
    joined = b"".join(row[1] for row in rows)
    if any(len(row[1]) != 4 * dim for row in rows):
        hint = "restore a backup of the store"
        raise StoreError("the store holds a vector of the wrong length", hint=hint)
    vectors = np.frombuffer(joined, dtype="<f4").astype(np.float32, copy=False)
    return ids, vectors.reshape(len(rows), dim)
