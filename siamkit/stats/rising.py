"""The rising step function nearest to labelled scores (pool adjacent violators), by scipy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def rising_shares(
    scores: NDArray[np.float64], labels: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the distinct scores, rising, and the weighted share of label 1 fitted at each.

    Shares never fall, and are nearest to the labels in weighted squares. All (n,); labels 0 or 1.
    """
    from scipy.optimize import isotonic_regression

    distinct, place = np.unique(scores, return_inverse=True)
    total = np.bincount(place, weights)
    shares = np.bincount(place, weights * labels) / total
    return distinct, isotonic_regression(shares, weights=total).x
