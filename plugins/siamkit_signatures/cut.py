"""Cut the ink out of a region of a picture, black on white."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from siamkit.errors import NothingFound
from siamkit.types import Box, Region
from siamkit_signatures.ink import extract_ink
from siamkit_signatures.ruling import lift_rules
from siamkit_signatures.seals import lift_seals

AROUND = 0.08  # of the box's longer side: margin of paper that is searched too
WITHIN = 0.5  # share of a stroke's ink that must lie in the box for the stroke to belong to it


def cut(pixels: NDArray[np.uint8], region: Region) -> NDArray[np.uint8]:
    """Return (height, width, 3) uint8, ink 0 on 255. Raises NothingFound if there is no ink.

    The greater part of each connected stroke decides: strokes that leave the box a little are kept
    whole, and strokes that reach in from outside are left out. If the region has a mask, only its
    True pixels count as inside.
    """
    sheet = lift_rules(lift_seals(pixels))
    part, inside = _cut_around(sheet, region)
    if part.size < sheet.size:
        part = lift_rules(part)  # those that are short on the sheet, but long beside the signature
    mask = extract_ink(part)
    scaled = cv2.resize(inside, mask.shape[::-1], interpolation=cv2.INTER_NEAREST)
    count, labels = cv2.connectedComponents(mask, connectivity=8)
    areas = np.bincount(labels.ravel(), minlength=count)
    areas_inside = np.bincount(labels[scaled > 0], minlength=count)
    belongs = areas_inside >= WITHIN * areas
    belongs[0] = False  # the paper
    if not belongs.any():
        raise NothingFound("no ink is visible in that region of the picture")
    return np.repeat(np.where(belongs[labels], 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def _cut_around(
    pixels: NDArray[np.uint8], region: Region
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the box with a margin, and a (height, width) mask, 255 inside the region."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = _box(region, width, height)
    inside = np.zeros((height, width), dtype=np.uint8)
    inside[top:bottom, left:right] = 255
    if region.mask is not None:
        keep = np.zeros_like(inside[top:bottom, left:right])
        part = region.mask[: keep.shape[0], : keep.shape[1]]
        keep[: part.shape[0], : part.shape[1]] = np.where(part, 255, 0)
        inside[top:bottom, left:right] = keep
    margin = round(AROUND * max(right - left, bottom - top))
    rows = slice(max(0, top - margin), bottom + margin)
    columns = slice(max(0, left - margin), right + margin)
    return np.ascontiguousarray(pixels[rows, columns]), np.ascontiguousarray(inside[rows, columns])


def _box(region: Region, width: int, height: int) -> tuple[int, int, int, int]:
    """Clip the region's box to the picture, in whole px; the whole picture if it has none."""
    where: Box = (0.0, 0.0, float(width), float(height))
    if region.where is not None and len(region.where) == 4:
        where = region.where
    left, top = max(0, round(where[0])), max(0, round(where[1]))
    right, bottom = min(width, round(where[2])), min(height, round(where[3]))
    if right <= left or bottom <= top:
        raise NothingFound("that region lies outside the picture")
    return left, top, right, bottom
