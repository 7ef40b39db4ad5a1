"""Lift ruling off a picture: lined and squared paper, forms, the line that one signs on.

Rules are found on the whole sheet, where they are longer than the writing: along the slope at which
thin dark pixels gather in the fewest rows, a rule is a row that is filled, straight and even. Each
is then divided out like the paper, so ink that shows through it keeps its shade; where rules hide
the ink, strokes are joined across them. A sheet without rules is returned as it came, so these
constants change no picture that an encoder was trained on.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from siamkit_signatures import ink
from siamkit_signatures.lines import BLUR, Rule, find_rules

SHADE = 0.3  # quantile of a rule's light along its length that is divided out
SAMPLED = 400  # columns that say what light a rule leaves
FAINT = 0.03  # of the paper's light: noise of what is nearly black
EDGE = 4.0  # times a rule's thickness: so near the sheet's edge are the ends of lines cut by it
SHOWN = 0.5  # of the strokes across the rules: if fewer show through, the rules hide ink


class Crossing(NamedTuple):
    """Places where strokes meet a rule; k rows around it, n columns."""

    rows: NDArray[np.int64]  # (k, n)
    columns: NDArray[np.int64]  # (n,)
    hidden: NDArray[np.bool_]  # (k, n) on the rule, without ink, though a stroke leads there
    sides: tuple[NDArray[np.int64], NDArray[np.int64]]  # (n,) rows just above and below the rule
    strokes: int  # columns with ink above and below
    shown: int  # of these, with ink between


def lift_rules(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a (height, width, 3) RGB picture without its rules; the same array if it has none."""
    small = ink.reduce(pixels, ink.MAX_SIDE)
    mask = ink.binarise(small, faint=True)
    across, down = find_rules(mask), find_rules(np.ascontiguousarray(mask.T))
    if not across and not down:
        return pixels
    scale = max(pixels.shape) / max(small.shape)
    lifted = 255 - pixels if ink.is_inverted(ink.reduce(pixels, ink.COARSE)) else pixels.copy()
    sheets = [(lifted, rule.scaled(scale)) for rule in across]
    sheets += [(lifted.transpose(1, 0, 2), rule.scaled(scale)) for rule in down]
    for sheet, rule in sheets:
        _divide_out(sheet, rule)
    mask = _clear_edges(lifted, EDGE * max(rule.thickness for _, rule in sheets))
    masks = [mask] * len(across) + [mask.T] * len(down)
    crossings = [_find_crossing(m, rule) for m, (_, rule) in zip(masks, sheets, strict=True)]
    shown = sum(crossing.shown for crossing in crossings)
    if shown < SHOWN * sum(crossing.strokes for crossing in crossings):
        for (sheet, _), crossing in zip(sheets, crossings, strict=True):
            _join(sheet, crossing)
    return lifted


def _band(
    pixels: NDArray[np.uint8], rule: Rule
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return rows (k, n) and columns (n,) around a rule, and each pixel's px below its middle."""
    reach = int(np.ceil(rule.thickness / 2)) + BLUR + 1
    columns = np.arange(
        max(0, rule.columns[0] - BLUR), min(pixels.shape[1], rule.columns[1] + BLUR)
    )
    middle = rule.slope * columns + rule.start
    rows = np.round(middle).astype(int) + np.arange(-reach, reach + 1)[:, None]
    return rows, columns, rows - middle


def _divide_out(pixels: NDArray[np.uint8], rule: Rule) -> None:
    """Divide a rule out in place."""
    rows, columns, distance = _band(pixels, rule)
    on_sheet = (rows >= 0) & (rows < len(pixels))
    band = pixels[np.clip(rows, 0, len(pixels) - 1), columns] / 255.0
    rim = np.maximum(band[0], band[-1]).astype(np.float32)
    wide = min(255, max(31, len(columns) // 20)) | 1
    paper = np.stack([_running_median(plane, wide) for plane in rim.T], axis=1)
    share = band / np.maximum(paper, FAINT)
    phase = np.floor(4 * (distance + 0.125)).astype(int)
    light = np.ones_like(share)
    some = np.arange(len(columns)) % (len(columns) // SAMPLED + 1) == 0
    for step in np.unique(phase[on_sheet]):
        here = on_sheet & (phase == step)
        sample = share[here & some] if (here & some).any() else share[here]
        light[here] = np.minimum(1, np.quantile(sample, SHADE, axis=0))
    cleared = np.clip((share + FAINT) / (light + FAINT), 0, 1) * paper
    brighter = np.round(255 * np.maximum(band, cleared)).astype(np.uint8)
    column_of = np.broadcast_to(columns, rows.shape)
    pixels[rows[on_sheet], column_of[on_sheet]] = brighter[on_sheet]


def _clear_edges(pixels: NDArray[np.uint8], depth: float) -> NDArray[np.uint8]:
    """Clear in place what is within so many px of the edges. Returns the mask of the other ink."""
    mask = ink.binarise(pixels)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    near = np.zeros(count, dtype=bool)
    for start, length, side in ((0, 2, mask.shape[1]), (1, 3, mask.shape[0])):
        near |= stats[:, start] + stats[:, length] <= depth
        near |= stats[:, start] >= side - depth
    near[0] = False  # the paper
    if near.any():
        cut = cv2.dilate(near[labels].astype(np.uint8), np.ones((2 * BLUR + 1,) * 2)) > 0
        pixels[cut] = ink.paper_of(pixels)[cut]
        mask[near[labels]] = 0
    return mask


def _running_median(values: NDArray[np.float32], wide: int) -> NDArray[np.float64]:
    """Return the median of so many values around each one of a row."""
    grey = np.round(255 * values).astype(np.uint8)[None]
    padded = cv2.copyMakeBorder(grey, 0, 0, wide, wide, cv2.BORDER_REFLECT)
    rows = np.repeat(padded, 3, axis=0)
    return np.asarray(cv2.medianBlur(rows, wide)[1, wide:-wide] / 255.0)


def _find_crossing(mask: NDArray[np.uint8], rule: Rule) -> Crossing:
    """Find where strokes of a (height, width) mask meet a rule that has been divided out."""
    rows, columns, distance = _band(mask, rule)
    rows = np.clip(rows, 0, len(mask) - 1)
    half = rule.thickness / 2 + 0.5
    middle, out = len(rows) // 2, int(np.ceil(half)) + 1
    sides = rows[middle - out], rows[middle + out]
    above, below = (mask[side, columns] > 0 for side in sides)
    inked = mask[rows, columns] > 0
    through = above & below
    slanted = np.logical_and(*(_widen(side) for side in (above, below)))
    hidden = (np.abs(distance) <= half + 0.5) & (above | below | slanted) & ~inked
    shown = int((through & inked[middle]).sum())
    return Crossing(rows, columns, hidden, sides, int(through.sum()), shown)


def _widen(columns: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(np.convolve(columns, np.ones(3), "same") > 0)


def _join(pixels: NDArray[np.uint8], crossing: Crossing) -> None:
    """Draw in place what the rule hides of the strokes, in the darker colour of both sides."""
    rows, columns, hidden = crossing.rows, crossing.columns, crossing.hidden
    above, below = (pixels[side, columns] for side in crossing.sides)
    colours = np.broadcast_to(np.minimum(above, below), (*rows.shape, 3))
    pixels[rows[hidden], np.broadcast_to(columns, rows.shape)[hidden]] = colours[hidden]
