"""Find the straight lines of a sheet: ruled paper, the boxes of forms.

A rule is longer, straighter and more even than any stroke of a hand, and on ruled paper it has
neighbours. Along the slope at which thin dark pixels gather in the fewest rows, lines are the rows
that are filled. The limits were chosen so that of clean signatures of CEDAR and BHSig260 only
those lose pixels whose scans have a printed line or a dark rim.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

BLUR = 2  # px by which a scanner widens a line
LEAST = 0.45  # of the sheet's width or height: shorter lines may be strokes
SHORTEST = 60  # px, of the reduced sheet, whatever its size
STEEPEST = 0.1  # px down per px along: 6 degrees
STEP = 0.0025  # between slopes that are tried first, then a tenth of it
POINTS = 4_000  # dark pixels that choose the slope
THICKEST = 0.008  # of the sheet's longer side, or 6 px
REACH = 3.0  # px around a rule's middle from which it is fitted
NEAR, AROUND = 1.5, 5.0  # px: a rule's pixels lie near its middle, few others are around
ALONE = 0.6  # least share of the pixels around that are near
WAVER = 0.4  # px, standard deviation of a rule's middle from a straight line, at most
FILLED = 0.3  # least share of a rule's columns that are dark: dots
GAP = (12, 0.025)  # px, or of the width: between dashes, and where ink crosses
RIM = 0.04  # of the sheet: lines that all lie so near its edges are rims of a scan, not ruling
EVEN = 0.05  # of a rule's length by which the ends of parallel rules differ, at most


class Rule(NamedTuple):
    """A line y = slope x + start from one column to another, in px."""

    slope: float
    start: float
    columns: tuple[int, int]  # half open
    thickness: float

    def scaled(self, scale: float) -> Rule:
        """Return the rule of a picture that is so many times as large."""
        left, right = (round(end * scale) for end in self.columns)
        middle = (self.start + 0.5 - 0.5 * self.slope) * scale - 0.5 + 0.5 * self.slope
        return Rule(self.slope, middle, (left, right), self.thickness * scale)


class Line(NamedTuple):
    """A rule, if its measures say so."""

    rule: Rule
    waver: float  # px, standard deviation of its middle from a straight line
    alone: float  # share of the dark thin pixels around that are near
    visible: tuple[int, int]  # columns in which it is on the sheet

    def is_rule(self, least: float) -> bool:
        """Return True if it is at least so many px long, and straight, and stands alone."""
        long = self.rule.columns[1] - self.rule.columns[0] >= least
        return long and self.waver <= WAVER and self.alone >= ALONE

    def is_like(self, usual: Rule) -> bool:
        """Return True if it is parallel to a rule, and as long on the sheet."""
        ends = np.clip(usual.columns, *self.visible)
        slack = EVEN * (usual.columns[1] - usual.columns[0])
        short = np.abs(ends - self.rule.columns).max() > slack
        return not short and abs(self.rule.slope - usual.slope) <= 2 * STEP


def find_rules(mask: NDArray[np.uint8]) -> list[Rule]:
    """Find the nearly horizontal rules of a (height, width) mask."""
    height, width = mask.shape
    least = max(LEAST * width, SHORTEST)
    thickest = round(max(6.0, THICKEST * max(mask.shape))) + BLUR
    kernel = np.ones((thickest + 1, 1), np.uint8)
    broad = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, kernel), dtype=np.uint8)
    thin = np.where(broad, 0, mask).astype(np.uint8)
    y, x = np.nonzero(thin)
    if len(x) < FILLED * SHORTEST:
        return []
    slope = _find_slope(x, y)
    rows = np.round(y - slope * x).astype(int)
    counts = np.bincount(rows - rows.min()).astype(np.float32)
    gathered = 3 * cv2.blur(counts[:, None], (1, 3)).ravel()
    peaks = gathered == cv2.dilate(gathered[:, None], np.ones((7, 1))).ravel()
    enough = gathered >= FILLED * least

    def fit(chosen: NDArray[np.bool_]) -> list[Line]:
        starts = np.flatnonzero(peaks & chosen) + rows.min()
        lines = (_fit_line(thin, broad, slope, float(start), least) for start in starts)
        return [line for line in lines if line is not None]

    lines = fit(enough)
    rules = [line.rule for line in lines if line.is_rule(least)]
    if len(rules) > 1:  # then others may be short, cut by the sheet's edge, or crossed by much ink
        usual = _usual(rules)
        lines += fit(~enough & (gathered >= FILLED * SHORTEST))
        rules += [line.rule for line in lines if not line.is_rule(least) and line.is_like(usual)]
    middles = np.array([rule.slope * width / 2 + rule.start for rule in rules])
    inner = (middles > RIM * height) & (middles < (1 - RIM) * height)
    return _distinct(rules) if inner.any() else []


def _usual(rules: list[Rule]) -> Rule:
    """Return a rule with the median slope and columns."""
    left, right = np.median([rule.columns for rule in rules], axis=0)
    return Rule(float(np.median([rule.slope for rule in rules])), 0.0, (int(left), int(right)), 0.0)


def _distinct(rules: list[Rule]) -> list[Rule]:
    """Return the rules from the top down, each once."""
    distinct: list[Rule] = []
    for rule in sorted(rules, key=lambda rule: rule.slope * sum(rule.columns) / 2 + rule.start):
        if not distinct or not _is_same(distinct[-1], rule):
            distinct.append(rule)
    return distinct


def _find_slope(x: NDArray[np.int64], y: NDArray[np.int64]) -> float:
    """Return the slope along which the pixels gather in the fewest rows."""
    stride = len(x) // POINTS + 1
    x, y = x[::stride], y[::stride]

    def sharpness(slope: float) -> float:
        rows = np.round(y - slope * x).astype(int)
        return float((np.bincount(rows - rows.min()).astype(float) ** 2).sum())

    coarse = max(np.arange(-STEEPEST, STEEPEST + STEP / 2, STEP), key=sharpness)
    return float(max(coarse + np.arange(-9, 10) * STEP / 10, key=sharpness))


def _fit_line(
    thin: NDArray[np.uint8], broad: NDArray[np.uint8], slope: float, start: float, least: float
) -> Line | None:
    """Fit a line to the thin pixels near it; None if they are too few, or too short."""
    height, width = thin.shape
    y, x = _near(thin, slope, start, AROUND + REACH)
    for reach in (REACH, NEAR, NEAR):
        near = np.abs(y - slope * x - start) <= reach
        if near.sum() < FILLED * SHORTEST:
            return None
        slope, start = _regress(x[near], y[near])
    columns = np.arange(width)
    rows = np.round(slope * columns + start).astype(int)
    on_sheet = np.flatnonzero((rows >= 0) & (rows < height))
    if not len(on_sheet):
        return None
    visible = int(on_sheet[0]), int(on_sheet[-1]) + 1
    least = min(least, (1 - EVEN) * (visible[1] - visible[0]))
    dark = np.zeros(width, np.uint8)
    for step in (-1, 0, 1):
        dark |= thin[np.clip(rows + step, 0, height - 1), columns]
    crossed = broad[np.clip(rows, 0, height - 1), columns]
    left, right = _longest(dark | crossed, max(GAP[0], round(GAP[1] * width)))
    free = (right - left) - np.count_nonzero((crossed & ~dark)[left:right])
    if right - left < least or np.count_nonzero(dark[left:right]) <= FILLED * free:
        return None
    y, x = _near(thin, slope, start, AROUND)  # of the line as it is fitted
    within = (x >= left) & (x < right)
    if not (np.abs(y - slope * x - start) <= REACH)[within].any():
        return None
    thickness, waver, alone = _measure(x[within], (y - slope * x - start)[within])
    return Line(Rule(slope, start, (left, right), thickness), waver, alone, visible)


def _regress(x: NDArray[np.int64], y: NDArray[np.int64]) -> tuple[float, float]:
    """Return slope and start of the line with the least squared distances down."""
    middle = float(x.mean())
    offset = x - middle
    slope = float(offset @ (y - y.mean()) / max(float(offset @ offset), 1.0))
    return slope, float(y.mean()) - slope * middle


def _near(
    thin: NDArray[np.uint8], slope: float, start: float, reach: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return y and x of the pixels that are at most so many px above or below a line."""
    height, width = thin.shape
    ends = start, start + slope * (width - 1)
    top = int(np.clip(min(ends) - reach, 0, height))
    y, x = np.nonzero(thin[top : int(np.clip(max(ends) + reach + 1, 0, height))])
    near = np.abs(y + top - slope * x - start) <= reach
    return y[near] + top, x[near]


