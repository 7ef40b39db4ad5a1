"""Galleries: named sets of templates, each bound to one space."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from siamkit.errors import BadInput, EncoderMismatch, NameTaken, StoreError, UnknownName
from siamkit.io.presentable import Presentable
from siamkit.sdk.model_folder import MAX_DIM
from siamkit.store import calibrations, erasures, identities
from siamkit.store.checked import fits, read_as
from siamkit.store.database import Store, now
from siamkit.store.sqlite_errors import MEND
from siamkit.types import Calibration, Space, Threshold

log = logging.getLogger("siamkit")
DEFAULT_INDEX = "faiss"  # index backend of galleries that name none, and of runs without a gallery
# A gallery of fewer samples is read through its own index, and sorted. From a larger one, a page is
# filled in the order in which it is wanted, without a look at the rest.
SMALL = 20_000  # samples
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class GalleryExists(NameTaken):
    """The gallery was created before, perhaps by another process a moment ago."""


@dataclass(frozen=True, slots=True)
class GalleryEncoder:
    """The encoder that makes a gallery's vectors, and what scores between them mean."""

    name: str | None  # a name or a folder; None for the one that the modality carries
    fingerprint: str
    dim: int
    threshold: Threshold | None = None
    calibration: Calibration | None = None


@dataclass(frozen=True, slots=True)
class Gallery(Presentable):
    """One gallery as it stands.

    Examples:
        >>> gallery = ws.gallery("faces")
        >>> gallery.name, gallery.space.dim
        ('faces', 128)
    """

    id: int
    name: str
    space: Space
    encoder: str | None
    detector: str | None
    threshold: Threshold | None
    created: str
    index: str  # name of the index backend
    calibration: Calibration | None = None

    @property
    def index_key(self) -> str:
        """Name of its index. Another space, another name."""
        return f"{index_prefix(self.id)}s{self.space.id}"


def index_prefix(gallery_id: int) -> str:
    """Return the beginning of the keys of all indexes that a gallery ever had."""
    return f"g{gallery_id}-"


_SELECT = """
SELECT g.id, g.name, g.encoder, g.detector, g.created, g."index",
  s.id, s.modality, s.fingerprint, s.dim,
  c.threshold, c.fmr, c.source, c.model, c.crc32, c.fingerprint
FROM galleries g JOIN spaces s ON s.id = g.space_id
LEFT JOIN calibrations c ON c.id = (SELECT max(id) FROM calibrations
  WHERE gallery_id = g.id AND fingerprint = s.fingerprint)
"""


def require_name(name: str) -> None:
    """Raise BadInput if the name cannot be that of a gallery."""
    if not (isinstance(name, str) and NAME.fullmatch(name)):
        hint = "use 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit"
        raise BadInput(f"{str(name)[:80]!r} cannot name a gallery", hint=hint)


def create(
    store: Store,
    name: str,
    modality: str,
    encoder: GalleryEncoder,
    *,
    detector: str | None = None,
    index: str = DEFAULT_INDEX,
) -> Gallery:
    """Create a gallery.

    detector: None embeds whole samples. index: the name of an index backend, which is not checked.
    Raises BadInput for a bad name, GalleryExists if the name is taken.
    """
    with store.write():
        return insert(store, name, modality, encoder, detector=detector, index=index)


def insert(
    store: Store,
    name: str,
    modality: str,
    encoder: GalleryEncoder,
    *,
    detector: str | None,
    index: str,
) -> Gallery:
    """Create a gallery, as `create` does, while the caller holds the write lock."""
    require_name(name)
    db = store.connection
    if db.execute("SELECT 1 FROM galleries WHERE name = ?", (name,)).fetchone():
        raise GalleryExists(f"gallery {name!r} already exists")
    space_id = ensure_space(store, modality, encoder.fingerprint, encoder.dim)
    gallery_id = db.execute(
        'INSERT INTO galleries (name, space_id, encoder, detector, "index", created)'
        " VALUES (?, ?, ?, ?, ?, ?)",
        (name, space_id, encoder.name, detector, index, now()),
    ).lastrowid
    assert gallery_id is not None
    calibrations.add(store, gallery_id, encoder.fingerprint, encoder.threshold, encoder.calibration)
    return get(store, name)


def ensure_space(store: Store, modality: str, fingerprint: str, dim: int) -> int:
    """Return the id of a fingerprint's space, created if new. The caller holds the write lock."""
    db = store.connection
    drop_unused_spaces(store)
    db.execute(
        "INSERT INTO spaces (modality, fingerprint, dim, created) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (fingerprint) DO NOTHING",
        (modality, fingerprint, dim, now()),
    )
    row = db.execute(
        "SELECT id, modality, dim FROM spaces WHERE fingerprint = ?", (fingerprint,)
    ).fetchone()
    if row[1:] != (modality, dim):
        (gallery,) = db.execute("SELECT name FROM galleries WHERE space_id = ?", row[:1]).fetchone()
        raise EncoderMismatch(
            f"encoder {fingerprint} is registered for {row[2]}-d {row[1]}, not {dim}-d {modality}",
            hint=f"so gallery {gallery} says; if it is wrong, `siamkit galleries delete {gallery}`",
        )
    return int(row[0])


def drop_unused_spaces(store: Store) -> None:
    """Delete the spaces of no gallery, lest a wrong one outlive it. The caller holds the lock."""
    store.connection.execute(
        "DELETE FROM spaces WHERE NOT EXISTS"
        " (SELECT 1 FROM galleries WHERE galleries.space_id = spaces.id)"
    )


