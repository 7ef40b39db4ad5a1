"""Hits of an index, scored again by the store: the index proposes, the store decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from siamkit.sdk.nearest import best_hits
from siamkit.store import Gallery, Store, templates
from siamkit.store.templates import Owner
from siamkit.types import Hits, Vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class StoredScores:
    """Hits with the scores of their stored templates, best first, equal scores by id, gaps last."""

    hits: Hits  # an id is -1 where its template is damaged or gone
    owners: dict[int, Owner]  # by template id
    proposed: NDArray[np.int64]  # (m,) template ids that the index has proposed and the store has
    errors: NDArray[np.float32]  # (m,) how far the index's score of each was off; inf for NaN

    def ids_off_by(self, tolerance: float) -> list[int]:
        """Return the template ids whose scores were off by more than a tolerance."""
        return sorted({*self.proposed[self.errors > tolerance].tolist()})


def score_by_store(store: Store, gallery: Gallery, vectors: Vectors, hits: Hits) -> StoredScores:
    """Score the hits of (n, dim) unit vectors by their stored templates."""
    import numpy as np

    # Not np.unique: it loads numpy.ma, a tenth of a cold query.
    proposed = sorted(set(hits.ids[hits.ids >= 0].tolist()))
    owners, ids, stored = templates.owners(store, gallery, proposed)
    if not len(ids):
        nothing = Hits(np.full_like(hits.ids, -1), np.full_like(hits.scores, -np.inf))
        return StoredScores(nothing, {}, np.empty(0, np.int64), np.empty(0, np.float32))
    columns = np.searchsorted(ids, hits.ids).clip(0, len(ids) - 1)
    is_stored = ids[columns] == hits.ids
    scores = np.where(is_stored, np.take_along_axis(vectors @ stored.T, columns, axis=1), -np.inf)
    with np.errstate(invalid="ignore"):
        off = np.abs(hits.scores - scores)[is_stored]
    return StoredScores(
        hits=best_hits(np.where(is_stored, hits.ids, -1), scores, hits.ids.shape[1]),
        owners=owners,
        proposed=hits.ids[is_stored],
        errors=np.nan_to_num(off, nan=np.inf),
    )