def _measure(x: NDArray[np.int64], away: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return thickness, waver and the share of pixels near a line, given their px below it."""
    near = np.abs(away) <= REACH
    counts = np.bincount(x[near])
    middles = np.bincount(x[near], weights=away[near])[counts > 0] / counts[counts > 0]
    counts = counts[counts > 0]
    thickness = float(np.median(counts))
    bare = counts <= thickness + 1  # where no stroke runs along it
    alone = float((np.abs(away) <= NEAR).mean())
    return thickness, float(middles[bare].std()), alone


def _longest(dark: NDArray[np.uint8], gap: int) -> tuple[int, int]:
    """Return start and stop of the longest run of columns, across gaps of so many px."""
    joined = cv2.morphologyEx(dark[None], cv2.MORPH_CLOSE, np.ones((1, gap + 1), np.uint8))[0] > 0
    ends = np.flatnonzero(np.diff(np.concatenate([[0], joined, [0]]).astype(np.int8)))
    runs = ends.reshape(-1, 2)
    left, right = runs[np.argmax(runs[:, 1] - runs[:, 0])] if len(runs) else (0, 0)
    return int(left), int(right)


def _is_same(one: Rule, other: Rule) -> bool:
    middle = sum(one.columns) / 2
    return abs((one.slope - other.slope) * middle + one.start - other.start) < AROUND / 2
