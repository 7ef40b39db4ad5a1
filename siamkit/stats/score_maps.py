"""Maps from scores to log-likelihood ratios, fitted to comparisons by scikit-learn."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from siamkit.stats.calibration_json import CalibrationMethod
from siamkit.stats.comparisons import Comparisons

if TYPE_CHECKING:
    from numpy.typing import NDArray

Array: TypeAlias = "NDArray[np.float64]"
Knots: TypeAlias = "tuple[Array, Array]"  # rising scores, and their log-likelihood ratios
FITTED = 30_000  # comparisons of a kind that a fit looks at, at most
KNOTS = 200  # of an isotonic map, at most


def fit_score_map(made: Comparisons, method: CalibrationMethod, seed: int = 0) -> Knots:
    """A map from scores to log-likelihood ratios that says no more than n pairs can show.

    The lower bound counts mated comparisons, not people: of 18 speakers it would be so near to 0
    that the map is no longer calibrated on others (benchmarks/kept_rates.py).
    """
    least, most = math.log(made.mated.sum()), math.log(made.impostor_pairs)
    return _bounded(*METHODS[method](made, seed), least, most)


def _logistic(made: Comparisons, seed: int) -> Knots:
    """Two knots of a straight line, as wide as scores can be.

    Both kinds of pairs weigh alike. Labels are softened as if one pair of each kind more had been
    seen on the wrong side, so that kinds that do not overlap give no infinite slope (Platt,
    "Probabilistic outputs for support vector machines", 1999).
    """
    from sklearn.linear_model import LogisticRegression

    scores, labels = _sample(made, seed)
    same, other = int(labels.sum()), int((~labels).sum())
    soft = np.where(labels, (same + 1) / (same + 2), 1 / (other + 2))
    weight = np.where(labels, 1 / same, 1 / other) * len(labels) / 2
    spread = float(scores.std()) or 1.0
    model = LogisticRegression(C=1e6, max_iter=1000).fit(
        np.concatenate([scores, scores])[:, None] / spread,
        np.repeat([1, 0], len(scores)),
        np.concatenate([soft * weight, (1 - soft) * weight]),
    )
    slope, offset = float(model.coef_[0, 0]) / spread, float(model.intercept_[0])
    reach = max(1.0, float(np.abs(scores).max()))
    ends = np.array([-reach, reach])
    if slope <= 0:  # the more alike, the less mated: such scores say nothing
        return ends, np.zeros(2)
    return ends, slope * ends + offset


def _isotonic(made: Comparisons, seed: int) -> Knots:
    """Knots of a rising map, with one pair of each kind more at either end.

    So it never says 0 or 1, however sure the data looks.
    """
    from sklearn.isotonic import IsotonicRegression

    scores, labels = _sample(made, seed)
    same, other = int(labels.sum()), int((~labels).sum())
    low, high = float(scores.min()), float(scores.max())
    weights = np.append(np.where(labels, 1 / same, 1 / other), [1 / same, 1 / other] * 2)
    model = IsotonicRegression().fit(
        np.append(scores, [low, low, high, high]),
        np.append(labels, [1, 0, 1, 0]).astype(float),
        weights,
    )
    knots, shares = model.X_thresholds_.astype(float), model.y_thresholds_.astype(float)
    least = 1e-9
    shares = np.clip(shares, least, 1 - least)
    if len(knots) > KNOTS:
        picked = np.linspace(0, len(knots) - 1, KNOTS).round().astype(int)
        knots, shares = knots[picked], shares[picked]
    return knots, np.log(shares / (1 - shares))


def _bounded(knots: Array, llrs: Array, low: float, high: float) -> Knots:
    """The same map, which says no more than the data can: so many of n, and never 1 to more.

    So a straight line does not go on where no score was.
    """
    if len(knots) == 2 and llrs[1] > llrs[0]:
        wanted = np.clip(llrs, -low, high)
        return knots[0] + (wanted - llrs[0]) * (knots[1] - knots[0]) / (llrs[1] - llrs[0]), wanted
    return knots, np.clip(llrs, -low, high)


METHODS: dict[CalibrationMethod, Callable[[Comparisons, int], Knots]] = {
    "logistic": _logistic,
    "isotonic": _isotonic,
}


def _sample(made: Comparisons, seed: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Scores and labels of FITTED comparisons of a kind at most."""
    rng, rows = np.random.default_rng(seed), []
    for kind in (made.mated, ~made.mated):
        found = np.flatnonzero(kind)
        rows.append(found if len(found) <= FITTED else rng.choice(found, FITTED, replace=False))
    picked = np.concatenate(rows)
    return made.scores[picked], made.mated[picked]
