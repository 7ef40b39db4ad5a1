"""Measure how well vectors retrieve samples of the same identity from a set: recall@k, MAP@R."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Ids, Vectors

STRIP = 512  # queries that are compared with all rows at once


def retrieval_rates(
    embeddings: Vectors, labels: Ids, ranks: tuple[int, ...] = (1, 5)
) -> tuple[list[float], float]:
    """Return recall@k for each k in `ranks`, and MAP@R, all in [0, 1]; NaN without a positive.

    Each of (n, dim) unit rows that has a positive is a query among all others. recall@k: the share
    of queries with a positive among the k nearest (Jégou et al. 2011). MAP@R: with R positives, the
    sum over ranks i <= R that hold a positive of the precision at i, divided by R (Musgrave et al.
    2020, "A Metric Learning Reality Check", §4.1). Both are means over the queries.
    """
    _, numbers, counts = np.unique(labels, return_inverse=True, return_counts=True)
    positives = counts[numbers] - 1
    queries = np.flatnonzero(positives)
    if not len(queries):
        return [float("nan")] * len(ranks), float("nan")
    depth = min(len(labels) - 1, max(*ranks, int(positives.max())))
    first, averages = [], []
    for start in range(0, len(queries), STRIP):
        rows = queries[start : start + STRIP]
        hits = labels[_nearest(embeddings, rows, depth)] == labels[rows, None]
        place = np.where(hits.any(1), hits.argmax(1), depth)
        first.append(place)
        averages.append(_average_precision(hits, positives[rows]))
    places = np.concatenate(first)
    return [float((places < k).mean()) for k in ranks], float(np.concatenate(averages).mean())


def _nearest(embeddings: Vectors, rows: Ids, depth: int) -> Ids:
    """Return the (q, depth) rows nearest to each of `rows` but itself, nearest first."""
    cosines = embeddings[rows] @ embeddings.T
    cosines[np.arange(len(rows)), rows] = -np.inf
    if depth < cosines.shape[1] - 1:
        near = np.argpartition(-cosines, depth, axis=1)[:, :depth]
    else:
        near = np.broadcast_to(np.arange(cosines.shape[1]), cosines.shape)
    order = np.argsort(-np.take_along_axis(cosines, near, 1), axis=1, kind="stable")[:, :depth]
    return np.take_along_axis(near, order, 1)


def _average_precision(hits: NDArray[np.bool_], positives: Ids) -> NDArray[np.float64]:
    """Return MAP@R's term of each query. hits: (q, depth), nearest first. positives: (q,) R."""
    ranks = np.arange(1, hits.shape[1] + 1)
    counted = hits & (ranks <= positives[:, None])
    precision = np.cumsum(hits, axis=1) / ranks
    return np.asarray((precision * counted).sum(1) / positives)
