"""Masks of regions from a network's maps of its input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from siamkit.sdk.boxes import pixel_box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Box, Mask
    from siamkit_objects.inputs import Frame

BAND = 256  # rows of a mask that are sampled at once


def sample_mask(values: NDArray[Any], limit: float, box: Box, frame: Frame) -> Mask | None:
    """Return where a map of the whole input is above `limit`, in the pixels that a box touches.

    values: (h, w) float32, of any size, read between its cells' centres (bilinear). box: in px of
    the picture. Returns None for an empty mask.
    """
    left, top, right, bottom = pixel_box(box, *frame.picture[::-1])
    cells = np.array(values.shape[::-1]) / np.array(frame.input[::-1])  # per px of the input
    step = np.array(frame.scale) * cells  # cells per pixel of the picture
    start = (np.array([left, top]) + 0.5) * step + np.array(frame.origin) * cells - 0.5
    mask = np.empty((bottom - top, right - left), np.bool_)
    for row in range(0, len(mask), BAND):  # as panoramas would need 4 bytes per pixel
        part = mask[row : row + BAND]
        matrix = np.array([[step[0], 0, start[0]], [0, step[1], start[1] + row * step[1]]])
        part[:] = (
            cv2.warpAffine(
                values,
                matrix,
                part.shape[::-1],
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
            > limit
        )
    return mask if mask.any() else None
