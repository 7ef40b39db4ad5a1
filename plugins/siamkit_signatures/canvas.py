"""Ink on a canvas of one size: scaled to fit and centred, so that absolute size has no effect."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

HEIGHT, WIDTH = 192, 512  # px
FOLD = 2  # px per side of the blocks that become channels
MARGIN = 4  # px on each side that stay empty


def box(mask: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom (half open, px) of all that is not 0; the mask has some."""
    left, top, width, height = cv2.boundingRect(mask)
    return left, top, left + width, top + height


def fold(canvas: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn (HEIGHT, WIDTH) into (HEIGHT / 2, WIDTH / 2, 4): each 2 x 2 px become channels.

    A network then sees every pixel at a quarter of the cost. A smaller canvas would lose the
    steadiness of the strokes, which gives a forger's hand away. (The inverse of the sub-pixel
    layers of Shi et al. 2016.)
    """
    height, width = canvas.shape
    parts = canvas.reshape(height // FOLD, FOLD, width // FOLD, FOLD).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(parts).reshape(height // FOLD, width // FOLD, FOLD * FOLD)


def unfold(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Invert `fold`."""
    height, width, _ = array.shape
    parts = array.reshape(height, width, FOLD, FOLD).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(parts).reshape(height * FOLD, width * FOLD)


def fit(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Scale the box of a mask's ink to the canvas, keeping its aspect ratio.

    Returns (HEIGHT, WIDTH) uint8, ink 255 on 0.
    """
    left, top, right, bottom = box(mask)
    part = mask[top:bottom, left:right]
    room = (HEIGHT - 2 * MARGIN, WIDTH - 2 * MARGIN)
    scale = min(room[0] / part.shape[0], room[1] / part.shape[1])
    size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
    # INTER_AREA averages when it reduces, but repeats pixels when it enlarges.
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    y, x = (HEIGHT - size[1]) // 2, (WIDTH - size[0]) // 2
    canvas[y : y + size[1], x : x + size[0]] = cv2.resize(part, size, interpolation=interpolation)
    return canvas
