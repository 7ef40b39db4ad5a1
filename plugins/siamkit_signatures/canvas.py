"""Ink on a canvas of one size: scaled to fit, centred, so that absolute size says nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEIGHT, WIDTH = 192, 512  # px
FOLD = 2  # px a side that become channels
MARGIN = 4  # px on each side that stay empty


def box(mask: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom (half open, px) of all that is not 0; the mask is not empty."""
    left, top, width, height = cv2.boundingRect(mask)
    return left, top, left + width, top + height


def fold(canvas: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(HEIGHT, WIDTH) to (HEIGHT / 2, WIDTH / 2, 4): each 2 x 2 px become a pixel's channels.

    A network of a quarter of the cost sees every pixel then: what tells a forger's hand is how
    steady a stroke is, and on a smaller canvas that is lost (Shi et al. 2016, "sub-pixel" layers,
    the other way round).
    """
    height, width = canvas.shape
    parts = canvas.reshape(height // FOLD, FOLD, width // FOLD, FOLD).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(parts).reshape(height // FOLD, width // FOLD, FOLD * FOLD)


def unfold(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The canvas that `fold` folded."""
    height, width, _ = array.shape
    parts = array.reshape(height, width, FOLD, FOLD).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(parts).reshape(height * FOLD, width * FOLD)


def fit(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(HEIGHT, WIDTH) uint8, ink 255 on 0: the box of a mask's ink, its aspect kept."""
    left, top, right, bottom = box(mask)
    part = mask[top:bottom, left:right]
    room = (HEIGHT - 2 * MARGIN, WIDTH - 2 * MARGIN)
    scale = min(room[0] / part.shape[0], room[1] / part.shape[1])
    size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
    # INTER_AREA averages when it reduces, but repeats pixels when it enlarges.
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(part, size, interpolation=way)
    made = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    y, x = (HEIGHT - size[1]) // 2, (WIDTH - size[0]) // 2
    made[y : y + size[1], x : x + size[0]] = scaled
    return made
