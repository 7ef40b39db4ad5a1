"""Random variants of a canvas: differences between two signatures of one hand, and two scans."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from siamkit_signatures.canvas import MARGIN

TURN = 3.0  # degrees, standard deviation
STRETCH = 0.06  # of either side, standard deviation
SHEAR = 0.06  # px sideways per px up, standard deviation
SMALLEST = 0.9  # of the largest size that fits
PEN = 0.5  # share of variants with thicker, thinner or blurred strokes
GAPS = 0.15  # share of variants with missing pieces
WIDEST_GAP = 0.06  # of the canvas's width
# An identity is given another hand: all of its signatures, and all forgeries of them, are mirrored,
# turned, stretched and slanted alike, or lose the same part of their width.
OTHER_HAND = 0.7  # share of identities
ACROSS, UPSIDE_DOWN = 0.5, 0.25  # share of those that are mirrored
HAND_TURN, HAND_STRETCH, HAND_SHEAR = 5.0, 0.15, 0.25  # standard deviations, as above
# Smooth warps, by displacements at knots (rows, columns) in px, standard deviation (Simard et al.
# 2003, "Best practices for convolutional neural networks", section 2): small ones occur from one
# signature of a hand to the next; large ones, shared by all of them, make another hand.
WARP, WARP_KNOTS = 1.5, (5, 12)
HAND_WARP, HAND_WARP_KNOTS = 6.0, (4, 10)
PART_SHARE, LEAST_PART = 0.4, 0.55  # share that is cut; least share of the width that stays
MIN_CUT, MAX_CUT = 0.3, 0.7  # share of the left signature's width in a mix


class _Hand(NamedTuple):
    """The transformation shared by all signatures of an identity."""

    linear: NDArray[np.float64]  # (2, 2)
    warp: NDArray[np.float32]  # (2, rows, columns) displacements of the knots
    left: float  # shares of the width that are cut off
    right: float


def augment(
    array: NDArray[np.uint8], own: np.random.Generator, shared: np.random.Generator
) -> NDArray[np.uint8]:
    """Return a variant of a (height, width) uint8 canvas, ink 255 on 0; the input is unchanged.

    own: draws what differs from signature to signature. shared: draws the hand, and must be in the
    same state for all signatures of an identity.
    """
    hand = _draw_hand(shared)
    part = _cut_part(array, hand)
    y, x = np.nonzero(part)
    if not len(x):
        return array.copy()
    height, width = array.shape
    linear = _draw_linear(own, TURN, STRETCH, SHEAR) @ hand.linear
    matrix = _fit(linear, np.stack([x, y]).astype(np.float64), (height, width), own)
    warps = hand.warp, _draw_warp(own, WARP, WARP_KNOTS)
    displacement = np.sum([_interpolate(warp, (height, width)) for warp in warps], axis=0)
    variant = _transform(part, matrix, displacement)
    if own.random() < PEN:
        variant = _change_pen(variant, own)
    if own.random() < GAPS:
        _clear_gaps(variant, own)
    return variant


def mix(left: NDArray[np.uint8], right: NDArray[np.uint8], at: float) -> NDArray[np.uint8]:
    """Put the last columns of one canvas's ink behind the first columns of another's.

    Both are (height, width) uint8, ink 255 on 0; so is the result. at: in [0, 1], where to cut,
    from MIN_CUT to MAX_CUT of the width. Heights stay; ink that is too wide is cut off.
    """
    share = MIN_CUT + (MAX_CUT - MIN_CUT) * at
    columns = [np.flatnonzero(canvas.any(axis=0)) for canvas in (left, right)]
    if not all(len(inked) for inked in columns):
        return left.copy()
    (first, last), (start, stop) = ((inked[0], inked[-1] + 1) for inked in columns)
    head = left[:, first : first + round(share * (last - first))]
    tail = right[:, start + round(share * (stop - start)) : stop]
    canvas = np.zeros_like(left)
    ink = np.concatenate([head, tail], axis=1)[:, : canvas.shape[1]]
    begin = (canvas.shape[1] - ink.shape[1]) // 2
    canvas[:, begin : begin + ink.shape[1]] = ink
    return canvas


def _draw_hand(rng: np.random.Generator) -> _Hand:
    if rng.random() >= OTHER_HAND:
        return _Hand(np.eye(2), np.zeros((2, *HAND_WARP_KNOTS), np.float32), 0.0, 0.0)
    mirror = np.diag(
        [-1.0 if rng.random() < ACROSS else 1, -1 if rng.random() < UPSIDE_DOWN else 1]
    )
    linear = mirror @ _draw_linear(rng, HAND_TURN, HAND_STRETCH, HAND_SHEAR)
    warp = _draw_warp(rng, HAND_WARP, HAND_WARP_KNOTS)
    if rng.random() >= PART_SHARE:
        return _Hand(linear, warp, 0.0, 0.0)
    cut = rng.uniform(0, 1 - LEAST_PART)
    left = rng.uniform(0, cut)
    return _Hand(linear, warp, left, cut - left)


def _cut_part(array: NDArray[np.uint8], hand: _Hand) -> NDArray[np.uint8]:
    """Clear the part of the ink's width that the hand loses."""
    columns = np.flatnonzero(array.any(axis=0))
    if not len(columns) or not (hand.left or hand.right):
        return array
    first, wide = columns[0], columns[-1] + 1 - columns[0]
    part = np.zeros_like(array)
    keep = slice(first + int(wide * hand.left), first + int(np.ceil(wide * (1 - hand.right))))
    part[:, keep] = array[:, keep]
    return part


