"""The k best of many scores, in the order that every index gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from siamkit.types import Hits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from siamkit.types import Ids, Vectors


def best_hits(ids: Ids, scores: Vectors, k: int) -> Hits:
    """Return the k best of (n, m) scores as (n, k) hits: best first, equal scores by id.

    ids: (n, m), or (m,) for all rows; -1 where there is none, whose score is -inf. They end each
    row of hits, also where m is less than k.
    """
    import numpy as np

    ids = np.broadcast_to(ids, scores.shape)
    if scores.shape[1] > 2 * k:  # sort only what reaches the k-th score of any row, ties included
        least = -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]
        columns = np.flatnonzero((scores >= least).any(axis=0))
        ids, scores = ids[:, columns], scores[:, columns]
    by_id = np.where(ids < 0, np.iinfo(np.int64).max, ids)
    order = np.lexsort((by_id, -scores), axis=1)[:, :k]
    hits = Hits(np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1))
    missing = ((0, 0), (0, k - order.shape[1]))
    if not missing[1][1]:
        return hits
    return Hits(
        np.pad(hits.ids, missing, constant_values=-1),
        np.pad(hits.scores, missing, constant_values=-np.inf),
    )


def merge_hits(parts: Sequence[Hits], k: int) -> Hits:
    """Return the (n, k) best of the hits that several searches gave for the same n vectors."""
    import numpy as np

    ids = np.concatenate([part.ids for part in parts], axis=1)
    return best_hits(ids, np.concatenate([part.scores for part in parts], axis=1), k)
