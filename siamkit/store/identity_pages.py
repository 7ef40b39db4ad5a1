"""Identities of a gallery a page at a time, so that a hundred thousand cost no more than sixty."""

from __future__ import annotations

from dataclasses import dataclass

from siamkit.io.presentable import Presentable
from siamkit.store.checked import read_as
from siamkit.store.database import Store
from siamkit.store.galleries import Gallery

PAGE = 60  # identities


@dataclass(frozen=True, slots=True)
class IdentityCard(Presentable):
    """One identity of a gallery, and the sample that stands for it: the best, else the oldest.

    Examples:
        >>> ws.list_page("questions").cards[0].identity
        'hours'
    """

    identity: str
    samples: int
    quality: float | None  # the best
    sample_id: int


@dataclass(frozen=True, slots=True)
class IdentityPage(Presentable):
    """Identities by label, and where the next page begins.

    Examples:
        >>> ws.list_page("questions", limit=2).after
        'refund'
    """

    cards: tuple[IdentityCard, ...]
    after: str | None  # the label to give for the next page; None: this is the last


_SELECT = """
SELECT i.name, (SELECT count(*) FROM samples s WHERE s.gallery_id = ?1 AND s.identity_id = i.id),
  b.quality, b.id
FROM identities i JOIN samples b ON b.id = (SELECT s.id FROM samples s
  WHERE s.gallery_id = ?1 AND s.identity_id = i.id ORDER BY s.quality DESC, s.id LIMIT 1)
WHERE i.name > ?2 AND (?3 = '' OR instr(lower(i.name), ?3) OR instr(i.name, ?4))
ORDER BY i.name LIMIT ?5
"""


def list_page(
    store: Store, gallery: Gallery, after: str = "", search: str = "", limit: int = PAGE
) -> IdentityPage:
    """Return the identities after a label whose labels contain a text, in any case of a-z."""
    text = search.strip()
    rows = store.fetch_all(_SELECT, gallery.id, after, text.lower(), text, limit + 1)
    cards = tuple(card for row in rows[:limit] if (card := read_as(IdentityCard, row)))
    return IdentityPage(cards, str(rows[limit - 1][0]) if len(rows) > limit else None)
