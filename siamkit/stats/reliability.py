"""Judge log-likelihood ratios and probabilities: Cllr, Brier score, reliability, ECE."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from siamkit.stats.rising import rising_shares

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

BINS = 15  # of a reliability diagram


def cllr(mated: ArrayLike, non_mated: ArrayLike) -> float:
    """Return the cost of log-likelihood ratios, in bits; 1 for no information, 0 for certainty.

    (n,) natural log-likelihood ratios of mated and of non-mated pairs (Brümmer and du Preez 2006).
    """
    same = np.mean(np.logaddexp(0, -np.asarray(mated, np.float64)))
    non_mated_cost = np.mean(np.logaddexp(0, np.asarray(non_mated, np.float64)))
    return float((same + non_mated_cost) / 2 / math.log(2))


def min_cllr(mated: ArrayLike, non_mated: ArrayLike) -> float:
    """Return the least Cllr of any rising map of these scores: the information in them."""
    same, other = np.asarray(mated, np.float64), np.asarray(non_mated, np.float64)
    labels = np.repeat([1.0, 0.0], [len(same), len(other)])
    weights = np.repeat([1 / len(same), 1 / len(other)], [len(same), len(other)])
    scores = np.concatenate([same, other])
    distinct, fitted = rising_shares(scores, labels, weights)
    shares = np.clip(fitted[np.searchsorted(distinct, scores)], 0, 1)
    with np.errstate(divide="ignore"):
        llrs = np.log(shares) - np.log1p(-shares)
    return cllr(llrs[labels > 0], llrs[labels == 0])


def brier(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the mean squared error of (n,) probabilities of (n,) labels.

    Both kinds are weighted equally.
    """
    chance, same = np.asarray(probabilities, np.float64), np.asarray(labels, np.bool_)
    errors = (chance - same) ** 2
    return float((errors[same].mean() + errors[~same].mean()) / 2)


def reliability_bins(
    probabilities: ArrayLike, labels: ArrayLike, bins: int = BINS
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean probability, the mated share and the weight of equal bins of probability.

    Both kinds are weighted equally, and the weights sum to 1. Empty bins are left out.
    """
    chance, same = np.asarray(probabilities, np.float64), np.asarray(labels, np.bool_)
    weight = np.where(same, 0.5 / max(1, same.sum()), 0.5 / max(1, (~same).sum()))
    bin_of = np.minimum((chance * bins).astype(np.int64), bins - 1)
    total: NDArray[np.float64] = np.bincount(bin_of, weight, bins).astype(np.float64)
    mean = np.bincount(bin_of, weight * chance, bins)
    mated = np.bincount(bin_of, weight * same, bins)
    filled = total > 0
    return mean[filled] / total[filled], mated[filled] / total[filled], total[filled]


def ece(probabilities: ArrayLike, labels: ArrayLike, bins: int = BINS) -> float:
    """Return the expected calibration error in [0, 1].

    It is the weighted distance of bins to the diagonal (Naeini, Cooper and Hauskrecht, "Obtaining
    well calibrated probabilities", AAAI 2015).
    """
    mean, mated, weight = reliability_bins(probabilities, labels, bins)
    return float(np.sum(weight * np.abs(mean - mated)))
