"""Identities a page at a time, by label, so that a million cost no more than sixty.

Each page is a view of its own: a list that is read slowly keeps no deletion waiting.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from siamkit.errors import StoreError
from siamkit.io.presentable import Presentable
from siamkit.store.checked import read_as
from siamkit.store.database import Store
from siamkit.store.galleries import Gallery, is_small
from siamkit.store.labels import Holding
from siamkit.store.sqlite_errors import MEND

PAGE = 60  # identities
PAGE_STREAMED = 2_000  # identities read at once where all are wanted: 5 ms, and 1 MB


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


# Texts are bound as bytes, since damaged ones cannot be encoded. `+` keeps SQLite from walking the
# index of all labels for a small gallery.
_MATCHES = (
    "AND (?4 = x'' OR instr(lower(i.name), CAST(?3 AS TEXT)) OR instr(i.name, CAST(?4 AS TEXT)))"
)
_OF_STORE = f"""
SELECT i.id, i.name FROM identities i
WHERE i.name > CAST(?2 AS TEXT) {_MATCHES} ORDER BY i.name LIMIT ?5
"""
_OF_LARGE = f"""
SELECT i.id, i.name FROM identities i
WHERE i.name > CAST(?2 AS TEXT) {_MATCHES} AND EXISTS
  (SELECT 1 FROM samples s WHERE s.gallery_id = ?1 AND s.identity_id = i.id)
ORDER BY i.name LIMIT ?5
"""
_OF_SMALL = f"""
SELECT i.id, i.name FROM identities i
WHERE +i.name > CAST(?2 AS TEXT) {_MATCHES}
  AND i.id IN (SELECT s.identity_id FROM samples s WHERE s.gallery_id = ?1)
ORDER BY +i.name LIMIT ?5
"""
_CARDS = """
SELECT i.name, (SELECT count(*) FROM samples s WHERE s.gallery_id = ?1 AND s.identity_id = i.id),
  b.quality, b.id
FROM ({page}) i JOIN samples b ON b.id = (SELECT s.id FROM samples s
  WHERE s.gallery_id = ?1 AND s.identity_id = i.id ORDER BY s.quality DESC, s.id LIMIT 1)
ORDER BY i.name
"""
_HOLDINGS = """
SELECT i.name, g.name, count(s.id), max(s.quality)
FROM ({page}) i LEFT JOIN samples s ON s.identity_id = i.id AND (?1 IS NULL OR s.gallery_id = ?1)
LEFT JOIN galleries g ON g.id = s.gallery_id
GROUP BY i.name, g.name ORDER BY i.name, g.name
"""


def list_page(
    store: Store, gallery: Gallery, after: str = "", search: str = "", limit: int = PAGE
) -> IdentityPage:
    """Return the identities after a label whose labels contain a text, in any case of a-z."""
    query = _CARDS.format(page=_page_of(store, gallery))
    rows = store.fetch_all(query, *_values(gallery, after, search, limit + 1))
    cards = tuple(card for row in rows[:limit] if (card := read_as(IdentityCard, row)))
    return IdentityPage(cards, str(rows[limit - 1][0]) if len(rows) > limit else None)


def stream_holdings(
    store: Store, gallery: Gallery | None, after: str = "", search: str = ""
) -> Iterator[Holding]:
    """Yield what identities hold in a gallery, or in each, by label, then gallery.

    after, search: as for `list_page`. Raises StoreError if the index of labels is damaged.
    """
    query = _HOLDINGS.format(page=_page_of(store, gallery))
    while True:
        rows = store.fetch_all(query, *_values(gallery, after, search, PAGE_STREAMED))
        yield from (holding for row in rows if (holding := read_as(Holding, row)))
        if len({row[0] for row in rows}) < PAGE_STREAMED:
            return
        if _stored(last := rows[-1][0]) <= _stored(after):
            raise StoreError("the store is damaged: its index of labels is not sorted", hint=MEND)
        after = last


def _page_of(store: Store, gallery: Gallery | None) -> str:
    """Return the query of a page's identities, by how many a gallery has."""
    if gallery is None:
        return _OF_STORE
    return _OF_SMALL if is_small(store, gallery) else _OF_LARGE


def _values(gallery: Gallery | None, after: str, search: str, limit: int) -> tuple[Any, ...]:
    text = search.strip()
    return gallery and gallery.id, *map(_stored, (after, text.lower(), text)), limit


def _stored(label: Any) -> bytes:
    """Return a label's bytes, by which the store sorts; see `database.decode`."""
    return label if isinstance(label, bytes) else str(label).encode("utf-8", "surrogateescape")
