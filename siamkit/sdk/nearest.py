"""The k best of many scores, in the order that every index gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from siamkit.types import Hits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from siamkit.types import Ids, Vectors


def no_hits(queries: int) -> Hits:
    """Return (queries, 0) hits: of a part that holds nothing."""
    import numpy as np

    return Hits(np.empty((queries, 0), np.int64), np.empty((queries, 0), np.float32))


def best_hits(ids: Ids, scores: Vectors, k: int) -> Hits:
    """Return the k ≥ 1 best of (n, m) scores as (n, k) hits: best first, equal scores by id.

    ids: (n, m), or (m,) for all rows; -1 where there is none, whose score is -inf. They end each
    row of hits, also where m is less than k.
    """
    import numpy as np

    ids = np.broadcast_to(ids, scores.shape)
    if scores.shape[1] > 2 * k:  # sort only what reaches the k-th score of its row, ties included
        places = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        least = np.take_along_axis(scores, places[:, -1:], axis=1)
        width = int((scores >= least).sum(axis=1).max(initial=k))
        if width > k:
            places = np.argpartition(-scores, width - 1, axis=1)[:, :width]
        ids = np.take_along_axis(ids, places, axis=1)
        scores = np.take_along_axis(scores, places, axis=1)
    by_id = np.where(ids < 0, np.iinfo(np.int64).max, ids)
    order = np.lexsort((by_id, -scores), axis=1)[:, :k]
    ids, scores = np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1)
    if order.shape[1] < k:
        missing = ((0, 0), (0, k - order.shape[1]))
        ids = np.pad(ids, missing, constant_values=-1)
        scores = np.pad(scores, missing, constant_values=-np.inf)
    return Hits(ids, scores)


def merge_hits(parts: Sequence[Hits], k: int) -> Hits:
    """Return the (n, k) best, k ≥ 1, of what several searches gave for the same n vectors."""
    import numpy as np

    ids = np.concatenate([part.ids for part in parts], axis=1)
    return best_hits(ids, np.concatenate([part.scores for part in parts], axis=1), k)
