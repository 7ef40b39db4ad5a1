"""Remove ruling from a mask: the lines of forms, tables and ruled paper.

A rule is thinner, longer and straighter than any stroke of a hand. Strokes that cross it stay, and
so do long strokes, such as the headline of Devanagari or an underline. A mask is (height, width)
uint8, 255 where there is ink.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

RUN = (12, 40)  # px, least and greatest length of the unbroken runs that hint at a rule
RUNS = 40  # runs per width of the picture, within those limits
STEEPEST = 0.1  # px down per px along: 6 degrees
WAVER = 0.6  # px, standard deviation of a rule's middle from a straight line, at most
FILLED = 0.6  # least share of a rule's length in unbroken runs
THICKEST = 0.008  # of the picture's longer side, or 4 px


class Rule(NamedTuple):
    """A line y = slope x + start from one column to another, in px."""

    slope: float
    start: float
    columns: tuple[int, int]  # half open
    thickness: float


def remove_rules(mask: NDArray[np.uint8], across: float, down: float) -> NDArray[np.uint8]:
    """Remove horizontal and vertical lines of at least this share of the mask's width or height.

    Hands draw straight down more often than straight across, so `down` should be larger.
    """
    height, width = mask.shape
    cleared = mask.copy()
    for rule in find_rules(mask, across * width):
        _erase(cleared, rule)
    turned = np.ascontiguousarray(cleared.T)
    for rule in find_rules(turned, down * height):
        _erase(turned, rule)
    return np.ascontiguousarray(turned.T)


def find_rules(mask: NDArray[np.uint8], least: float) -> list[Rule]:
    """Find the nearly horizontal rules of a mask that are at least `least` px long."""
    width = mask.shape[1]
    run = int(np.clip(width / RUNS, *RUN))
    if least < run:
        return []
    # A thin sloping line is a stair of short runs: one more pixel above and below joins the steps.
    thick = cv2.dilate(mask, np.ones((3, 1), np.uint8))
    runs = cv2.min(mask, cv2.morphologyEx(thick, cv2.MORPH_OPEN, np.ones((1, run), np.uint8)))
    if np.count_nonzero(cv2.reduce(runs, 0, cv2.REDUCE_MAX)) < FILLED * least:
        return []
    joined = cv2.morphologyEx(runs, cv2.MORPH_CLOSE, np.ones((3, 2 * run + 1), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    rules = []
    for label in range(1, count):
        left, top, wide, high, _ = stats[label]
        if wide >= least and high <= STEEPEST * wide + 2 * THICKEST * max(mask.shape) + 4:
            part = (slice(top, top + high), slice(left, left + wide))
            y, x = np.nonzero((labels[part] == label) & (runs[part] > 0))
            rule = _fit_rule(x + left, y + top)
            if rule is not None and rule.thickness <= max(4.0, THICKEST * max(mask.shape)):
                rules.append(rule)
    return rules


def _fit_rule(x: NDArray[np.int64], y: NDArray[np.int64]) -> Rule | None:
    """Fit a rule through pixels; None if they do not form a straight thin line."""
    columns, where, counts = np.unique(x, return_inverse=True, return_counts=True)
    middle = np.bincount(where, weights=y) / counts
    thickness = float(np.median(counts))
    wide = int(columns[-1] - columns[0]) + 1
    keep = counts <= thickness + 1  # ignore strokes that run along it for a while
    for _ in range(3):
        if keep.sum() < max(FILLED * wide, 8):
            return None
        slope, start = np.polyfit(columns[keep], middle[keep], 1)
        residual = middle - (slope * columns + start)
        waver = float(residual[keep].std())
        keep &= np.abs(residual) <= 3 * WAVER  # and letters that a run joined to it
    if abs(slope) > STEEPEST or waver > WAVER:
        return None
    return Rule(float(slope), float(start), (int(columns[0]), int(columns[-1]) + 1), thickness)


def _erase(mask: NDArray[np.uint8], rule: Rule) -> None:
    """Clear the rule in place, except where ink continues above or below it."""
    height = len(mask)
    columns = np.arange(*rule.columns)
    middle = rule.slope * columns + rule.start
    half = (rule.thickness - 1) / 2 + 1
    top = np.clip(np.floor(middle - half + 0.5).astype(int), 0, height - 1)
    bottom = np.clip(np.ceil(middle + half - 0.5).astype(int), 0, height - 1)
    above = (mask[np.maximum(top - 1, 0), columns] > 0) & (top > 0)
    below = (mask[np.minimum(bottom + 1, height - 1), columns] > 0) & (bottom < height - 1)
    bare = ~(above | below)
    for step in range(int((bottom - top).max()) + 1):
        rows = top + step
        clear = bare & (rows <= bottom)
        mask[rows[clear], columns[clear]] = 0
