"""How much a group of ink is shaped like a signature: a few measures, weighed.

The weights are those of a logistic regression on 133 generated pages (text, rules, tables, stamps,
logos; three of four with a signature of CEDAR or BHSig260): 418 groups, 86 of them signatures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from siamkit_signatures import page

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit_signatures.page import Parts

RIM = 0.06  # of the box's shorter side: stamps and tables have their ink there
STRAIGHT = 0.8  # text heights: level or upright runs as long are those of frames and print
LETTERS = 0.5  # of the median height: lower pieces are dots, which stand on no line
# In the order of measures().
WEIGHTS = np.array(
    (-0.31, 2.07, -2.635, -1.851, -1.92, -1.17, 1.063, -14.907, -27.275, -2.201, -0.047, -0.17)
)
BIAS = -5.245


def score(one: Parts, printed: NDArray[np.float64], height: float) -> float:
    """The probability in [0, 1] that a group is a signature; see measures()."""
    return float(1 / (1 + np.exp(-(measures(one, printed, height) @ WEIGHTS + BIAS))))


def measures(one: Parts, printed: NDArray[np.float64], height: float) -> NDArray[np.float64]:
    """(12,) what a group of components is like, free of its absolute size.

    printed is (n, 4), boxes of the letters in rows of print; height is theirs, in px.
    """
    box = union(one.boxes)
    wide, high = box[2] - box[0], box[3] - box[1]
    left, top, right, bottom = box.astype(int)
    part = np.isin(one.labels[top:bottom, left:right], one.numbers).astype(np.uint8)
    area = float(part.sum())
    kernel = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    inner = cv2.countNonZero(cv2.erode(np.pad(part, 1), kernel))
    stroke = 2 * area / max(area - inner, 1.0)
    heights = page.sizes(one.boxes)[1]
    letters = heights >= LETTERS * np.median(heights)
    shared = np.minimum(printed[:, 2:], box[2:]) - np.maximum(printed[:, :2], box[:2])
    across, down = np.clip(shared, 0, None).T
    return np.array(
        [
            np.log(high / height),
            np.log(wide / height),
            np.log(area / (wide * high)),
            one.areas.max() / area,
            np.log(len(one.areas)),
            np.log(stroke / height),
            np.log(area / stroke / (wide + high)),  # the strokes' length
            _on_rim(part) / area,
            (across * down).sum() / (wide * high),  # covered by print
            _straight(part, height) / area,
            page.waver(one.boxes[letters]) / height,
            np.std(np.log(heights[letters])),
        ]
    )


def union(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """(4,) the smallest box around (n, 4) boxes, n > 0."""
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def _on_rim(part: NDArray[np.uint8]) -> float:
    edge = max(1, int(RIM * min(part.shape)))
    if min(part.shape) <= 2 * edge:
        return float(part.sum())
    return float(part.sum()) - float(part[edge:-edge, edge:-edge].sum())


def _straight(part: NDArray[np.uint8], height: float) -> float:
    """Pixels that lie in long level or upright runs of ink."""
    run = max(3, int(STRAIGHT * height))
    level = cv2.morphologyEx(part, cv2.MORPH_OPEN, np.ones((1, run), np.uint8))
    upright = cv2.morphologyEx(part, cv2.MORPH_OPEN, np.ones((run, 1), np.uint8))
    return float(cv2.max(level, upright).sum())
