"""Vary pictures with their boxes: flip, scale, crop, turn and colour them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TRIES = 20  # draws of a crop before the picture is taken as it is
VISIBLE = 0.6  # least share of the box that a crop shows
SCALE = (0.75, 1.6)
STRETCH = 0.15  # log of the ratio by which the sides are scaled apart
TURN = np.deg2rad(8.0)
GREY = (124, 116, 104)  # ImageNet's mean colour, around a picture that was made smaller


def vary(
    pixels: NDArray[np.uint8], box: NDArray[np.float32] | None, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32] | None]:
    """Return a variant of (size, size, 3) RGB, and where its box is then.

    box: left, top, right, bottom as shares of the sides; None if nothing is there. At least VISIBLE
    of the object stays in view. Of a turned object, whose outline is not known, the box is that of
    the ellipse in its box.
    """
    import cv2

    size = len(pixels)
    matrix, moved = _draw_crop(box, rng)
    if matrix is not None:
        matrix[:, 2] *= size
        pixels = np.asarray(
            cv2.warpAffine(pixels, matrix, (size, size), borderValue=GREY), np.uint8
        )
    return _colour(pixels, rng), moved


def _draw_crop(
    box: NDArray[np.float32] | None, rng: np.random.Generator
) -> tuple[NDArray[np.float64] | None, NDArray[np.float32] | None]:
    """Draw an affine map of the unit square, (2, 3), that keeps the object in view.

    None stands for the picture as it is.
    """
    for _ in range(TRIES):
        matrix = _draw_map(rng)
        if box is None:
            return matrix, None
        moved = _move(box, matrix)
        inside = moved.clip(0, 1)
        area = (moved[2:] - moved[:2]).prod()
        if (inside[2:] - inside[:2]).prod() >= VISIBLE * area:
            return matrix, inside
    return None, box


def _draw_map(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a map (2, 3) that keeps the centre near: a flip, a scale per side, a turn, a shift."""
    scale = np.exp(rng.uniform(*np.log(SCALE)))
    ratio = np.exp(rng.uniform(-STRETCH, STRETCH))
    angle = rng.uniform(-TURN, TURN) if rng.random() < 0.5 else 0.0
    flip = -1.0 if rng.random() < 0.5 else 1.0
    cosine, sine = np.cos(angle), np.sin(angle)
    linear = np.array(
        [[cosine * ratio * flip, -sine / ratio], [sine * ratio * flip, cosine / ratio]]
    )
    linear *= scale
    reach = abs(scale - 1) / 2 + 0.08
    centre = np.array([0.5, 0.5])
    shift = centre + rng.uniform(-reach, reach, 2) - linear @ centre
    return np.concatenate([linear, shift[:, None]], axis=1)


def _move(box: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the bounds of a box's ellipse after a map; without a turn, those of the box."""
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    middle = matrix[:, :2] @ centre + matrix[:, 2]
    reach = np.sqrt((matrix[:, :2] ** 2) @ (half**2))
    return np.concatenate([middle - reach, middle + reach]).astype(np.float32)


def _colour(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Vary brightness, saturation and contrast."""
    values = pixels.astype(np.float32) * rng.uniform(0.75, 1.25) + rng.uniform(-20, 20)
    grey = values.mean(axis=2, keepdims=True)
    values = grey + (values - grey) * rng.uniform(0.5, 1.4)
    mean = values.mean()
    values = mean + (values - mean) * rng.uniform(0.8, 1.2)
    return np.asarray(values.clip(0, 255), np.uint8)
