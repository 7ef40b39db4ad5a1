"""Find hard negatives in the whole training set with the index: `miner = "index-driven"`.

A batch holds only a few of the samples that a network confuses; an index over all of them finds
them (Harwood et al. 2017, "Smart Mining for Deep Metric Learning", §3.2; Xiong et al. 2020,
"ANCE", §3). The very nearest wrong neighbours are not taken: wrong labels gather there, and
training on them alone collapses the embedding (Schroff et al. 2015, "FaceNet", §3.2).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import PluginError
from siamkit.host import registry
from siamkit.protocols import Contrasts
from siamkit.store.galleries import DEFAULT_INDEX
from siamkit.train.pairs import Pairs
from siamkit.types import Hits, Ids, Vectors

# FaceNet's semi-hard negative is farther from the anchor than the positive it is paired with. At
# this quantile (of the cosines, from the farthest positive) that holds for three positives in four.
# At the median, one person under two names would fill half of the ranks with false negatives; at
# the farthest, a single wrong sample would move the band of its whole identity.
QUANTILE = 0.25
# Embeddings that differ by rounding alone count as equal: nothing is hard in a collapsed space.
ROUNDING = 1e-5
RECALL = 0.9  # of the hard negatives; those missed have others nearly as near
STRIP = 1_024  # rows of an identity to compare at once


def hard_negatives(
    embeddings: Vectors,
    labels: NDArray[np.int64],
    impostor: NDArray[np.bool_],
    *,
    k: int,
    index: str = DEFAULT_INDEX,
) -> Ids:
    """Return (n, k) int64 row numbers: each genuine row's nearest wrong neighbours, nearest first.

    Wrong neighbours are rows of another identity and impostors of its own; only those below
    `ceilings` count. Missing ones are -1, as are all of impostors and of rows without a positive,
    which cannot be anchors. The same input gives the same answer.

    embeddings: (n, dim) float32, unit rows. labels: (n,) identities. impostor: (n,) True for
    an imitation of its label. index: an entry of `siamkit.indexes`. Raises PluginError
    if the index cannot do this.
    """
    below = ceilings(embeddings, labels, impostor)
    return nearest_wrong(embeddings, labels, impostor, below=below, k=k, index=index).ids


def nearest_wrong(
    embeddings: Vectors,
    labels: NDArray[np.int64],
    impostor: NDArray[np.bool_],
    *,
    below: NDArray[np.float32],
    k: int,
    index: str = DEFAULT_INDEX,
) -> Hits:
    """Return the k nearest wrong neighbours of each row with cosines below the row's own limit.

    below: (n,) float32, -inf for no neighbour. The rest is as in `hard_negatives`.
    """
    _, groups = np.unique(labels, return_inverse=True)
    impostors = np.flatnonzero(impostor)
    groups[impostors] = len(labels) + impostors  # one group per impostor: wrong for every row
    vectors = np.ascontiguousarray(embeddings, dtype=np.float32)
    return _searcher(index).nearest(vectors, k, groups=groups, below=below, recall=RECALL)


def stated_negatives(pairs: Pairs, impostor: NDArray[np.bool_], k: int) -> Ids | None:
    """Return (n, k) int64 row numbers: genuine rows of which pairs say that each row differs.

    Missing ones are -1; the first k count. None if no pair says so of two genuine rows.
    """
    different = (pairs.scores == 0) & ~impostor[pairs.rows].any(axis=1)
    rows = pairs.rows[different]
    if not len(rows) or pairs.graded:
        return None
    rows = np.concatenate([rows, rows[:, ::-1]])
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    rank = np.arange(len(rows)) - np.searchsorted(rows[:, 0], rows[:, 0])
    negatives = np.full((len(impostor), k), -1, np.int64)
    negatives[rows[rank < k, 0], rank[rank < k]] = rows[rank < k, 1]
    return negatives


def nearest_others(
    embeddings: Vectors, labels: NDArray[np.int64], *, k: int, index: str = DEFAULT_INDEX
) -> Ids:
    """Return (n, k) int64 row numbers: each row's nearest of other labels; -1 where there are none.

    embeddings: (n, dim) float32, unit rows. labels: (n,). Raises PluginError as `hard_negatives`.
    """
    vectors = np.ascontiguousarray(embeddings, dtype=np.float32)
    below = np.full(len(labels), np.inf, np.float32)
    return _searcher(index).nearest(vectors, k, groups=labels, below=below, recall=1.0).ids


def _searcher(index: str) -> Contrasts:
    searcher = registry.load("siamkit.indexes", index)
    if not isinstance(searcher, Contrasts):
        raise PluginError(
            f"{registry.describe(searcher)} cannot find hard negatives",
            hint="`--set miner=auto` mines within the batch and needs no index",
        )
    return searcher


def ceilings(
    embeddings: Vectors, labels: NDArray[np.int64], impostor: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return (n,) cosines below which a wrong neighbour of a row is taken; -inf takes none.

    It is the QUANTILE of the row's cosines to its positives, rounded down to one of them. Anything
    nearer is as likely to be the same identity under another name as a negative.
    """
    limits = np.full(len(labels), -np.inf, np.float32)
    genuine = np.flatnonzero(~impostor)
    order = genuine[np.argsort(labels[genuine], kind="stable")]
    borders = np.flatnonzero(np.diff(labels[order])) + 1
    for members in np.split(order, borders):
        positives = len(members) - 1
        if positives < 1:
            continue
        rank = 1 + int(QUANTILE * (positives - 1))  # the row itself has rank 0, as -inf
        for start in range(0, len(members), STRIP):
            rows = members[start : start + STRIP]
            cosines = embeddings[rows] @ embeddings[members].T
            cosines[np.arange(len(rows)), start + np.arange(len(rows))] = -np.inf
            limits[rows] = np.partition(cosines, rank, axis=1)[:, rank] - np.float32(ROUNDING)
    return limits
