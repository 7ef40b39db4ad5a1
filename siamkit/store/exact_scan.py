"""Search a gallery's templates in the store itself, exactly, without an index.

For a gallery whose index is on a server that is away. Each search reads the whole gallery, a block
at a time: 2 µs per template of 128 numbers, so a second for half a million.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from siamkit.sdk.nearest import best_hits, merge_hits
from siamkit.store import Gallery, Store, templates
from siamkit.types import Cursor, Hits

if TYPE_CHECKING:
    from siamkit.types import Ids, Vectors

# Numbers that a search may read: 500 000 templates of 128, about a second.
MOST_FLOATS = 64_000_000


class ExactScan:
    """An index that holds nothing: it always answers from the store's current view."""

    exact = True

    def __init__(self, store: Store, gallery: Gallery) -> None:
        self._store, self._gallery = store, gallery

    @staticmethod
    def suits(store: Store, gallery: Gallery) -> bool:
        """Return True if the gallery is small enough to be scanned at each search."""
        return templates.count(store, gallery) * gallery.space.dim <= MOST_FLOATS

    def __len__(self) -> int:
        return templates.count(self._store, self._gallery)

    def cursor(self) -> Cursor:
        """Return Cursor(): nothing is saved."""
        return Cursor()

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Do nothing: the store has them."""

    def remove(self, ids: Ids) -> None:
        """Do nothing: the store has them no more."""

    def search(self, vectors: Vectors, k: int, *, within: Ids | None = None) -> Hits:
        """Find the k best by cosine, among `within` if given; equal scores by id."""
        import numpy as np

        shape = (len(vectors), k)
        best = Hits(np.full(shape, -1, np.int64), np.full(shape, -np.inf, np.float32))
        with self._store.read():
            for ids, rows in templates.blocks(self._store, self._gallery):
                if within is not None:
                    is_inside = np.isin(ids, within)
                    ids, rows = ids[is_inside], rows[is_inside]
                scores = np.asarray(vectors @ rows.T, np.float32)
                best = merge_hits([best, best_hits(ids, scores, k)], k)
        return best

    def due(self) -> bool:
        """Return False: there is nothing to save."""
        return False

    def save(self, cursor: Cursor) -> None:
        """Do nothing."""

    def describe(self) -> Mapping[str, str | int | float | bool]:
        """Return what it does, and the number of templates."""
        return {"structure": "scan of the store", "exact": True, "templates": len(self)}

    def close(self) -> None:
        """Do nothing."""
