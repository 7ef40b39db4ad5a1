"""Adaptive S-norm: scores relative to what both samples score with the people nearest to them.

A sample that resembles many others scores high with everybody. So a score is taken relative to the
mean and the standard deviation of the sample's highest scores with a cohort of other people, from
both sides: (s - m1) / d1 / 2 + (s - m2) / d2 / 2 (Matějka et al., "Analysis of score normalization
in multilingual speaker recognition", Interspeech 2017). The cohort is the gallery itself, without
the two identities that are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from siamkit.errors import BadInput
from siamkit.stats import scoring

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Ids, Vectors

NEAREST = 50  # identities of a cohort, or as many as there are
MIN_COHORT = 10  # identities that a cohort needs
AT_ONCE = 20_000  # pairs
MIN_DEVIATION = 1e-6  # standard deviation


def cohort_size(identities: int) -> int:
    """Return the size of two samples' cohort among so many enrolled identities; 0 for too few."""
    size = min(NEAREST, identities - 2)
    return size if size >= MIN_COHORT else 0


def require_cohort(identities: int) -> int:
    """Return the size of a cohort among so many identities. Raises BadInput for too few."""
    if size := cohort_size(identities):
        return size
    raise BadInput(
        f"a cohort needs at least {MIN_COHORT + 2} identities; there are {identities}",
        hint="enrol more identities, or leave S-norm out",
    )


def normalise_score(
    score: float, probe_cohort: NDArray[np.float32], other_cohort: NDArray[np.float32]
) -> float:
    """Normalise one cosine by what either sample scores with the (k,) identities nearest to it."""
    return (_relative_score(score, probe_cohort) + _relative_score(score, other_cohort)) / 2


def _relative_score(score: float, cohort: NDArray[np.float32]) -> float:
    scores = cohort.astype(np.float64)
    return float((score - scores.mean()) / max(scores.std(), MIN_DEVIATION))


@dataclass(frozen=True, slots=True, eq=False)
class Cohorts:
    """The k + 1 identities nearest to each of n samples, and the statistics of k of their scores.

    A sample's cohort leaves out the identity that it is compared with. So column j describes all
    but the j-th identity. If the other is not among them, the last and farthest is left out.
    """

    identities: Ids  # (n, k + 1) falling in score
    means: NDArray[np.float64]  # (n, k + 1)
    deviations: NDArray[np.float64]  # (n, k + 1)


def cohorts_from_scores(scores: NDArray[np.float32], identities: Ids) -> Cohorts:
    """Create cohorts from (n, k + 1) falling scores and the identities that they belong to."""
    wide = scores.astype(np.float64)
    centre = wide.mean(axis=1, keepdims=True)
    offsets = wide - centre
    count = wide.shape[1] - 1
    means = -offsets / count  # all of them sum to 0
    squares = ((offsets**2).sum(axis=1, keepdims=True) - offsets**2) / count
    deviations = np.sqrt(np.maximum(squares - means**2, MIN_DEVIATION**2))
    return Cohorts(identities, means + centre, deviations)


def build_cohorts(
    vectors: Vectors, labels: Ids, progress: Callable[[int], None] = lambda done: None
) -> Cohorts:
    """Find the cohort of each of (n, dim) unit vectors among all, by (n,) labels from 0.

    `progress` receives the number of samples done. Raises BadInput for too few identities.
    """
    size = require_cohort(int(labels.max(initial=-1)) + 1)
    width = size + 1  # one more, since the other identity of a pair is left out
    scores, names = [], []
    for rows, block in scoring.leave_one_out(
        vectors, labels, np.arange(len(labels)), progress=progress
    ):
        block[np.arange(len(rows)), labels[rows]] = -np.inf
        nearest = np.argpartition(-block, width - 1, axis=1)[:, :width]
        cosines = np.take_along_axis(block, nearest, axis=1)
        order = np.argsort(-cosines, axis=1, kind="stable")
        scores.append(np.take_along_axis(cosines, order, axis=1))
        names.append(np.take_along_axis(nearest, order, axis=1))
    return cohorts_from_scores(np.concatenate(scores), np.concatenate(names))


def normalise_scores(
    scores: NDArray[np.float64], left: Ids, right: Ids, labels: Ids, cohorts: Cohorts
) -> NDArray[np.float64]:
    """Normalise (n,) scores of pairs of rows; neither identity is in the other's cohort."""
    normalised = np.empty(len(scores))
    for start in range(0, len(scores), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        sides = ((left[part], labels[right[part]]), (right[part], labels[left[part]]))
        normalised[part] = (
            sum(_relative_to_side(scores[part], cohorts, rows, other) for rows, other in sides) / 2
        )
    return normalised


def _relative_to_side(
    scores: NDArray[np.float64], cohorts: Cohorts, rows: Ids, other: Ids
) -> NDArray[np.float64]:
    """Return (n,) scores relative to the cohorts of rows, each without the other's identity."""
    is_other = cohorts.identities[rows] == other[:, None]
    is_other[:, -1] |= ~is_other.any(axis=1)
    column = is_other.argmax(axis=1)
    relative: NDArray[np.float64] = scores - cohorts.means[rows, column]
    relative /= cohorts.deviations[rows, column]
    return relative


def normalised_leave_one_out(
    vectors: Vectors,
    labels: Ids,
    cohorts: Cohorts,
    progress: Callable[[int], None] = lambda done: None,
) -> Iterator[tuple[Ids, NDArray[np.float32]]]:
    """Score each sample against the nearest one of each identity, itself left out; normalised.

    Like siamkit.stats.scoring.leave_one_out, by the cohorts of the same (n, dim) vectors and (n,)
    labels.
    """
    order = np.argsort(labels, kind="stable")
    starts = np.append(0, np.cumsum(np.bincount(labels))[:-1])
    ordered, own = vectors[order], labels[order]
    last = cohorts.identities.shape[1] - 1
    # Where each identity appears in the cohorts of others: samples, and its column there.
    by_identity = np.argsort(cohorts.identities, axis=None, kind="stable")
    begin = np.searchsorted(cohorts.identities.ravel()[by_identity], np.arange(len(starts) + 1))
    for start in range(0, len(labels), scoring.PROBES_PER_BLOCK):
        rows = order[start : start + scoring.PROBES_PER_BLOCK]
        at = np.arange(len(rows))
        cosines = vectors[rows] @ ordered.T
        cosines[at, start + at] = -np.inf
        best = np.maximum.reduceat(cosines, starts, axis=1)
        first = np.where(cosines == best[:, own], np.arange(len(own), dtype=np.int32), len(own))
        nearest = order[np.minimum.reduceat(first, starts, axis=1)]
        columns = np.full(best.shape, last)
        columns[at[:, None], cohorts.identities[rows]] = np.arange(last + 1)
        cells = rows[:, None], columns
        scores = (best - cohorts.means[cells]) / cohorts.deviations[cells]
        for i, row in enumerate(rows):
            own_column = np.full(len(labels), last)
            entries = by_identity[begin[labels[row]] : begin[labels[row] + 1]]
            own_column[entries // (last + 1)] = entries % (last + 1)
            other_cells = nearest[i], own_column[nearest[i]]
            scores[i] += (best[i] - cohorts.means[other_cells]) / cohorts.deviations[other_cells]
        yield rows, (scores / 2).astype(np.float32)
        progress(start + len(rows))
