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

NEAREST = 50  # identities of the cohort that count, or as many as there are
FEWEST = 10  # without which there is no cohort
AT_ONCE = 20_000  # pairs
LEAST = 1e-6  # of a deviation


def cohort_size(identities: int) -> int:
    """How many of so many enrolled identities are a cohort of two samples; 0: too few are left."""
    found = min(NEAREST, identities - 2)
    return found if found >= FEWEST else 0


def normalise_score(score: float, probe: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """One cosine, by what either sample scores with the (k,) identities nearest to it."""
    return (_relative(score, probe) + _relative(score, other)) / 2


def _relative(score: float, near: NDArray[np.float32]) -> float:
    wide = near.astype(np.float64)
    return float((score - wide.mean()) / max(wide.std(), LEAST))


@dataclass(frozen=True, slots=True, eq=False)
class Cohorts:
    """The k + 1 identities nearest to each of n samples, and what k of them score with it.

    The other of a pair is left out of a sample's cohort. So column j is of all but the j-th, and
    the last, which is the least near, is dropped where the other is not among them.
    """

    identities: Ids  # (n, k + 1) falling in score
    means: NDArray[np.float64]  # (n, k + 1)
    deviations: NDArray[np.float64]  # (n, k + 1)


def cohorts_from_scores(scores: NDArray[np.float32], identities: Ids) -> Cohorts:
    """Cohorts from (n, k + 1) falling scores, and the identities that they are with."""
    wide = scores.astype(np.float64)
    centre = wide.mean(axis=1, keepdims=True)
    off = wide - centre
    count = wide.shape[1] - 1
    means = -off / count  # all of them add up to 0
    squares = ((off**2).sum(axis=1, keepdims=True) - off**2) / count
    deviations = np.sqrt(np.maximum(squares - means**2, LEAST**2))
    return Cohorts(identities, means + centre, deviations)


def build_cohorts(
    vectors: Vectors, labels: Ids, progress: Callable[[int], None] = lambda done: None
) -> Cohorts:
    """The cohort of each of (n, dim) unit vectors among all, by (n,) labels from 0.

    `progress` is told how many samples are done. Raises BadInput for too few identities.
    """
    identities = int(labels.max(initial=-1)) + 1
    kept = cohort_size(identities) + 1  # one more, for the other of a pair is left out
    if kept == 1:
        raise BadInput(
            f"{identities} identities are no cohort", hint=f"{FEWEST + 2} are the fewest"
        )
    scores, names = [], []
    for rows, block in scoring.leave_one_out(
        vectors, labels, np.arange(len(labels)), progress=progress
    ):
        block[np.arange(len(rows)), labels[rows]] = -np.inf
        top = np.argpartition(-block, kept - 1, axis=1)[:, :kept]
        found = np.take_along_axis(block, top, axis=1)
        order = np.argsort(-found, axis=1, kind="stable")
        scores.append(np.take_along_axis(found, order, axis=1))
        names.append(np.take_along_axis(top, order, axis=1))
    return cohorts_from_scores(np.concatenate(scores), np.concatenate(names))


def normalise_scores(
    scores: NDArray[np.float64], left: Ids, right: Ids, labels: Ids, found: Cohorts
) -> NDArray[np.float64]:
    """(n,) scores of pairs of rows, normalised; neither identity is in the other's cohort."""
    out = np.empty(len(scores))
    for start in range(0, len(scores), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        sides = ((left[part], labels[right[part]]), (right[part], labels[left[part]]))
        out[part] = sum(_side(scores[part], found, rows, without) for rows, without in sides) / 2
    return out


def _side(
    scores: NDArray[np.float64], found: Cohorts, rows: Ids, without: Ids
) -> NDArray[np.float64]:
    there = found.identities[rows] == without[:, None]
    there[:, -1] |= ~there.any(axis=1)
    dropped = there.argmax(axis=1)
    relative: NDArray[np.float64] = scores - found.means[rows, dropped]
    relative /= found.deviations[rows, dropped]
    return relative


def leave_one_out(
    vectors: Vectors,
    labels: Ids,
    found: Cohorts,
    progress: Callable[[int], None] = lambda done: None,
) -> Iterator[tuple[Ids, NDArray[np.float32]]]:
    """Each sample against the nearest one of each identity, itself left out; normalised.

    As siamkit.stats.scoring.leave_one_out, by the cohorts of the same (n, dim) vectors and (n,)
    labels.
    """
    order = np.argsort(labels, kind="stable")
    starts = np.append(0, np.cumsum(np.bincount(labels))[:-1])
    ordered, own = vectors[order], labels[order]
    last = found.identities.shape[1] - 1
    # Where each identity stands in the cohorts of others: samples, and its column there.
    by_name = np.argsort(found.identities, axis=None, kind="stable")
    begin = np.searchsorted(found.identities.ravel()[by_name], np.arange(len(starts) + 1))
    for start in range(0, len(labels), scoring.BLOCK):
        rows = order[start : start + scoring.BLOCK]
        at = np.arange(len(rows))
        single = vectors[rows] @ ordered.T
        single[at, start + at] = -np.inf
        best = np.maximum.reduceat(single, starts, axis=1)
        first = np.where(single == best[:, own], np.arange(len(own), dtype=np.int32), len(own))
        nearest = order[np.minimum.reduceat(first, starts, axis=1)]
        dropped = np.full(best.shape, last)
        dropped[at[:, None], found.identities[rows]] = np.arange(last + 1)
        scores = (best - found.means[rows[:, None], dropped]) / found.deviations[
            rows[:, None], dropped
        ]
        for i, row in enumerate(rows):
            columns = np.full(len(labels), last)
            entries = by_name[begin[labels[row]] : begin[labels[row] + 1]]
            columns[entries // (last + 1)] = entries % (last + 1)
            theirs = nearest[i], columns[nearest[i]]
            scores[i] += (best[i] - found.means[theirs]) / found.deviations[theirs]
        yield rows, (scores / 2).astype(np.float32)
        progress(start + len(rows))
