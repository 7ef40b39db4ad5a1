"""Join the left part of one signature and the right part of another: an invented signature."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MIN_CUT, MAX_CUT = 0.3, 0.7  # of the left one's width


def mix(left: NDArray[np.uint8], right: NDArray[np.uint8], at: float) -> NDArray[np.uint8]:
    """Put the last columns of one canvas's ink behind the first columns of another's.

    Both are (height, width) uint8, ink 255 on 0; so is the result. at: in [0, 1], where to cut,
    from MIN_CUT to MAX_CUT of the width. Heights stay; ink that is too wide is cut off.
    """
    share = MIN_CUT + (MAX_CUT - MIN_CUT) * at
    columns = [np.flatnonzero(canvas.any(axis=0)) for canvas in (left, right)]
    if not all(len(inked) for inked in columns):
        return left.copy()
    (first, last), (start, stop) = ((inked[0], inked[-1] + 1) for inked in columns)
    head = left[:, first : first + round(share * (last - first))]
    tail = right[:, start + round(share * (stop - start)) : stop]
    canvas = np.zeros_like(left)
    ink = np.concatenate([head, tail], axis=1)[:, : canvas.shape[1]]
    begin = (canvas.shape[1] - ink.shape[1]) // 2
    canvas[:, begin : begin + ink.shape[1]] = ink
    return canvas
