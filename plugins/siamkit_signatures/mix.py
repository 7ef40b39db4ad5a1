"""The left part of one signature and the right part of another: a signature of nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST, MOST = 0.3, 0.7  # of the left one's width


def mix(left: NDArray[np.uint8], right: NDArray[np.uint8], at: float) -> NDArray[np.uint8]:
    """(height, width) uint8, ink 255 on 0: the first columns of one's ink, then the other's last.

    at: in [0, 1], how many of them; equal heights stay, and what is too wide is cut off.
    """
    share = LEAST + (MOST - LEAST) * at
    columns = [np.flatnonzero(canvas.any(axis=0)) for canvas in (left, right)]
    if not all(len(found) for found in columns):
        return left.copy()
    (first, last), (start, stop) = ((found[0], found[-1] + 1) for found in columns)
    cut = left[:, first : first + round(share * (last - first))]
    rest = right[:, start + round(share * (stop - start)) : stop]
    made = np.zeros_like(left)
    both = np.concatenate([cut, rest], axis=1)[:, : made.shape[1]]
    begin = (made.shape[1] - both.shape[1]) // 2
    made[:, begin : begin + both.shape[1]] = both
    return made
