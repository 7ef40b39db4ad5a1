"""Lift coloured seals off a picture: the stamps of offices, over the ink or beside it.

A seal is a closed frame of one colour, round, oval or with corners, with letters in it, on a sheet
with ink of another colour. It is divided out as by a colour filter: the plane in which the seal is
lightest shows the ink under it, and how coloured a pixel is says how much seal it has. A seal of
the ink's colour cannot be told from the ink, and stays; if it is round, `has_ring` says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from siamkit_signatures import ink

COLOURED = 45  # of 255: least difference between the planes of a seal's pixels
HUES = 12  # of 180: half the width of one colour
COMMON = 0.1  # of the coloured pixels: a rarer hue is a rim
NEAR = 0.03  # of the sheet's longer side: between the parts of one seal
SMALLEST = 0.12  # of the sheet's longer side: shorter sides of a seal
LONGEST = 3.0  # times as long as broad
RIM = 0.03  # of the hull's shorter side, or 2 px: the frame is so near the hull
WHOLE = 1.4  # times the hull: parts of the seal, such as an outer ring, reach so far
FRAMED = 0.75  # least share of the hull that has a frame
HOLLOW = 0.6  # of the hull's area that is coloured, at most
LETTERS = 4  # pieces within the hull, at least
OTHER = 0.002  # of the sheet: so much ink of other colours makes it a seal on a signed sheet
NEARLY = 0.03  # of the paper's light: noise of what is nearly black
RING_SIDE = 480  # px, the long side at which rings are looked for
RING_RADIUS = 0.075  # of the long side, at least
RING_LEAST = 12  # px, likewise
ROUND = 0.87  # least share of a ring that is inked; of 208 clean signatures, at most 0.74
RINGS = 10  # that are measured, the clearest first


class Seal(NamedTuple):
    """A seal on a sheet."""

    hull: NDArray[np.int32]  # (n, 1, 2) x, y of its corners, px
    colour: NDArray[np.float64]  # (3,) its share of the paper's light


def lift_seals(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a (height, width, 3) RGB picture without coloured seals; the same array if none."""
    small = ink.reduce(pixels, ink.MAX_SIDE)
    if int(np.ptp(small[::4, ::4], axis=2).max()) < COLOURED:
        return pixels
    light = _light(small)
    seals = find_seals(light)
    if not seals:
        return pixels
    scale = max(pixels.shape) / max(small.shape)
    lifted = pixels.copy()
    for seal in seals:
        _divide_out(lifted, (seal.hull * scale).astype(np.int32), seal.colour)
    return lifted


