"""Judge a model by pairs with scores: is the order of their cosines that of their scores?"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from siamkit.train.trials import DRAWS, GAIN_LEVEL, Interval, expanded_interval


def cosines_of(embeddings: NDArray[np.float32], pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the (p,) cosines of (p, 2) pairs of unit rows."""
    left, right = embeddings[pairs.T]
    return np.asarray((left * right).sum(1))


def spearman(cosines: NDArray[np.float32], scores: NDArray[np.float32]) -> float:
    """Return the rank correlation of (p,) cosines and scores, in [-1, 1]; NaN if one is constant.

    Spearman 1904; ties have their mean rank.
    """
    from scipy.stats import rankdata

    if len(scores) < 2 or np.ptp(scores) == 0 or np.ptp(cosines) == 0:
        return math.nan
    return float(np.corrcoef(rankdata(cosines), rankdata(scores))[0, 1])


def gain_interval(
    before: NDArray[np.float32], after: NDArray[np.float32], scores: NDArray[np.float32]
) -> Interval | None:
    """Return the interval, at GAIN_LEVEL, of how much the correlation rose; None for few pairs.

    before, after: (p,) cosines of the same pairs, which are drawn again with replacement.
    """
    rng = np.random.default_rng(0)
    draws = [rng.integers(len(scores), size=len(scores)) for _ in range(DRAWS)]
    rises = [spearman(after[d], scores[d]) - spearman(before[d], scores[d]) for d in draws]
    return expanded_interval(np.array(rises), len(scores), GAIN_LEVEL)
