"""Samples of a gallery, or of an identity in it, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass

from siamkit.io.presentable import Presentable
from siamkit.store import identities
from siamkit.store.database import Store
from siamkit.store.galleries import Gallery, is_small
from siamkit.store.samples import PAGE, Sample, read_row


@dataclass(frozen=True, slots=True)
class SamplePage(Presentable):
    """Samples of a gallery, oldest first, and where the next page begins.

    Examples:
        >>> page = ws.list_samples("questions", limit=2)
        >>> len(page.samples), page.after == page.samples[-1].id
        (2, True)
    """

    samples: tuple[Sample, ...]
    after: int | None  # the id to give for the next page; None: this is the last


def list_page(
    store: Store, gallery: Gallery, after: int, identity: str | None, limit: int
) -> SamplePage:
    """Return the samples of a gallery, or of an identity in it, with ids above `after`.

    A damaged one is left out, and a line is logged.
    """
    with store.read() as db:
        identity_id = None if identity is None else identities.find(db, identity)
        if identity is not None and identity_id is None:
            return SamplePage((), None)
        where = f"{'' if is_small(store, gallery) else '+'}s.gallery_id = ?1"
        where += "" if identity_id is None else " AND s.identity_id = ?3"
        values = (gallery.id, after, identity_id, limit + 1)
        rows = db.execute(PAGE.format(where=where), values).fetchall()
    sound = tuple(sample for row in rows[:limit] if (sample := read_row(store, row)))
    return SamplePage(sound, rows[limit - 1][0] if len(rows) > limit else None)
