"""From a region of a picture to the chip that is embedded."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamkit.types import Region
from siamkit_facefinder import CHIP_POINTS, CHIP_SIDE, cut, upright_matrix
from siamkit_faces import landmarks

BLANK = 1.0  # standard deviation of a colour plane, of 0 to 255; the least in LFW is over 14


def cut_chip(pixels: NDArray[np.uint8], region: Region) -> NDArray[np.uint8]:
    """Cut the face in a region of a (height, width, 3) RGB picture: (112, 112, 3), upright."""
    pixels = _masked(pixels, region)
    matrix = upright_matrix(landmarks.points_of(pixels, region))
    return cut(pixels, matrix, CHIP_SIDE)


def is_blank(chip: NDArray[np.uint8]) -> bool:
    """True if the chip has a single colour, for which the network's vector has no meaning."""
    return float(chip.std(axis=(0, 1)).max()) < BLANK


def constants() -> dict[str, Any]:
    """Return every constant of this plugin that changes a chip, for the encoder's fingerprint."""
    return {
        "size": CHIP_SIDE,
        "resampling": "blocks, then bilinear",
        "points": CHIP_POINTS.tolist(),
        "aligned": landmarks.ALIGNED,
        "box": [landmarks.MARGIN, landmarks.IN_BOX.tolist()],
    }


def _masked(pixels: NDArray[np.uint8], region: Region) -> NDArray[np.uint8]:
    """Paint black where the region's mask is False; the mask starts at the box's top left."""
    if region.mask is None:
        return pixels
    left, top = (round(v) for v in (landmarks.box_of(region) or (0, 0))[:2])
    height, width = region.mask.shape
    masked = pixels.copy()
    place = masked[max(top, 0) : top + height, max(left, 0) : left + width]
    keep = region.mask[max(-top, 0) :, max(-left, 0) :][: place.shape[0], : place.shape[1]]
    place[~keep] = 0
    return masked
