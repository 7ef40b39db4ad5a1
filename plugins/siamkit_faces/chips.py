"""A region of a picture -> the chip that is embedded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit_faces import align, landmarks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Box, Region


BLANK = 1.0  # standard deviation of a colour plane, of 0 to 255; the least in LFW is over 14


def chip(pixels: NDArray[np.uint8], region: Region) -> NDArray[np.uint8]:
    """(150, 150, 3): the face in a region of a (height, width, 3) RGB picture, upright."""
    pixels = _masked(pixels, region)
    return align.cut(pixels, align.chip_matrix(*anchors(pixels, region)), align.SIZE)


def is_blank(made: NDArray[np.uint8]) -> bool:
    """True for a face of one colour: the network has a vector for it, which means nothing."""
    edge = round(align.SIZE * align.PADDING / (1 + 2 * align.PADDING))
    return float(made[edge:-edge, edge:-edge].std(axis=(0, 1)).max()) < BLANK


def anchors(
    pixels: NDArray[np.uint8], region: Region
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A template, and the points in the picture that belong to it; both (k, 2).

    k is 10 where the region has landmarks: they, and dlib's five, which start from them. Their
    errors have little in common, so fitting both is steadier than fitting either: on 15
    photographs the weakest pair of one person scores 0.938, not 0.921 or 0.932. Else k is 5:
    dlib's alone.
    """
    given = region.landmarks
    if given is None or given.shape != align.POINTS.shape or not np.isfinite(given).all():
        return align.DLIB_POINTS, landmarks.locate(pixels, _box(region))
    points = given.astype(np.float64)
    found = landmarks.refine(pixels, align.POINTS, points)
    return align.ALL_POINTS, np.concatenate([points, found])


def constants() -> dict[str, Any]:
    """Every number of this plugin that changes a chip, for the encoder's fingerprint."""
    return {
        "size": align.SIZE,
        "padding": align.PADDING,
        "resampling": "blocks, then bilinear",
        "points": align.POINTS.tolist(),
        "dlib_points": align.DLIB_POINTS.tolist(),
        "whole": list(landmarks.WHOLE),
        "start": landmarks.START.tolist(),
        "patch": [landmarks.PATCH, landmarks.MARGIN, landmarks.PASSES],
        "predictor": f"{landmarks.POINTS_FILE}, mean with the mirror image",
        "fitted": "given and predicted points together",
    }


def _box(region: Region) -> Box | None:
    return region.where if region.where is not None and len(region.where) == 4 else None


def _masked(pixels: NDArray[np.uint8], region: Region) -> NDArray[np.uint8]:
    """Black where the region's mask is False; the mask's left top is that of the region's box."""
    if region.mask is None:
        return pixels
    left, top = (round(v) for v in (_box(region) or (0, 0))[:2])
    height, width = region.mask.shape
    masked = pixels.copy()
    place = masked[max(top, 0) : top + height, max(left, 0) : left + width]
    keep = region.mask[max(-top, 0) :, max(-left, 0) :][: place.shape[0], : place.shape[1]]
    place[~keep] = 0
    return masked
