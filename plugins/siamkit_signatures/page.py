"""Components of ink on a page, and which of them are rows of print.

A component is a connected piece of ink. Boxes are (n, 4) float64, left, top, right, bottom in px,
half open.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

MAX_COMPONENTS = 4000  # components that are considered, the largest first
LEAST_HEIGHT = 4.0  # px, of a legible letter
SOLID = 0.6  # text heights: thicker pieces are blots, holes, logos, the scanner's lid
GAP = 1.3  # text heights between two letters of one row, at most
REGULAR = 0.08  # text heights by which the feet of print leave a line, at most
EVEN = 0.3  # text heights by which the letters' heights differ, as a median, at most
TURNED = 2.0  # times as many letters in columns as in rows: the page lies on its side


class Print(NamedTuple):
    """Limits for printed letters of one size, in units of their height."""

    height: float  # of a letter, in text heights of the page
    lowest: float
    highest: float
    widest: float  # of letters that run together
    row: int  # least number of pieces in a row


# Small print runs together at a scanner's resolution. The letters of headings stand apart and are
# as large as handwriting, so they must be more alike to count as print.
PRINTS = (
    Print(1.0, lowest=0.35, highest=2.0, widest=8.0, row=4),
    Print(1.7, lowest=0.5, highest=1.35, widest=2.0, row=5),
    Print(2.9, lowest=0.5, highest=1.35, widest=2.0, row=5),
)


class Parts(NamedTuple):
    """n components of a mask."""

    labels: NDArray[np.int32]  # (height, width): a component's number from 1, or 0
    numbers: NDArray[np.int64]  # (n,) of the components, in labels
    boxes: NDArray[np.float64]  # (n, 4)
    areas: NDArray[np.float64]  # (n,) px
    thickness: NDArray[np.float64]  # (n,) px: twice the largest distance from the rim

    def only(self, keep: NDArray[np.bool_]) -> Parts:
        return Parts(
            self.labels,
            self.numbers[keep],
            self.boxes[keep],
            self.areas[keep],
            self.thickness[keep],
        )


def find_components(mask: NDArray[np.uint8]) -> Parts:
    """Find the components of a (height, width) mask, without specks."""
    count, label_image, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    labels = np.asarray(label_image, dtype=np.int32)
    distance = np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, 3), dtype=np.float64)
    widest = np.zeros(count)
    inked = mask > 0
    np.maximum.at(widest, labels[inked], distance[inked])
    boxes = np.column_stack([stats[:, :2], stats[:, :2] + stats[:, 2:4]]).astype(np.float64)
    areas = np.asarray(stats[:, cv2.CC_STAT_AREA], dtype=np.float64)
    parts = Parts(labels, np.arange(count), boxes, areas, 2.0 * widest)
    keep = parts.areas >= 4
    keep[0] = False  # the paper
    if keep.sum() > MAX_COMPONENTS:
        keep &= parts.areas >= np.sort(parts.areas[keep])[-MAX_COMPONENTS]
    return parts.only(keep)


def sizes(boxes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (n,) widths and (n,) heights."""
    return boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]


def text_height(parts: Parts) -> float:
    """Return the median height of a letter in px; 0 if there is none."""
    widths, heights = sizes(parts.boxes)
    letters = (heights >= LEAST_HEIGHT) & (widths < 6 * heights) & (widths >= 2)
    return float(np.median(heights[letters])) if letters.any() else 0.0


def gaps(boxes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (n, n) px between each two boxes, across and down; negative where they overlap."""
    low, high = boxes[:, :2], boxes[:, 2:]
    gap = np.maximum(low[:, None], low) - np.minimum(high[:, None], high)
    return gap[:, :, 0], gap[:, :, 1]


def group_near(boxes: NDArray[np.float64], across: float, down: float) -> NDArray[np.int64]:
    """Return (n,) group numbers: chains of boxes at most so many px apart form a group."""
    return chain(*neighbours(boxes, across, down), len(boxes))


def neighbours(
    boxes: NDArray[np.float64], across: float, down: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the row numbers of each two boxes at most so many px apart, each pair once.

    across: 0 or more. down: may be negative, for boxes that overlap by so much of their height.
    Sweeps from left to right: of the millions of pairs on a dense page, few are near.
    """
    order = np.argsort(boxes[:, 0], kind="stable")
    ends = np.searchsorted(boxes[order, 0], boxes[order, 2] + across, side="right")
    place = np.arange(len(boxes))
    counts = np.maximum(ends - place - 1, 0)
    first = np.repeat(place, counts)
    second = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts) + first + 1
    left, right = order[first], order[second]
    close = -_shared_height(boxes, left, right) <= down
    return left[close], right[close]


