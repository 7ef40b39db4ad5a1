"""Hard negatives from the whole training set, found by the index: `miner = "index-driven"`.

A batch holds but a few of the samples that a network confuses; an index over all of them knows
which they are (Harwood et al. 2017, "Smart Mining for Deep Metric Learning", §3.2; Xiong et al.
2020, "ANCE", §3). The very nearest wrong neighbours are not taken: they are where wrong labels
gather, and training on them alone collapses the embedding (Schroff et al. 2015, "FaceNet", §3.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from siamkit.errors import BadInput, PluginError
from siamkit.host import registry
from siamkit.protocols import Contrasts
from siamkit.store.galleries import DEFAULT_INDEX

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Ids, Vectors

# FaceNet's semi-hard negative is farther from the anchor than the positive it is paired with. With
# this quantile (of the cosines, from the farthest positive) that holds for three positives in four.
# At the median, one person under two names would fill half of the places with false negatives; at
# the farthest, a single wrong sample would move the band of its whole identity.
QUANTILE = 0.25
# Embeddings that differ by rounding alone are equal: nothing is hard in a collapsed space.
ROUNDING = 1e-5
RECALL = 0.9  # of the hard negatives; what is missed has equals hardly less near
STRIP = 1_024  # rows of an identity compared at once


def hard_negatives(
    embeddings: Vectors,
    labels: NDArray[np.int64],
    impostor: NDArray[np.bool_],
    *,
    k: int,
    index: str = DEFAULT_INDEX,
) -> Ids:
    """(n, k) int64 row numbers: each genuine row's nearest wrong neighbours within the band.

    Wrong are rows of another identity and impostors of the own. The band begins below `ceilings`.
    Nearest first; -1 where there are fewer, in rows of impostors, and in rows without a positive,
    which can be no anchor. The same input gives the same answer.

    embeddings: (n, dim) float32, unit rows. labels: (n,) identities. impostor: (n,) True for
    an imitation of its label. index: an entry of `siamkit.indexes`. Raises BadInput, and
    PluginError if the index cannot do this.
    """
    _check(embeddings, labels, impostor, k)
    searcher = registry.load("siamkit.indexes", index)
    if not isinstance(searcher, Contrasts):
        raise PluginError(
            f"{registry.describe(searcher)} cannot find hard negatives",
            hint="--set miner=auto mines within the batch and needs no index",
        )
    _, groups = np.unique(labels, return_inverse=True)
    impostors = np.flatnonzero(impostor)
    groups[impostors] = len(labels) + impostors  # a group each: wrong for everybody
    vectors = np.ascontiguousarray(embeddings, dtype=np.float32)
    below = ceilings(vectors, labels, impostor)
    return searcher.nearest(vectors, k, groups=groups, below=below, recall=RECALL).ids


def ceilings(
    embeddings: Vectors, labels: NDArray[np.int64], impostor: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """(n,) cosines below which a wrong neighbour of a row is taken, -inf for none.

    It is the QUANTILE of the row's cosines to its positives, rounded down to one of them. What is
    nearer is as likely the same identity under another name as a negative.
    """
    found = np.full(len(labels), -np.inf, np.float32)
    genuine = np.flatnonzero(~impostor)
    order = genuine[np.argsort(labels[genuine], kind="stable")]
    borders = np.flatnonzero(np.diff(labels[order])) + 1
    for members in np.split(order, borders):
        positives = len(members) - 1
        if positives < 1:
            continue
        place = 1 + int(QUANTILE * (positives - 1))  # the row itself stands at 0, as -inf
        for start in range(0, len(members), STRIP):
            rows = members[start : start + STRIP]
            cosines = embeddings[rows] @ embeddings[members].T
            cosines[np.arange(len(rows)), start + np.arange(len(rows))] = -np.inf
            found[rows] = np.partition(cosines, place, axis=1)[:, place] - np.float32(ROUNDING)
    return found


def _check(
    embeddings: Vectors, labels: NDArray[np.int64], impostor: NDArray[np.bool_], k: int
) -> None:
    if k < 1:
        raise BadInput(f"k = {k}: at least one hard negative a row must be asked for")
    if embeddings.ndim != 2 or not labels.shape == impostor.shape == embeddings.shape[:1]:
        raise BadInput(
            f"embeddings {embeddings.shape}, labels {labels.shape} and impostor {impostor.shape} do"
            " not belong together",
            hint="n rows need n labels and n marks",
        )
    if not np.isfinite(embeddings).all():
        raise BadInput(
            "the embeddings are not all finite numbers", hint="train with a lower learning_rate"
        )
