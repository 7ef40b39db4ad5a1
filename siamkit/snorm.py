"""Adaptive S-norm: scores relative to what both samples score with the people nearest to them.

A sample that resembles many others scores high with everybody. So a score is taken relative to the
mean and the standard deviation of the sample's highest scores with a cohort of other people, from
both sides: (s - m1) / d1 / 2 + (s - m2) / d2 / 2 (Matějka et al., "Analysis of score normalization
in multilingual speaker recognition", Interspeech 2017). The cohort is the gallery itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from siamkit.errors import BadInput
from siamkit.scoring import leave_one_out

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Ids, Vectors

NEAREST = 50  # identities of the cohort that count, or as many as there are
FEWEST = 10  # without which there is no cohort
AT_ONCE = 20_000  # pairs
LEAST = 1e-6  # of a deviation


@dataclass(frozen=True, slots=True, eq=False)
class Cohorts:
    """What each of n samples scores with the identities nearest to it, its own left out."""

    scores: NDArray[np.float32]  # (n, k + 1) falling
    identities: Ids  # (n, k + 1) whose scores they are


def cohorts(vectors: Vectors, labels: Ids, nearest: int = NEAREST) -> Cohorts:
    """The cohort of each of (n, dim) unit vectors among all, by (n,) labels from 0.

    Raises BadInput for too few identities.
    """
    identities = int(labels.max(initial=-1)) + 1
    kept = min(nearest, identities - 2) + 1  # one more, for the other of a pair is left out
    if kept <= FEWEST:
        raise BadInput(
            f"{identities} identities are no cohort", hint=f"{FEWEST + 2} are the fewest"
        )
    scores, names = [], []
    for rows, block in leave_one_out(vectors, labels, np.arange(len(labels))):
        block[np.arange(len(rows)), labels[rows]] = -np.inf
        top = np.argpartition(-block, kept - 1, axis=1)[:, :kept]
        found = np.take_along_axis(block, top, axis=1)
        order = np.argsort(-found, axis=1, kind="stable")
        scores.append(np.take_along_axis(found, order, axis=1))
        names.append(np.take_along_axis(top, order, axis=1))
    return Cohorts(np.concatenate(scores), np.concatenate(names))


def normalised(
    scores: NDArray[np.float64], left: Ids, right: Ids, labels: Ids, found: Cohorts
) -> NDArray[np.float64]:
    """(n,) scores of pairs of rows, normalised; neither identity is in the other's cohort."""
    out = np.empty(len(scores))
    for start in range(0, len(scores), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        a, b = left[part], right[part]
        one = _relative(scores[part], found, a, labels[b])
        other = _relative(scores[part], found, b, labels[a])
        out[part] = (one + other) / 2
    return out


def _relative(
    scores: NDArray[np.float64], found: Cohorts, rows: Ids, without: Ids
) -> NDArray[np.float64]:
    near = found.scores[rows].astype(np.float64)
    keep = found.identities[rows] != without[:, None]
    keep[keep.all(axis=1), -1] = False  # as many for everybody: the least near goes
    count = keep.sum(axis=1)
    mean = (near * keep).sum(axis=1) / count
    deviation = np.sqrt((((near - mean[:, None]) ** 2) * keep).sum(axis=1) / count)
    relative: NDArray[np.float64] = (scores - mean) / np.maximum(deviation, LEAST)
    return relative
