"""Five landmarks of a face: a detector's, or located in a box, or in a picture that is all face."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from siamkit.types import Box, Image, Region
from siamkit_facefinder import CHIP_POINTS, CHIP_SIDE

if TYPE_CHECKING:
    from siamkit_facefinder import FaceFinder

MARGIN = 0.5  # of a box's sides: how much wider the part is in which the face is located
# px of a chip: a picture whose landmarks are so near to their places, in the mean, is aligned
# already, better than by a detector. In 99.5 % of LFW's aligned crops they are within 7 px.
ALIGNED = 8.0
# Where the landmarks lie in a face's box, in shares of its sides: medians over YuNet's in LFW.
IN_BOX = np.array([[0.29, 0.39], [0.74, 0.39], [0.53, 0.58], [0.32, 0.73], [0.71, 0.73]])


def points_of(pixels: NDArray[np.uint8], region: Region) -> NDArray[np.float64]:
    """Return (5, 2) x, y in px of the (height, width, 3) picture, in the order of CHIP_POINTS."""
    given = region.landmarks
    if given is not None and given.shape == CHIP_POINTS.shape and np.isfinite(given).all():
        return given.astype(np.float64)
    box = box_of(region)
    located = _locate(pixels, box)
    if box is None:
        height, width = pixels.shape[:2]
        scale = np.array([width, height]) / CHIP_SIDE
        aligned = (CHIP_POINTS + 0.5) * scale - 0.5
        if located is None or np.hypot(*((located - aligned) / scale).T).mean() < ALIGNED:
            return aligned
        return located
    if located is not None:
        return located
    left, top, right, bottom = box
    return IN_BOX * [right - left, bottom - top] + [left, top]


def box_of(region: Region) -> Box | None:
    """Return the region's box; None if it is the whole picture."""
    return region.where if region.where is not None and len(region.where) == 4 else None


def _locate(pixels: NDArray[np.uint8], box: Box | None) -> NDArray[np.float64] | None:
    """Return the landmarks of the surest face whose centre is in a box; None if there is none."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = box or (0, 0, width, height)
    across, down = ((right - left) * MARGIN, (bottom - top) * MARGIN) if box else (0, 0)
    x, y = max(0, int(left - across)), max(0, int(top - down))
    part = pixels[y : max(y, int(bottom + down)), x : max(x, int(right + across))]
    for face in _finder().find(Image(np.ascontiguousarray(part))):
        points: NDArray[np.float64] = np.asarray(face.landmarks, np.float64) + np.array([x, y])
        centre = points.mean(axis=0)
        if left <= centre[0] < right and top <= centre[1] < bottom:
            return points
    return None


@cache
def _finder() -> FaceFinder:
    from siamkit_facefinder import FaceFinder

    return FaceFinder()
