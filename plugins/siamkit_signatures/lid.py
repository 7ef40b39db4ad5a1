"""The dark ground beyond a page: a scanner's open lid, the table under a photographed sheet."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

COARSE = 400  # px: the longer side at which the ground is looked for
DARK = 0.45  # of the paper's level: the ground is darker
THICK = 5  # coarse px: narrower dark pieces, such as letters and rules at the edge, stay
LEAST, MOST = 0.004, 0.6  # of the picture; more is a dark sheet, with light ink
ALONG = 0.3  # of one edge of the picture that the ground lies along, at least
RIM = 2  # coarse px around the ground that are its shadow


def lift_lid(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a (height, width, 3) picture whose dark ground has the level of its paper.

    The ground is dark, thick and lies along an edge. A picture without one is returned as it is.
    """
    scale = COARSE / max(pixels.shape[:2])
    size = tuple(max(1, round(side * min(1.0, scale))) for side in pixels.shape[1::-1])
    grey = cv2.cvtColor(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    level = float(np.percentile(grey, 75))
    dark = cv2.morphologyEx(
        (grey < DARK * level).astype(np.uint8),
        cv2.MORPH_OPEN,
        np.ones((THICK, THICK), np.uint8),
        borderType=cv2.BORDER_REPLICATE,
    )
    count, labels = cv2.connectedComponents(dark, connectivity=8)
    edges = labels[0], labels[-1], labels[:, 0], labels[:, -1]
    along = np.max([np.bincount(edge, minlength=count) / len(edge) for edge in edges], axis=0)
    along[0] = 0  # the paper
    ground = (along >= ALONG)[labels].astype(np.uint8)
    if not LEAST <= ground.mean() <= MOST:
        return pixels
    ground = cv2.dilate(ground, np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8))
    whole = cv2.resize(ground, pixels.shape[1::-1], interpolation=cv2.INTER_NEAREST) > 0
    lifted = pixels.copy()
    lifted[whole] = np.median(pixels[~whole], axis=0).astype(np.uint8)
    return lifted
