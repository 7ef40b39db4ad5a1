"""Scored pairs of samples, and resamplings of the identities that they are of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.errors import BadInput
from siamkit.stats.metrics import LEVEL, ErrorRates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Ids

LEVELS = 10_000  # thresholds of a resampled curve: so many ranks of either kind of score


@dataclass(frozen=True, slots=True, eq=False)
class Comparisons:
    """n scored pairs. The identities are numbered from 0; only mated pairs are of one."""

    scores: NDArray[np.float64]  # (n,) finite; the higher the more alike
    mated: NDArray[np.bool_]  # (n,)
    left: Ids  # (n,) the identity of either sample
    right: Ids  # (n,)
    sampled_share: float = 1.0  # the share of all non-mated comparisons that these are, in (0, 1]

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, at: Any) -> Comparisons:
        return Comparisons(
            self.scores[at], self.mated[at], self.left[at], self.right[at], self.sampled_share
        )

    @property
    def mated_scores(self) -> NDArray[np.float64]:
        return self.scores[self.mated]

    @property
    def non_mated_scores(self) -> NDArray[np.float64]:
        return self.scores[~self.mated]

    @property
    def identities(self) -> int:
        """How many identities take part."""
        return len(np.unique(np.concatenate([self.left, self.right])))

    @property
    def impostor_pairs(self) -> int:
        """How many pairs of identities the non-mated comparisons are of.

        Comparisons of the same two identities vary together. So it is this number, not that of
        the comparisons, which says how low a false match rate can be shown.
        """
        left, right = self.left[~self.mated], self.right[~self.mated]
        low, high = np.minimum(left, right), np.maximum(left, right)
        return len(np.unique(low * (1 + int(high.max(initial=0))) + high))


def require_both_kinds(made: Comparisons) -> None:
    """Raise BadInput unless there are mated and non-mated pairs."""
    same = int(made.mated.sum())
    if not same or same == len(made):
        what, lacking = ("non-mated", "mated") if not same else ("mated", "non-mated")
        raise BadInput(
            f"all {len(made):,} comparisons are {what}, and none is {lacking}",
            hint="error rates need pairs of one identity and pairs of two",
        )


def resample(made: Comparisons, draws: int, seed: int = 0) -> Iterator[ErrorRates]:
    """Error rates of so many resamplings, each at the same thresholds.

    Identities are drawn with replacement. A mated pair counts as often as its identity was drawn,
    a non-mated one as often as its first times its second: the vertex bootstrap (Fogliato, Patil
    and Perona, "Confidence intervals for error rates in 1:1 matching tasks", IJCV 132, 2024). To
    draw pairs instead would make intervals too narrow, for pairs of one identity vary together.
    A draw without a mated or a non-mated pair is repeated. Of more than LEVELS different scores
    of a kind, only so many serve as thresholds; the 1 000 that matter most, which are the highest
    non-mated and the lowest mated ones, always do.
    """
    require_both_kinds(made)
    names, numbers = np.unique(np.concatenate([made.left, made.right]), return_inverse=True)
    left, right = numbers[: len(made)], numbers[len(made) :]
    same = _by_score(made.scores, np.flatnonzero(made.mated))
    other = _by_score(made.scores, np.flatnonzero(~made.mated))
    thresholds = np.union1d(
        _levels(made.scores[same], tail=slice(None, 1000)),
        _levels(made.scores[other], tail=slice(-1000, None)),
    )
    steps = [_steps(made.scores[rows], thresholds) for rows in (same, other)]
    mated, first, second = left[same], left[other], right[other]
    rng = np.random.default_rng(seed)
    while draws:
        times = rng.integers(len(names), size=len(names))
        weights = np.bincount(times, minlength=len(names)).astype(np.int16)
        below, total = _below(weights[mated], *steps[0])
        passed, others = _below(weights[first] * weights[second], *steps[1])
        if not total or not others:
            continue
        draws -= 1
        yield ErrorRates(
            np.append(thresholds, np.inf),
            np.append(1 - passed / others, 0.0),
            np.append(below / total, 1.0),
        )


def percentile_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """The 95 % percentile interval of what resamplings gave."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def _by_score(scores: NDArray[np.float64], rows: Ids) -> Ids:
    order: Ids = rows[np.argsort(scores[rows], kind="stable")]
    return order


def _levels(ordered: NDArray[np.float64], tail: slice) -> NDArray[np.float64]:
    distinct = np.unique(ordered)
    if len(distinct) <= LEVELS:
        return distinct
    ranks = np.linspace(0, len(ordered) - 1, LEVELS).round().astype(np.int64)
    return np.union1d(ordered[ranks], distinct[tail])


def _steps(ordered: NDArray[np.float64], thresholds: NDArray[np.float64]) -> tuple[Ids, Ids]:
    """Where the scores between two thresholds begin, and which beginning is each threshold's."""
    starts, of = np.unique(np.append(0, np.searchsorted(ordered, thresholds)), return_inverse=True)
    return starts[starts < len(ordered)], of[1:]


def _below(weights: NDArray[np.int16], starts: Ids, of: Ids) -> tuple[NDArray[np.float64], float]:
    """The weight of what lies below each threshold, and all of it."""
    sums = np.add.reduceat(weights.astype(np.float32), starts)  # of whole numbers: exact
    total = np.append(0.0, np.cumsum(sums, dtype=np.float64))
    return total[of], float(total[-1])