def _shared_height(
    boxes: NDArray[np.float64], left: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the px of height that two boxes share; negative if one is below the other."""
    bottom = np.minimum(boxes[left, 3], boxes[right, 3])
    return np.asarray(bottom - np.maximum(boxes[left, 1], boxes[right, 1]), dtype=np.float64)


def is_print(boxes: NDArray[np.float64], height: float) -> NDArray[np.bool_]:
    """Return (n,) True for components in rows of print, or in columns if the page is turned.

    A row of print has several letters of nearly equal height whose feet stand on a straight line;
    handwriting is less even and has fewer pieces. height: of a letter, in px.
    """
    level = np.zeros(len(boxes), dtype=np.bool_)
    upright = level.copy()
    for kind in PRINTS:
        level |= _is_in_row(boxes, kind, height)
        upright |= _is_in_row(boxes[:, [1, 0, 3, 2]], kind, height)
    return upright if upright.sum() > TURNED * level.sum() else level


def _is_in_row(boxes: NDArray[np.float64], kind: Print, text_height: float) -> NDArray[np.bool_]:
    in_row = np.zeros(len(boxes), dtype=np.bool_)
    height = kind.height * text_height
    widths, heights = sizes(boxes)
    fitting = (heights >= kind.lowest * height) & (heights <= kind.highest * height)
    letters = np.flatnonzero(fitting & (widths <= kind.widest * height))
    groups = _row_groups(boxes[letters], height)
    for group in np.flatnonzero(np.bincount(groups) >= kind.row):
        members = letters[groups == group]
        if _is_regular(boxes[members], height):
            in_row[members] = True
    return in_row


def _row_groups(boxes: NDArray[np.float64], height: float) -> NDArray[np.int64]:
    """Group letters side by side that share at least half of the lower one's height."""
    left, right = neighbours(boxes, GAP * height, 0.0)
    heights = sizes(boxes)[1]
    lower = np.minimum(heights[left], heights[right])
    level = _shared_height(boxes, left, right) >= 0.5 * lower
    return chain(left[level], right[level], len(boxes))


def chain(left: NDArray[np.int64], right: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return (count,) group numbers from 0, given pairs of row numbers that belong together."""
    if not count:
        return np.zeros(0, dtype=np.int64)
    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _is_regular(boxes: NDArray[np.float64], height: float) -> bool:
    """True if the feet of most letters lie on one straight line, and their heights are alike."""
    heights = sizes(boxes)[1]
    spread = float(np.median(np.abs(heights - np.median(heights))))
    return waver(boxes) <= max(REGULAR * height, 0.8) and spread <= EVEN * height


def waver(boxes: NDArray[np.float64]) -> float:
    """Return how far the feet of most boxes are from a straight line, in px.

    It is the median distance, or a higher percentile of few boxes: a line through half of four
    points is always found. Heads do not count: those of Devanagari hang on a line.
    """
    x = (boxes[:, 0] + boxes[:, 2]) / 2
    share = 50 + 50 * min(1.0, 2.0 / max(len(x) - 2, 1))
    slope, start = _fit_line(x, boxes[:, 3])
    return float(np.percentile(np.abs(boxes[:, 3] - slope * x - start), share))


def _fit_line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Fit slope and start of a line through most of the points: median slope (Theil and Sen)."""
    order = np.argsort(x)
    half = max(1, len(x) // 2)
    left, right = order[:half], order[-half:]
    slope = float(np.median((y[right] - y[left]) / np.maximum(x[right] - x[left], 1)))
    slope = float(np.clip(slope, -0.2, 0.2))
    return slope, float(np.median(y - slope * x))