def _light(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (height, width, 3): each colour's share of the paper's light, 255 on paper."""
    return np.asarray(cv2.divide(pixels, ink.paper_of(pixels), scale=255), dtype=np.uint8)


def find_seals(light: NDArray[np.uint8]) -> list[Seal]:
    """Find the seals of a sheet, given its share of the paper's light."""
    dark = light.min(axis=2) < 255 - ink.LEAST_CONTRAST
    seals = []
    for own in _colours(light):
        blurred = cv2.dilate(own.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        if np.count_nonzero(dark & ~blurred) >= OTHER * dark.size:
            colour = np.median(light[own], axis=0) / 255
            seals += [Seal(hull, colour) for hull in _frames(own)]
    return seals


def _colours(light: NDArray[np.uint8]) -> Iterator[NDArray[np.bool_]]:
    """Yield a (height, width) mask of each colour that is common on a sheet."""
    coloured = np.ptp(light, axis=2) >= COLOURED
    hue = cv2.cvtColor(light, cv2.COLOR_RGB2HSV)[:, :, 0]
    counts = np.bincount(hue[coloured], minlength=180).astype(float)
    rare = COMMON * counts.sum()
    window = np.ones(HUES + 1)
    while counts.sum() > rare:
        around = np.convolve(np.tile(counts, 3), window, "same")[180:360]
        near = np.abs(_turn(np.arange(180) - int(np.argmax(around)))) <= HUES
        counts[near] = 0
        yield coloured & near[hue]


def _turn(hues: NDArray[Any]) -> NDArray[Any]:
    """Return differences of hues as -90 to 90: they go round in 180 steps."""
    return (hues + 90) % 180 - 90


def _frames(own: NDArray[np.bool_]) -> list[NDArray[np.int32]]:
    """Return the hulls of the pixels that are framed, with letters in the frame."""
    mask = own.astype(np.uint8)
    longer = max(mask.shape)
    grouped = cv2.dilate(mask, _disc(NEAR / 2 * longer))
    count, groups, stats, _ = cv2.connectedComponentsWithStats(grouped, connectivity=8)
    hulls = []
    for group in range(1, count):
        if min(stats[group, cv2.CC_STAT_WIDTH : cv2.CC_STAT_HEIGHT + 1]) < SMALLEST * longer:
            continue
        part = np.where(groups == group, mask, 0).astype(np.uint8)
        hull = _hull(part)
        if _is_frame(part, hull) and _has_letters(_within(mask, hull), cv2.contourArea(hull)):
            middle = hull.mean(axis=0)
            around = np.round(middle + WHOLE * (hull - middle)).astype(np.int32)
            hulls.append(_hull(_within(mask, around)))
    return hulls


def _hull(mask: NDArray[np.uint8]) -> NDArray[np.int32]:
    return np.asarray(cv2.convexHull(cv2.findNonZero(mask)), dtype=np.int32)


def _is_frame(part: NDArray[np.uint8], hull: NDArray[np.int32]) -> bool:
    """Return True if the part lies along its hull, which has a seal's proportions."""
    short, long = sorted(cv2.minAreaRect(hull)[1])
    rim = max(2, round(RIM * short))
    edge = np.zeros_like(part)
    cv2.polylines(edge, [hull], True, 1)
    edge = edge[rim:-rim, rim:-rim]  # where the sheet cuts the seal there is no frame
    framed = cv2.dilate(part, _disc(rim))[rim:-rim, rim:-rim]
    on_frame = cv2.countNonZero(cv2.bitwise_and(edge, framed))
    return long <= LONGEST * short and on_frame >= FRAMED * cv2.countNonZero(edge)


def _has_letters(inside: NDArray[np.uint8], area: float) -> bool:
    """Return True for several pieces that do not fill the frame."""
    pieces = cv2.connectedComponents(inside, connectivity=8)[0] - 1
    return pieces > LETTERS and cv2.countNonZero(inside) <= HOLLOW * area


def _within(mask: NDArray[np.uint8], hull: NDArray[np.int32]) -> NDArray[np.uint8]:
    inside = cv2.fillConvexPoly(np.zeros_like(mask), hull, 1)
    return np.asarray(cv2.bitwise_and(mask, inside), dtype=np.uint8)


def _disc(radius: float) -> NDArray[np.uint8]:
    side = 2 * max(1, round(radius)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), dtype=np.uint8)


def _divide_out(
    pixels: NDArray[np.uint8], hull: NDArray[np.int32], colour: NDArray[np.float64]
) -> None:
    """Divide a seal out in place, within its hull and a little around it."""
    left, top, wide, high = cv2.boundingRect(hull)
    rim = max(3, round(0.02 * max(wide, high)))
    rows = slice(max(0, top - rim), top + high + rim)
    columns = slice(max(0, left - rim), left + wide + rim)
    inside = np.zeros(pixels.shape[:2], np.uint8)
    cv2.fillConvexPoly(inside, hull, 1)
    near = cv2.dilate(inside[rows, columns], np.ones((2 * rim + 1, 2 * rim + 1), np.uint8)) > 0
    part = pixels[rows, columns]
    paper = ink.paper_of(pixels)[rows, columns]
    light = part[near] / np.maximum(paper[near], 1.0)
    share = (light + NEARLY) / (1 + NEARLY)
    clear, stained = int(np.argmax(colour)), int(np.argmin(colour))
    tint = np.log((colour[clear] + NEARLY) / (colour[stained] + NEARLY))
    cover = np.clip(np.log(share[:, clear] / share[:, stained]) / tint, 0, 1.5)
    cover[_is_other(light, colour)] = 0
    uncovered = np.clip(share[:, clear] / (colour[clear] + NEARLY) ** cover, 0, 1)
    part[near] = np.round(uncovered[:, None] * paper[near])


def _is_other(light: NDArray[np.float64], colour: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return (n,) True for pixels (n, 3) of a clearly different hue."""
    rows = np.clip(np.concatenate([light, colour[None]]), 0, 1).astype(np.float32)
    hue = cv2.cvtColor(rows[None], cv2.COLOR_RGB2HSV)[0, :, 0] / 2
    away = np.abs(_turn(hue[:-1] - hue[-1]))
    return np.asarray((away > HUES) & (255 * np.ptp(light, axis=1) > COLOURED / 2))


def has_ring(mask: NDArray[np.uint8]) -> bool:
    """Return True if a (height, width) mask has a circle rounder than drawn by hand: a seal's."""
    scale = min(1.0, RING_SIDE / max(mask.shape))
    if min(mask.shape) * scale < 2 * RING_LEAST:
        return False
    small = cv2.resize(mask, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    small = np.where(small > 40, 255, 0).astype(np.uint8)
    least = round(RING_RADIUS * max(small.shape))
    rings = cv2.HoughCircles(
        cv2.GaussianBlur(small, (3, 3), 0),
        cv2.HOUGH_GRADIENT,
        1.5,
        minDist=20,
        param1=100,
        param2=40,
        minRadius=max(RING_LEAST, least),
        maxRadius=max(RING_LEAST + 1, round(2 / 3 * min(small.shape))),
    )
    if rings is None:
        return False
    near = np.pad(cv2.dilate(small, np.ones((3, 3), np.uint8)) > 0, RING_SIDE)
    turns = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    return any(
        near[
            np.round(y + radius * np.sin(turns)).astype(int) + RING_SIDE,
            np.round(x + radius * np.cos(turns)).astype(int) + RING_SIDE,
        ].mean()
        >= ROUND
        for x, y, middle in rings[0][:RINGS]
        for radius in middle + np.arange(-3, 4)
    )
