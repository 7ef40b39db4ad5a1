"""A random variant of a canvas: what differs between two signatures of one hand and two scans."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from siamkit_signatures.canvas import MARGIN

if TYPE_CHECKING:
    from numpy.typing import NDArray

TURN = 3.0  # degrees, standard deviation
STRETCH = 0.06  # of either side, standard deviation
SHEAR = 0.06  # px along a px up, standard deviation
SMALLEST = 0.9  # of the largest size that fits
PEN = 0.5  # share of variants with thicker, thinner or blurred strokes
GAPS = 0.15  # share of variants with missing pieces
WIDEST_GAP = 0.06  # of the canvas's width
# What makes another hand of an identity: all of its signatures, and all forgeries of them, are
# mirrored, turned, stretched and slanted alike, or lose the same part of their width.
OTHER_HAND = 0.7  # share of identities
ACROSS, UPSIDE_DOWN = 0.5, 0.25  # share of those that are mirrored
HAND_TURN, HAND_STRETCH, HAND_SHEAR = 5.0, 0.15, 0.25  # standard deviations, as above
# Smooth warps, by displacements at knots (rows, columns) in px, standard deviation (Simard et al.
# 2003, "Best practices for convolutional neural networks", section 2): little ones are what a
# hand does from one signature to the next, large ones that all share are another hand's letters.
WARP, WARP_KNOTS = 1.5, (5, 12)
HAND_WARP, HAND_WARP_KNOTS = 6.0, (4, 10)
PART, LEAST_PART = 0.4, 0.55  # share of those that are cut, and of the width that stays


class _Hand(NamedTuple):
    """What all signatures of an identity have in common."""

    linear: NDArray[np.float64]  # (2, 2)
    warp: NDArray[np.float32]  # (2, rows, columns) of knots
    left: float  # shares of the width that are cut off
    right: float


def augment(
    array: NDArray[np.uint8], own: np.random.Generator, shared: np.random.Generator
) -> NDArray[np.uint8]:
    """A variant of a (height, width) uint8 canvas, ink 255 on 0; the given one stays as it is."""
    hand = _hand(shared)
    part = _part(array, hand)
    y, x = np.nonzero(part)
    if not len(x):
        return array.copy()
    height, width = array.shape
    linear = _linear(own, TURN, STRETCH, SHEAR) @ hand.linear
    matrix = _fitted(linear, np.stack([x, y]).astype(np.float64), (height, width), own)
    warps = hand.warp, _knots(own, WARP, WARP_KNOTS)
    made = _moved(part, matrix, np.sum([_displaced(w, (height, width)) for w in warps], axis=0))
    if own.random() < PEN:
        made = _other_pen(made, own)
    if own.random() < GAPS:
        _tear(made, own)
    return made


def _hand(rng: np.random.Generator) -> _Hand:
    if rng.random() >= OTHER_HAND:
        return _Hand(np.eye(2), np.zeros((2, *HAND_WARP_KNOTS), np.float32), 0.0, 0.0)
    mirror = np.diag(
        [-1.0 if rng.random() < ACROSS else 1, -1 if rng.random() < UPSIDE_DOWN else 1]
    )
    linear = mirror @ _linear(rng, HAND_TURN, HAND_STRETCH, HAND_SHEAR)
    warp = _knots(rng, HAND_WARP, HAND_WARP_KNOTS)
    if rng.random() >= PART:
        return _Hand(linear, warp, 0.0, 0.0)
    lost = rng.uniform(0, 1 - LEAST_PART)
    left = rng.uniform(0, lost)
    return _Hand(linear, warp, left, lost - left)


def _part(array: NDArray[np.uint8], hand: _Hand) -> NDArray[np.uint8]:
    """The ink without what the hand loses of its width."""
    columns = np.flatnonzero(array.any(axis=0))
    if not len(columns) or not (hand.left or hand.right):
        return array
    first, wide = columns[0], columns[-1] + 1 - columns[0]
    made = np.zeros_like(array)
    kept = slice(first + int(wide * hand.left), first + int(np.ceil(wide * (1 - hand.right))))
    made[:, kept] = array[:, kept]
    return made


def _linear(
    rng: np.random.Generator, turn: float, stretch: float, shear: float
) -> NDArray[np.float64]:
    """(2, 2): turned, sheared and stretched by chance, of these standard deviations."""
    angle = np.deg2rad(rng.normal(0, turn))
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    sheared = np.array([[1, rng.normal(0, shear)], [0, 1]])
    made: NDArray[np.float64] = turned @ sheared @ np.diag(np.exp(rng.normal(0, stretch, 2)))
    return made


def _fitted(
    linear: NDArray[np.float64],
    points: NDArray[np.float64],
    shape: tuple[int, int],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """(2, 3): moved and scaled so that it fits the canvas, as a new ink would be.

    points is (2, n), x and y of the ink. What remains of shift is that of a box that is a little
    too large, somewhere on the canvas.
    """
    moved = linear @ points
    low, high = moved.min(axis=1), moved.max(axis=1)
    room = np.array([shape[1], shape[0]]) - 1.0 - 2 * MARGIN
    scale = float((room / np.maximum(high - low, 1)).min()) * rng.uniform(SMALLEST, 1)
    slack = room - scale * (high - low)
    used = float(1 - scale * np.max((high - low) / room))  # the box's own slack, as a share
    shift = rng.uniform(-0.5, 0.5, 2) * used * room
    start = MARGIN + slack / 2 + np.clip(shift, -slack / 2, slack / 2) - scale * low
    return np.column_stack([scale * linear, start])


def _knots(rng: np.random.Generator, size: float, knots: tuple[int, int]) -> NDArray[np.float32]:
    """(2, rows, columns) displacements, across and down; those at the rim are 0, so ink stays."""
    made = np.zeros((2, *knots), np.float32)
    made[:, 1:-1, 1:-1] = rng.normal(0, size, (2, knots[0] - 2, knots[1] - 2))
    return made


def _displaced(knots: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """(2, height, width) px, smooth between the knots."""
    size = shape[::-1]
    return np.stack([cv2.resize(plane, size, interpolation=cv2.INTER_CUBIC) for plane in knots])


def _moved(
    array: NDArray[np.uint8], matrix: NDArray[np.float64], warp: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """The array moved by a (2, 3) matrix, then warped: interpolated once."""
    height, width = array.shape
    back = cv2.invertAffineTransform(matrix).astype(np.float32)
    x = warp[0] + np.arange(width, dtype=np.float32)
    y = warp[1] + np.arange(height, dtype=np.float32)[:, None]
    across, down = (row[0] * x + row[1] * y + row[2] for row in back)
    return np.asarray(cv2.remap(array, across, down, cv2.INTER_LINEAR), dtype=np.uint8)


def _other_pen(array: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Strokes half as if drawn by a thicker or a thinner pen, or scanned out of focus."""
    way = rng.integers(3)
    share = rng.uniform(0.3, 1.0)
    if way == 0:
        other = cv2.dilate(array, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))
    elif way == 1:
        share *= 0.7  # the thinnest strokes must not go
        other = cv2.erode(array, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))
    else:
        other = cv2.GaussianBlur(array, (0, 0), rng.uniform(0.4, 1.0))
    return np.asarray(cv2.addWeighted(array, 1 - share, other, share, 0), dtype=np.uint8)


def _tear(array: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Clear one to three small pieces in place: strokes that skipped, a fold, a stamp cut out."""
    height, width = array.shape
    for _ in range(rng.integers(1, 4)):
        wide, high = (max(1, int(v)) for v in rng.uniform(0.01, WIDEST_GAP, 2) * width)
        left, top = rng.integers(width), rng.integers(height)
        array[top : top + high, left : left + wide] = 0
