"""How good log-likelihood ratios and probabilities are: Cllr, Brier score, reliability, ECE."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

BINS = 15  # of a reliability diagram


def cllr(mated: ArrayLike, non_mated: ArrayLike) -> float:
    """Cost of log-likelihood ratios, in bits; 1 is that of saying nothing, 0 of being certain.

    (n,) natural log-likelihood ratios of mated and of non-mated pairs (Brümmer and du Preez 2006).
    """
    same = np.mean(np.logaddexp(0, -np.asarray(mated, np.float64)))
    other = np.mean(np.logaddexp(0, np.asarray(non_mated, np.float64)))
    return float((same + other) / 2 / math.log(2))


def min_cllr(mated: ArrayLike, non_mated: ArrayLike) -> float:
    """The least Cllr of any rising map of these scores: what they can tell at all."""
    from sklearn.isotonic import IsotonicRegression

    same, other = np.asarray(mated, np.float64), np.asarray(non_mated, np.float64)
    labels = np.repeat([1.0, 0.0], [len(same), len(other)])
    weights = np.repeat([1 / len(same), 1 / len(other)], [len(same), len(other)])
    # Ranks, for scikit-learn cannot tell scores apart that differ in the last digit.
    values = np.unique(np.concatenate([same, other]), return_inverse=True)[1].astype(np.float64)
    shares = IsotonicRegression(y_min=0, y_max=1).fit(values, labels, weights).predict(values)
    with np.errstate(divide="ignore"):
        llrs = np.log(shares) - np.log1p(-shares)
    return cllr(llrs[labels > 0], llrs[labels == 0])


def brier(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Mean squared error of (n,) probabilities of (n,) labels, both kinds weighing alike."""
    chance, same = np.asarray(probabilities, np.float64), np.asarray(labels, np.bool_)
    errors = (chance - same) ** 2
    return float((errors[same].mean() + errors[~same].mean()) / 2)


def reliability_bins(
    probabilities: ArrayLike, labels: ArrayLike, bins: int = BINS
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Of each of so many equal bins of probability: its mean, the share that is mated, its weight.

    Both kinds weigh alike, and the weights add up to 1. Empty bins are left out.
    """
    chance, same = np.asarray(probabilities, np.float64), np.asarray(labels, np.bool_)
    weight = np.where(same, 0.5 / max(1, same.sum()), 0.5 / max(1, (~same).sum()))
    of = np.minimum((chance * bins).astype(np.int64), bins - 1)
    total: NDArray[np.float64] = np.bincount(of, weight, bins).astype(np.float64)
    mean = np.bincount(of, weight * chance, bins)
    mated = np.bincount(of, weight * same, bins)
    there = total > 0
    return mean[there] / total[there], mated[there] / total[there], total[there]


def ece(probabilities: ArrayLike, labels: ArrayLike, bins: int = BINS) -> float:
    """Expected calibration error in [0, 1]: how far bins lie from the diagonal, by their weight.

    Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities", AAAI 2015.
    """
    mean, mated, weight = reliability_bins(probabilities, labels, bins)
    return float(np.sum(weight * np.abs(mean - mated)))
