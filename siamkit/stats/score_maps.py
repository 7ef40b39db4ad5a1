"""Maps from scores to log-likelihood ratios, fitted to comparisons by scikit-learn."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from siamkit.sdk.threads import single_threaded
from siamkit.stats.calibration_json import CalibrationMethod
from siamkit.stats.comparisons import Comparisons

if TYPE_CHECKING:
    from numpy.typing import NDArray

Array: TypeAlias = "NDArray[np.float64]"
Flags: TypeAlias = "NDArray[np.bool_]"
Knots: TypeAlias = "tuple[Array, Array]"  # rising scores, and their log-likelihood ratios
FITTED = 30_000  # comparisons of a kind that a fit uses, at most
KNOTS = 200  # of an isotonic map, at most


def fit_score_map(comparisons: Comparisons, method: CalibrationMethod, seed: int = 0) -> Knots:
    """Fit a map from scores to log-likelihood ratios, bounded by what n pairs can show.

    The lower bound counts mated comparisons, not people: with 18 speakers it would be so close to 0
    that the map would be badly calibrated on others (benchmarks/kept_rates.py).
    """
    low, high = -math.log(comparisons.mated.sum()), math.log(comparisons.non_mated_identity_pairs)
    sampled = _sample(comparisons, seed)
    return _bound(*METHODS[method](sampled.scores, sampled.mated), low, high)


def _fit_logistic(scores: Array, labels: Flags) -> Knots:
    """Fit a straight line, given by two knots as far apart as scores can be.

    Both kinds of pairs are weighted equally. Labels are softened as if one more pair of each kind
    were on the wrong side, so that kinds that do not overlap give no infinite slope (Platt,
    "Probabilistic outputs for support vector machines", 1999).
    """
    from sklearn.linear_model import LogisticRegression

    mated, non_mated = int(labels.sum()), int((~labels).sum())
    soft = np.where(labels, (mated + 1) / (mated + 2), 1 / (non_mated + 2))
    weight = np.where(labels, 1 / mated, 1 / non_mated) * len(labels) / 2
    spread = float(scores.std()) or 1.0
    with single_threaded():  # of hundreds of short products: threads would wait for each other
        model = LogisticRegression(C=1e6, max_iter=1000).fit(
            np.concatenate([scores, scores])[:, None] / spread,
            np.repeat([1, 0], len(scores)),
            np.concatenate([soft * weight, (1 - soft) * weight]),
        )
    slope, offset = float(model.coef_[0, 0]) / spread, float(model.intercept_[0])
    reach = max(1.0, float(np.abs(scores).max()))
    ends = np.array([-reach, reach])
    if slope <= 0:  # more similar pairs are less often mated: such scores carry no information
        return ends, np.zeros(2)
    return ends, slope * ends + offset


def _fit_isotonic(scores: Array, labels: Flags) -> Knots:
    """Fit a rising step map, with one more pair of each kind at either end.

    So it never reaches probability 0 or 1, however certain the data looks.
    """
    from sklearn.isotonic import IsotonicRegression

    mated, non_mated = int(labels.sum()), int((~labels).sum())
    low, high = float(scores.min()), float(scores.max())
    weights = np.where(labels, 1 / mated, 1 / non_mated)
    model = IsotonicRegression().fit(
        np.append(scores, [low, low, high, high]),
        np.append(labels, [1, 0, 1, 0]).astype(float),
        np.append(weights, [1 / mated, 1 / non_mated] * 2),
    )
    knots, shares = model.X_thresholds_.astype(float), model.y_thresholds_.astype(float)
    shares = np.clip(shares, 1e-9, 1 - 1e-9)
    if len(knots) > KNOTS:
        picked = np.linspace(0, len(knots) - 1, KNOTS).round().astype(int)
        knots, shares = knots[picked], shares[picked]
    return knots, np.log(shares / (1 - shares))


def _bound(knots: Array, llrs: Array, low: float, high: float) -> Knots:
    """Limit a map to ratios in [low, high]: n pairs never show odds beyond n to 1.

    A straight line ends where it reaches a limit.
    """
    limited = np.clip(llrs, low, high)
    if len(knots) == 2 and llrs[1] > llrs[0]:
        return knots[0] + (limited - llrs[0]) * (knots[1] - knots[0]) / (llrs[1] - llrs[0]), limited
    return knots, limited


METHODS: dict[CalibrationMethod, Callable[[Array, Flags], Knots]] = {
    "logistic": _fit_logistic,
    "isotonic": _fit_isotonic,
}


def _sample(comparisons: Comparisons, seed: int) -> Comparisons:
    """Return at most FITTED comparisons of each kind."""
    rng, samples = np.random.default_rng(seed), []
    for kind in (comparisons.mated, ~comparisons.mated):
        rows = np.flatnonzero(kind)
        samples.append(rows if len(rows) <= FITTED else rng.choice(rows, FITTED, replace=False))
    return comparisons[np.concatenate(samples)]
