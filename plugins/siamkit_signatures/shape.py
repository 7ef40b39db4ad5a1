"""Score how much a group of ink is shaped like a signature: a logistic model of a few measures.

tools/signature_shape.py fits it to 380 drawn pages: letters, forms, tables and stamps, scanned,
faxed or photographed, unsigned or with signatures of CEDAR and BHSig260.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from siamkit_signatures import page
from siamkit_signatures.page import Parts

RIM = 0.06  # of the box's shorter side: stamps and tables have their ink there
STRAIGHT = 0.8  # text heights: frames and print have horizontal or vertical runs at least as long
LETTERS = 0.5  # of the median height: lower pieces are dots, which need not stand on a line
# In the order of measures().
WEIGHTS = np.array(
    (-0.623, 1.312, -3.499, -1.077, -1.881, 0.348, 3.654, -20.829, -29.413, -1.04, -0.143, 1.099)
)
BIAS = -4.908


def score(group: Parts, printed: NDArray[np.float64], height: float) -> float:
    """Return the probability in [0, 1] that a group is a signature; see measures()."""
    return float(1 / (1 + np.exp(-(measures(group, printed, height) @ WEIGHTS + BIAS))))


def measures(group: Parts, printed: NDArray[np.float64], height: float) -> NDArray[np.float64]:
    """Return (12,) measures of a group of components, none of which depends on absolute size.

    printed: (n, 4) boxes of the letters in rows of print. height: of these letters, in px.
    """
    box = union(group.boxes)
    wide, high = box[2] - box[0], box[3] - box[1]
    left, top, right, bottom = box.astype(int)
    part = np.isin(group.labels[top:bottom, left:right], group.numbers).astype(np.uint8)
    area = float(part.sum())
    kernel = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    inner = cv2.countNonZero(cv2.erode(np.pad(part, 1), kernel))
    stroke = 2 * area / max(area - inner, 1.0)
    heights = page.sizes(group.boxes)[1]
    letters = heights >= LETTERS * np.median(heights)
    shared = np.minimum(printed[:, 2:], box[2:]) - np.maximum(printed[:, :2], box[:2])
    across, down = np.clip(shared, 0, None).T
    return np.array(
        [
            np.log(high / height),
            np.log(wide / height),
            np.log(area / (wide * high)),
            group.areas.max() / area,
            np.log(len(group.areas)),
            np.log(stroke / height),
            np.log(area / stroke / (wide + high)),  # the strokes' length
            _on_rim(part) / area,
            (across * down).sum() / (wide * high),  # covered by print
            _straight(part, height) / area,
            page.waver(group.boxes[letters]) / height,
            np.std(np.log(heights[letters])),
        ]
    )


def union(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (4,) the smallest box around (n, 4) boxes, n > 0."""
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def _on_rim(part: NDArray[np.uint8]) -> float:
    edge = max(1, int(RIM * min(part.shape)))
    if min(part.shape) <= 2 * edge:
        return float(part.sum())
    return float(part.sum()) - float(part[edge:-edge, edge:-edge].sum())


def _straight(part: NDArray[np.uint8], height: float) -> float:
    """Count the pixels in long horizontal or vertical runs of ink."""
    run = max(3, int(STRAIGHT * height))
    level = cv2.morphologyEx(part, cv2.MORPH_OPEN, np.ones((1, run), np.uint8))
    upright = cv2.morphologyEx(part, cv2.MORPH_OPEN, np.ones((run, 1), np.uint8))
    return float(cv2.max(level, upright).sum())
