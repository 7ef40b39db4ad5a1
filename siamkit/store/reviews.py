"""Decisions of a reviewer, and regions that wait for one because nobody enrolled was found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from siamkit.errors import UnknownName
from siamkit.io.presentable import Presentable
from siamkit.sdk import regions
from siamkit.store import uploads
from siamkit.store.checked import read_as
from siamkit.store.database import Store, now
from siamkit.store.galleries import Gallery
from siamkit.types import Region

Choice: TypeAlias = Literal["same", "different", "skip"]


@dataclass(frozen=True, slots=True)
class Review(Presentable):
    """One decision about one subject.

    Examples:
        >>> ws.reviews("questions")
        []
    """

    id: int
    subject: str  # its kind and the ids of its samples, as 'twins 12 40'
    decision: str  # "same", "different" or "skip"
    merger: int | None  # that it caused
    sample_id: int | None  # that it enrolled
    created: str


@dataclass(frozen=True, slots=True)
class Unknown(Presentable):
    """A region of a file in which nobody enrolled was found.

    Examples:
        >>> ws.unknowns("questions")
        []
    """

    id: int
    source: str  # the store's own copy of the file
    digest: bytes
    region: str
    created: str

    def read_region(self) -> Region:
        """Return the region."""
        return regions.from_json(self.region)


_REVIEW = "SELECT id, subject, decision, merger, sample_id, created FROM reviews"
_UNKNOWN = "SELECT id, source, digest, region, created FROM unknowns"


def add(
    store: Store,
    gallery: Gallery,
    subject: str,
    decision: Choice,
    merger: int | None = None,
    sample_id: int | None = None,
) -> None:
    """Record a decision; a later one about the same subject replaces it."""
    with store.write() as db:
        key = gallery.id, subject
        db.execute("DELETE FROM reviews WHERE gallery_id = ? AND subject = ?", key)
        db.execute(
            "INSERT INTO reviews (gallery_id, subject, decision, merger, sample_id, created)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (*key, decision, merger, sample_id, now()),
        )


def list_all(store: Store, gallery: Gallery) -> list[Review]:
    """Return the decisions about a gallery, oldest first."""
    rows = store.fetch_all(f"{_REVIEW} WHERE gallery_id = ? ORDER BY id", gallery.id)
    return [review for row in rows if (review := read_as(Review, row))]


def last(store: Store, gallery: Gallery) -> Review:
    """Return the last decision about a gallery. Raises UnknownName if there is none."""
    row = store.fetch_one(f"{_REVIEW} WHERE gallery_id = ? ORDER BY id DESC LIMIT 1", gallery.id)
    review = read_as(Review, row) if row else None
    if review is None:
        raise UnknownName("there is no decision to undo")
    return review


def delete(store: Store, review_id: int) -> None:
    """Delete a decision: its subject waits for one again."""
    with store.write() as db:
        db.execute("DELETE FROM reviews WHERE id = ?", (review_id,))


def add_unknown(
    store: Store, gallery: Gallery, source: str, digest: bytes, region: str
) -> int | None:
    """Let a region wait for a decision; return its id, or None if it waits already."""
    with store.write() as db:
        cursor = db.execute(
            "INSERT INTO unknowns (gallery_id, source, digest, region, created)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT (gallery_id, digest, region) DO NOTHING",
            (gallery.id, source, digest, region, now()),
        )
        return cursor.lastrowid if cursor.rowcount else None


def unknowns(store: Store, gallery: Gallery) -> list[Unknown]:
    """Return the regions that wait, oldest first."""
    rows = store.fetch_all(f"{_UNKNOWN} WHERE gallery_id = ? ORDER BY id", gallery.id)
    return [unknown for row in rows if (unknown := _read_unknown(store, row))]


def unknown(store: Store, gallery: Gallery, unknown_id: int) -> Unknown:
    """Return a region of a gallery that waits. Raises UnknownName if there is none of this id."""
    row = store.fetch_one(f"{_UNKNOWN} WHERE gallery_id = ? AND id = ?", gallery.id, unknown_id)
    waiting = _read_unknown(store, row) if row else None
    if waiting is None:
        raise UnknownName(f"no unknown {unknown_id} waits for a decision")
    return waiting


def _read_unknown(store: Store, row: tuple[Any, ...]) -> Unknown | None:
    waiting = read_as(Unknown, row)
    return waiting and replace(waiting, source=uploads.resolve(store, waiting.source))


def delete_unknown(store: Store, gallery: Gallery, unknown_id: int) -> None:
    """Delete a region of a gallery that waits, and the decision that skipped it."""
    with store.write() as db:
        db.execute(
            "DELETE FROM reviews WHERE gallery_id = ? AND subject = ? AND decision = 'skip'",
            (gallery.id, f"unknown {unknown_id}"),
        )
        db.execute("DELETE FROM unknowns WHERE gallery_id = ? AND id = ?", (gallery.id, unknown_id))
