"""A region of a picture -> its ink, black on white."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from siamkit.errors import NothingFound
from siamkit_signatures.ink import ink

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Box, Region

AROUND = 0.08  # of the box's longer side: paper that is looked at around it
WITHIN = 0.5  # of a stroke's ink lies in the box, or the stroke belongs to something else


def cut(pixels: NDArray[np.uint8], region: Region) -> NDArray[np.uint8]:
    """(height, width, 3) uint8, ink 0 on 255. Raises NothingFound where there is no ink.

    Strokes that leave the box a little are kept whole, and what reaches in from elsewhere is left
    out: of each connected stroke the greater part decides. Where the region has a mask, only what
    it keeps counts as inside.
    """
    part, inside = _around(pixels, region)
    mask = ink(part)
    scaled = cv2.resize(inside, mask.shape[::-1], interpolation=cv2.INTER_NEAREST)
    count, labels = cv2.connectedComponents(mask, connectivity=8)
    areas = np.bincount(labels.ravel(), minlength=count)
    shared = np.bincount(labels[scaled > 0], minlength=count)
    kept = shared >= WITHIN * areas
    kept[0] = False  # the paper
    if not kept.any():
        raise NothingFound("no ink can be seen in that region of the picture")
    return np.repeat(np.where(kept[labels], 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def _around(
    pixels: NDArray[np.uint8], region: Region
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The region's box and some paper around it, and (height, width), 255 where it is inside."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = _box(region, width, height)
    inside = np.zeros((height, width), dtype=np.uint8)
    inside[top:bottom, left:right] = 255
    if region.mask is not None:
        keep = np.zeros_like(inside[top:bottom, left:right])
        part = region.mask[: keep.shape[0], : keep.shape[1]]
        keep[: part.shape[0], : part.shape[1]] = np.where(part, 255, 0)
        inside[top:bottom, left:right] = keep
    more = round(AROUND * max(right - left, bottom - top))
    rows = slice(max(0, top - more), bottom + more)
    columns = slice(max(0, left - more), right + more)
    return np.ascontiguousarray(pixels[rows, columns]), np.ascontiguousarray(inside[rows, columns])


def _box(region: Region, width: int, height: int) -> tuple[int, int, int, int]:
    """The region's box inside of the picture, in whole px; all of it if there is none."""
    where: Box = (0.0, 0.0, float(width), float(height))
    if region.where is not None and len(region.where) == 4:
        where = region.where
    left, top = max(0, round(where[0])), max(0, round(where[1]))
    right, bottom = min(width, round(where[2])), min(height, round(where[3]))
    if right <= left or bottom <= top:
        raise NothingFound("that region lies outside of the picture")
    return left, top, right, bottom
