"""Maps from scores to log-likelihood ratios, fitted to comparisons by scipy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from siamkit.sdk.threads import single_threaded
from siamkit.stats.calibration_json import CalibrationMethod
from siamkit.stats.comparisons import Comparisons
from siamkit.stats.rising import rising_shares

if TYPE_CHECKING:
    from numpy.typing import NDArray

Array: TypeAlias = "NDArray[np.float64]"
Flags: TypeAlias = "NDArray[np.bool_]"
Knots: TypeAlias = "tuple[Array, Array]"  # rising scores, and their log-likelihood ratios
FITTED = 30_000  # comparisons of a kind that a fit uses, at most
KNOTS = 200  # of an isotonic map, at most
RIDGE = 1e-6  # keeps the slope finite where a kind has one score


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
    mated, non_mated = int(labels.sum()), int((~labels).sum())
    soft = np.where(labels, (mated + 1) / (mated + 2), 1 / (non_mated + 2))
    weight = np.where(labels, 1 / mated, 1 / non_mated) * len(labels) / 2
    spread = float(scores.std()) or 1.0
    with single_threaded():  # of short products: threads would wait for each other
        slope, offset = _logistic_line(scores / spread, soft, weight)
    slope /= spread
    reach = max(1.0, float(np.abs(scores).max()))
    ends = np.array([-reach, reach])
    if slope <= 0:  # more similar pairs are less often mated: such scores carry no information
        return ends, np.zeros(2)
    return ends, slope * ends + offset


def _logistic_line(scores: Array, labels: Array, weights: Array) -> tuple[float, float]:
    """Return slope and offset of the log-odds of labels in [0, 1] by maximum likelihood."""
    from scipy.optimize import minimize
    from scipy.special import expit

    design = np.stack([scores, np.ones(len(scores))], axis=1)
    ridge = np.array([RIDGE, 0.0])

    def cost(line: Array) -> float:
        odds = design @ line
        return float(weights @ (np.logaddexp(0, odds) - labels * odds) + ridge @ line**2 / 2)

    def gradient(line: Array) -> Array:
        slopes: Array = design.T @ (weights * (expit(design @ line) - labels)) + ridge * line
        return slopes

    def curvature(line: Array) -> Array:
        share = expit(design @ line)
        bend: Array = design.T @ (design * (weights * share * (1 - share))[:, None])
        return bend + np.diag(ridge)

    line = minimize(cost, np.zeros(2), method="trust-exact", jac=gradient, hess=curvature).x
    return float(line[0]), float(line[1])


def _fit_isotonic(scores: Array, labels: Flags) -> Knots:
    """Fit a rising step map, with one more pair of each kind at either end.

    So it never reaches probability 0 or 1, however certain the data looks.
    """
    mated, non_mated = int(labels.sum()), int((~labels).sum())
    low, high = float(scores.min()), float(scores.max())
    weights = np.where(labels, 1 / mated, 1 / non_mated)
    knots, shares = rising_shares(
        np.append(scores, [low, low, high, high]),
        np.append(labels, [1, 0, 1, 0]).astype(float),
        np.append(weights, [1 / mated, 1 / non_mated] * 2),
    )
    is_end = np.ones(len(knots), np.bool_)  # of a step; between its ends nothing changes
    is_end[1:-1] = (shares[1:-1] != shares[:-2]) | (shares[1:-1] != shares[2:])
    knots, shares = knots[is_end], np.clip(shares[is_end], 1e-9, 1 - 1e-9)
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
