"""Find the triplets of the validation samples that an encoder gets most wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK = 512  # anchors that are compared at a time: 8 MB of cosines for 4,000 samples


@dataclass(frozen=True, slots=True)
class Triplet:
    """Three numbers of embeddings, with the cosines to the anchor."""

    anchor: int
    positive: int  # the farthest genuine sample of the anchor's identity
    negative: int  # the nearest sample of another identity, or impostor
    positive_cosine: float
    negative_cosine: float

    @property
    def is_wrong(self) -> bool:
        """True if the negative is nearer than the positive."""
        return self.negative_cosine >= self.positive_cosine


def hardest_triplets(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    impostor: NDArray[np.bool_],
    count: int,
) -> list[Triplet]:
    """Return the hardest triplet of each identity, the hardest of all first, at most `count`.

    embeddings: (n, d) unit rows. labels, impostor: (n,), see siamkit.train.data.Dataset. A triplet
    is the harder, the more the negative's cosine exceeds the positive's.
    """
    hardest: dict[int, Triplet] = {}
    for triplet in _triplets(embeddings, labels, impostor):
        label = int(labels[triplet.anchor])
        if label not in hardest or _hardness(triplet) > _hardness(hardest[label]):
            hardest[label] = triplet
    return sorted(hardest.values(), key=_hardness, reverse=True)[:count]


def _triplets(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64], impostor: NDArray[np.bool_]
) -> Iterator[Triplet]:
    """Yield the hardest triplet of each anchor that has one."""
    genuine = np.flatnonzero(~impostor)
    for start in range(0, len(genuine), BLOCK):
        anchors = genuine[start : start + BLOCK]
        cosines = embeddings[anchors] @ embeddings.T
        same = labels[anchors][:, None] == labels
        is_self = anchors[:, None] == np.arange(len(labels))
        positives = np.where(same & ~impostor & ~is_self, cosines, np.inf)
        negatives = np.where(~same | impostor, cosines, -np.inf)
        farthest, nearest = positives.argmin(axis=1), negatives.argmax(axis=1)
        for row, anchor in enumerate(anchors.tolist()):
            positive, negative = int(farthest[row]), int(nearest[row])
            triplet = Triplet(
                anchor,
                positive,
                negative,
                float(positives[row, positive]),
                float(negatives[row, negative]),
            )
            if np.isfinite(_hardness(triplet)):
                yield triplet


def _hardness(triplet: Triplet) -> float:
    return triplet.negative_cosine - triplet.positive_cosine
