"""Average long curves to as many points as a chart can show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

POINTS = 300  # most points of a curve; a longer one is averaged to this many


def thin(values: NDArray[np.float64], points: int = POINTS) -> NDArray[np.float64]:
    """Average (n,) values to at most `points` means of as many neighbours each, without NaN."""
    if len(values) <= points:
        return values
    edges = np.linspace(0, len(values), points + 1).astype(int)[:-1]
    finite = np.isfinite(values)
    counts = np.add.reduceat(finite, edges)
    sums = np.add.reduceat(np.where(finite, values, 0.0), edges)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
