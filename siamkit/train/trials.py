"""Comparisons of validation samples, and how far their error rate may be due to chance.

Identities are the units: pairs of one identity vary together, so that the number of pairs says
little about how certain a rate is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siamkit.stats.metrics import ErrorRates, eer, eer_of_curve

DRAWS = 400  # resamplings of the identities
LEVELS = 1_000  # thresholds of each kind of score in a resampled curve
LEAST_IDENTITIES = 5  # below it no interval says anything: a sign test cannot reach 5 % either
FEW = 10  # identities to validate on, below which a run asks for more
LEVEL = 0.95  # of an interval that is shown
# Of the interval that a gain must clear: stricter, as the step was chosen by the same identities.
GAIN_LEVEL = 0.98

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """Mated pairs, and pairs to be rejected, of one model. Identities are any int64 labels."""

    mated: NDArray[np.float32]  # (m,) cosines
    identity: NDArray[np.int64]  # (m,) of each mated pair
    rejected: NDArray[np.float32]  # (r,) cosines
    left: NDArray[np.int64]  # (r,) the identity of each side of a pair to be rejected
    right: NDArray[np.int64]  # (r,)

    @property
    def error(self) -> float:
        """The equal error rate; NaN without either kind of pair."""
        if not len(self.mated) or not len(self.rejected):
            return float("nan")
        return eer(self.mated, self.rejected)[0]

    @property
    def identities(self) -> NDArray[np.int64]:
        """The distinct identities, ascending."""
        return np.unique(np.concatenate([self.identity, self.left, self.right]))


def error_interval(trials: Trials) -> Interval | None:
    """Return the 95 % interval of the error; None for fewer than LEAST_IDENTITIES."""
    weights = draw_weights(len(trials.identities))
    return expanded_interval(_resampled(trials, weights), len(trials.identities), LEVEL)


def gain_interval(before: Trials, after: Trials) -> Interval | None:
    """Return the interval, at GAIN_LEVEL, of how much lower the error of `after` is.

    Both models are measured on the same draws of the same identities, each on its own trials.
    """
    count = len(before.identities)
    weights = draw_weights(count)
    differences = _resampled(before, weights) - _resampled(after, weights)
    return expanded_interval(differences, count, GAIN_LEVEL)


def draw_weights(count: int, draws: int = DRAWS, seed: int = 0) -> NDArray[np.int64]:
    """Draw identities with replacement; return (draws, count) how often each was drawn."""
    rng = np.random.default_rng(seed)
    return np.stack([np.bincount(rng.integers(count, size=count), minlength=count)
                     for _ in range(draws)])  # fmt: skip


def expanded_interval(values: NDArray[np.float64], count: int, level: float) -> Interval | None:
    """Return the percentile interval of resampled values, widened for few units; None if too few.

    A resample of n units varies by sqrt((n - 1) / n) too little, and its quantiles are a normal
    distribution's, not Student's: the expanded percentile interval (Hesterberg 2015, "What Teachers
    Should Know About the Bootstrap", §4.1.2) corrects both.
    """
    from scipy.special import ndtr, stdtrit  # scipy.stats takes 0.7 s to import

    values = values[~np.isnan(values)]
    if count < LEAST_IDENTITIES or not len(values):
        return None
    quantile = stdtrit(count - 1, (1 - level) / 2) * np.sqrt(count / (count - 1))
    tail = float(ndtr(quantile))
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def _resampled(trials: Trials, weights: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the (draws,) errors of the draws; NaN for one without either kind of pair.

    A mated pair counts as often as its identity was drawn, another pair as often as one side times
    the other (see siamkit.stats.comparisons.resample).
    """
    names = trials.identities
    identity, left, right = (
        np.searchsorted(names, of) for of in (trials.identity, trials.left, trials.right)
    )
    levels = np.union1d(_levels(trials.mated), _levels(trials.rejected))
    mated = np.searchsorted(levels, trials.mated, side="right") - 1
    rejected = np.searchsorted(levels, trials.rejected, side="right") - 1
    thresholds = np.append(levels.astype(np.float64), np.inf)
    errors = np.full(len(weights), np.nan)
    for number, weight in enumerate(weights):
        missed = np.bincount(mated, weight[identity], len(levels)).cumsum()
        below = np.bincount(rejected, weight[left] * weight[right], len(levels)).cumsum()
        if missed[-1] and below[-1]:
            fnmr = np.append(0.0, missed / missed[-1])
            fmr = np.append(1.0, 1 - below / below[-1])
            errors[number] = eer_of_curve(ErrorRates(thresholds, fmr, fnmr))[0]
    return errors


def _levels(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the distinct scores; of more than LEVELS, evenly spaced ranks."""
    distinct = np.unique(scores)
    if len(distinct) <= LEVELS:
        return distinct
    ranks = np.linspace(0, len(scores) - 1, LEVELS).round().astype(np.int64)
    return np.unique(np.sort(scores)[ranks])