def _draw_linear(
    rng: np.random.Generator, turn: float, stretch: float, shear: float
) -> NDArray[np.float64]:
    """Draw a (2, 2) rotation, shear and stretch with these standard deviations."""
    angle = np.deg2rad(rng.normal(0, turn))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    slant = np.array([[1, rng.normal(0, shear)], [0, 1]])
    linear: NDArray[np.float64] = rotation @ slant @ np.diag(np.exp(rng.normal(0, stretch, 2)))
    return linear


def _fit(
    linear: NDArray[np.float64],
    points: NDArray[np.float64],
    shape: tuple[int, int],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return (2, 3): `linear`, scaled and shifted so that the ink fits the canvas.

    points: (2, n), x and y of the ink. The size is drawn, and within the slack that it leaves the
    position too.
    """
    transformed = linear @ points
    low, high = transformed.min(axis=1), transformed.max(axis=1)
    room = np.array([shape[1], shape[0]]) - 1.0 - 2 * MARGIN
    scale = float((room / np.maximum(high - low, 1)).min()) * rng.uniform(SMALLEST, 1)
    slack = room - scale * (high - low)
    slack_share = float(1 - scale * np.max((high - low) / room))
    shift = rng.uniform(-0.5, 0.5, 2) * slack_share * room
    start = MARGIN + slack / 2 + np.clip(shift, -slack / 2, slack / 2) - scale * low
    return np.column_stack([scale * linear, start])


def _draw_warp(
    rng: np.random.Generator, size: float, knots: tuple[int, int]
) -> NDArray[np.float32]:
    """Draw (2, rows, columns) displacements, across and down; 0 at the rim, so that ink stays."""
    warp = np.zeros((2, *knots), np.float32)
    warp[:, 1:-1, 1:-1] = rng.normal(0, size, (2, knots[0] - 2, knots[1] - 2))
    return warp


def _interpolate(warp: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Spread the knots' displacements over the canvas: (2, height, width) px, smooth."""
    size = shape[::-1]
    return np.stack([cv2.resize(plane, size, interpolation=cv2.INTER_CUBIC) for plane in warp])


def _transform(
    array: NDArray[np.uint8], matrix: NDArray[np.float64], warp: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Apply a (2, 3) matrix, then a warp (2, height, width), with one interpolation."""
    height, width = array.shape
    back = cv2.invertAffineTransform(matrix).astype(np.float32)
    x = warp[0] + np.arange(width, dtype=np.float32)
    y = warp[1] + np.arange(height, dtype=np.float32)[:, None]
    across, down = (row[0] * x + row[1] * y + row[2] for row in back)
    return np.asarray(cv2.remap(array, across, down, cv2.INTER_LINEAR), dtype=np.uint8)


def _change_pen(array: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Blend in strokes of a thicker or a thinner pen, or of a scan out of focus."""
    effect = rng.integers(3)
    share = rng.uniform(0.3, 1.0)
    if effect == 0:
        changed = cv2.dilate(array, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))
    elif effect == 1:
        share *= 0.7  # the thinnest strokes must not vanish
        changed = cv2.erode(array, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))
    else:
        changed = cv2.GaussianBlur(array, (0, 0), rng.uniform(0.4, 1.0))
    return np.asarray(cv2.addWeighted(array, 1 - share, changed, share, 0), dtype=np.uint8)


def _clear_gaps(array: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Clear one to three small pieces in place: a skipping pen, a fold, a stamp cut out."""
    height, width = array.shape
    for _ in range(rng.integers(1, 4)):
        wide, high = (max(1, int(v)) for v in rng.uniform(0.01, WIDEST_GAP, 2) * width)
        left, top = rng.integers(width), rng.integers(height)
        array[top : top + high, left : left + wide] = 0