def get(store: Store, name: str) -> Gallery:
    """Return a gallery by name. Raises StoreError, with the nearest name as a hint."""
    name = _utf8(name)
    # By its id, so that SQLite reads the row, not the name in its index.
    by_id = "WHERE g.id = (SELECT id FROM galleries WHERE name = ?)"
    if row := store.fetch_one(_SELECT + by_id, name):
        if row[1] != name:
            raise StoreError(f"the index of {store.path} takes {name!r} for another", hint=MEND)
        return _gallery(row)
    existing = names(store)
    hint = f"galleries here: {', '.join(existing) or 'none'}"
    if near := get_close_matches(name, existing, n=1):
        hint = f"did you mean {near[0]!r}?"
    raise UnknownName(f"no gallery {name!r} in {store.root}", hint=hint)


def exists(store: Store, name: str) -> bool:
    """Return True if there is a gallery of this name."""
    return store.fetch_one("SELECT 1 FROM galleries WHERE name = ?", _utf8(name)) is not None


def _utf8(name: object) -> str:
    """Return a name as SQLite takes it: a number as its digits, bytes of a shell as escapes."""
    return str(name).encode("utf-8", "backslashreplace").decode()


def list_all(store: Store) -> list[Gallery]:
    """Return all galleries, by name; a line is logged for each that is damaged."""
    sound = []
    for row in store.fetch_all(_SELECT + "ORDER BY g.name"):
        try:
            sound.append(_gallery(row))
        except StoreError as error:
            log.warning(f"{error}; it is left out. {error.hint}")
    return sound


def names(store: Store) -> list[str]:
    """Return the names of all galleries, damaged ones too."""
    return [str(name) for (name,) in store.fetch_all("SELECT name FROM galleries ORDER BY name")]


def count(store: Store, gallery: Gallery) -> tuple[int, int]:
    """Return the numbers of identities and of samples in a gallery."""
    query = "SELECT count(DISTINCT identity_id), count(*) FROM samples WHERE gallery_id = ?"
    identities, samples = store.fetch_one(query, gallery.id)
    return identities, samples


def count_all(store: Store) -> tuple[int, int, int]:
    """Return the numbers of identities, of samples, and of galleries that hold samples."""
    query = "SELECT count(DISTINCT identity_id), count(*), count(DISTINCT gallery_id) FROM samples"
    identities, samples, used = store.fetch_one(query)
    return identities, samples, used


def is_small(store: Store, gallery: Gallery) -> bool:
    """Return True for a gallery of fewer than SMALL samples."""
    query = "SELECT count(*) FROM (SELECT 1 FROM samples WHERE gallery_id = ? LIMIT ?)"
    return int(store.fetch_one(query, gallery.id, SMALL)[0]) < SMALL


def set_index(store: Store, gallery: Gallery, index: str) -> None:
    """Switch a gallery to another index backend."""
    with store.write() as db:
        db.execute('UPDATE galleries SET "index" = ? WHERE id = ?', (index, gallery.id))


def delete(store: Store, gallery: Gallery) -> None:
    """Delete a gallery with its samples and templates, and identities that own nothing else."""
    with store.write() as db:
        first = erasures.head(db, gallery.id)
        erasures.disturb_all(db)
        db.execute("DELETE FROM templates WHERE gallery_id = ?", (gallery.id,))
        db.execute("DELETE FROM samples WHERE gallery_id = ?", (gallery.id,))
        erasures.note(store, gallery.id, first)  # while the row still names the index
        db.execute("DELETE FROM galleries WHERE id = ?", (gallery.id,))
        identities.drop_all_empty(db)
        drop_unused_spaces(store)


def require_space(gallery: Gallery, fingerprint: str) -> None:
    """Raise EncoderMismatch unless an encoder's vectors belong in this gallery."""
    if gallery.space.fingerprint != fingerprint:
        raise EncoderMismatch(
            f"gallery {gallery.name!r} holds templates of {gallery.space.fingerprint},"
            f" but this encoder is {fingerprint}: their scores cannot be compared",
            hint=f"`siamkit reembed {gallery.name}` recomputes its templates",
        )


def calibration_fault(store: Store, gallery: Gallery) -> str:
    """Return what is wrong with the stored calibration of a gallery; '' if nothing is."""
    row = store.fetch_one(_SELECT + "WHERE g.id = ?", gallery.id)
    try:
        calibrations.read(row[10:] if row else (None,) * 6)
    except ValueError as error:
        return str(error)
    return ""


def _gallery(row: tuple[Any, ...]) -> Gallery:
    """Read a gallery. Raises StoreError if its row or its space's is damaged.

    A calibration that this siamkit cannot read is left out with its threshold, and a line is
    logged: decisions by a default would be worse than none.
    """
    gallery_id, name, encoder, detector, created, index, *fields = row
    space = read_as(Space, fields[:4])
    if space is None or not 0 < space.dim <= MAX_DIM or not fits(_Row, row[:6]):
        raise StoreError(f"gallery {name!r} is damaged in the store", hint=MEND)
    try:
        threshold, calibration = calibrations.read(fields[4:])
    except ValueError as error:
        threshold, calibration = None, None
        log.warning(
            f"the calibration of gallery {name} cannot be read ({error}) and is ignored;"
            f" `siamkit calibrate {name}` makes a new one"
        )
    return Gallery(
        gallery_id, name, space, encoder, detector, threshold, created, index, calibration
    )


@dataclass(frozen=True, slots=True)
class _Row:
    """The columns of a gallery itself, in the order of _SELECT."""

    id: int
    name: str
    encoder: str | None
    detector: str | None
    created: str
    index: str
