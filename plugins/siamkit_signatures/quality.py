"""Enrolment quality of a signature: its size in pixels, and how much ink it has.

The limits refuse almost nothing in CEDAR and BHSig260: their job is to keep out pictures with too
few pixels to tell signatures apart, and pictures without writing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import NothingFound
from siamkit.types import Quality, Region
from siamkit_signatures.canvas import box
from siamkit_signatures.cut import cut
from siamkit_signatures.ink import stroke_width
from siamkit_signatures.seals import has_ring

MIN_WIDTH, MIN_HEIGHT = 40, 12  # px of the ink's box, or the other way round
MIN_SHARE, MAX_SHARE = 0.005, 0.6  # of the ink's box that is ink
MIN_LENGTH = 1.5  # of the strokes, in longer sides of the box: a bare line has 1
GOOD_WIDTH, GOOD_HEIGHT = 200, 60  # px, at or above: score 1


def assess(pixels: NDArray[np.uint8], region: Region) -> Quality:
    """Measure a signature of a (height, width, 3) picture; values past a limit are problems."""
    try:
        mask = 255 - cut(pixels, region)[:, :, 0]
    except NothingFound as error:
        return Quality(score=0.0, problems=(str(error),))
    left, top, right, bottom = box(mask)
    width, height = right - left, bottom - top
    area = float((mask > 0).sum())
    share = area / (width * height)
    length = area / stroke_width(mask) / max(width, height)
    long, short = max(width, height), min(width, height)
    problems = []
    if long < MIN_WIDTH or short < MIN_HEIGHT:
        problems.append(
            f"signature is {width} x {height} px; at least {MIN_WIDTH} x {MIN_HEIGHT} are needed"
        )
    if not MIN_SHARE <= share <= MAX_SHARE:
        problems.append(
            f"ink covers {share:.1%} of its box; {MIN_SHARE:.1%} to {MAX_SHARE:.0%} is writing"
        )
    elif length < MIN_LENGTH:
        problems.append(
            f"strokes are {length:.1f} times as long as the box; at least {MIN_LENGTH} is writing"
        )
    if has_ring(mask):
        problems.append("a round seal of the ink's colour is there, and can't be told from the ink")
    measures = {"width_px": float(width), "height_px": float(height)}
    measures |= {"ink": round(share, 4), "length": round(length, 2)}
    score = min(long / GOOD_WIDTH, short / GOOD_HEIGHT, 1.0)
    return Quality(score=round(score, 4), problems=tuple(problems), measures=measures)
