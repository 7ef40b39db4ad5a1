"""The reranker `keypoints`: do two pictures show the same flat thing, seen from two sides?

XFeat (G. Potje et al., CVPR 2024) finds corners and describes each by 64 numbers. Corners that are
each other's nearest are matches, and those of a flat thing, such as a logo, a label or a note, all
fit one homography: the more do, the surer. Two different things share a dozen by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from siamkit.sdk.onnx import Session, session
from siamkit.types import Image, Threshold

if TYPE_CHECKING:
    from siamkit.types import Vectors

WEIGHTS = Path(__file__).with_name("xfeat.onnx")  # tools/keypoint_network.py writes it
CELL, STEP = 8, 32  # px: side of a cell of the outputs; sides of the input are multiples of STEP
# px: the longer side of a crop is scaled to it, small crops are enlarged. On logos the AUC is 0.70
# without enlarging, and 0.83 at 256 px; added to the cosine, 512 px put more brands first.
SIDE = 512
MOST = 800  # corners of a crop, the strongest
LEAST = 0.05  # score of a corner, from XFeat's own code
APART = 5  # px: side of the square in which a corner is the strongest
ALIKE = 0.82  # cosine of two corners, from XFeat's own code
OFF = 4.0  # px of the scaled crop: greatest distance of a match from the homography
ROUNDS = 1000  # of four matches each
DESCRIBED = 512  # crops whose corners are kept at once: 0.1 GB


@dataclass(frozen=True, slots=True, eq=False)
class Corners:
    """The corners of one crop."""

    points: NDArray[np.float32]  # (n, 2) x, y, px of the scaled crop
    descriptors: NDArray[np.float32]  # (n, 64), each of norm 1

    @property
    def order(self) -> bytes:
        """Key to sort two crops by, so that scores do not depend on their order."""
        return self.points.tobytes() + self.descriptors.tobytes()


@cache
def _network() -> Session:
    return session(WEIGHTS)


def find_corners(pixels: NDArray[np.uint8]) -> Corners:
    """Find and describe the corners of a crop: (height, width, 3) RGB of any size."""
    grey = _scale(pixels)
    height, width = grey.shape
    inputs = {"image": grey.astype(np.float32)[None, None] / 255}
    fields, logits, reliability = (output[0] for output in _network().run(None, inputs))
    scores = _corner_scores(logits)
    peaks = (scores >= cv2.dilate(scores, np.ones((APART, APART), np.uint8))) & (scores > LEAST)
    y, x = np.nonzero(peaks)
    strengths = scores[y, x] * cv2.resize(reliability[0], (width, height))[y, x]
    best = np.argsort(-strengths, kind="stable")[:MOST]
    points = np.stack([x[best], y[best]], axis=1).astype(np.float32)
    return Corners(points, _describe(fields, points))


def _scale(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the grey crop (height, width), scaled to the size that the network sees."""
    height, width = pixels.shape[:2]
    scale = SIDE / max(height, width)
    size = [max(STEP, round(side * scale / STEP) * STEP) for side in (width, height)]
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(pixels, size, interpolation=method)
    return cv2.cvtColor(scaled, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)


def _corner_scores(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a probability per pixel. logits: (65, rows, columns), 64 pixels of a cell and none."""
    shares = np.exp(logits - logits.max(axis=0))
    shares = (shares / shares.sum(axis=0))[:-1]
    rows, columns = shares.shape[1:]
    cells = shares.reshape(CELL, CELL, rows, columns).transpose(2, 0, 3, 1)
    return np.ascontiguousarray(cells.reshape(rows * CELL, columns * CELL))


def _describe(fields: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (n, 64) descriptors of points, between those of the cells (64, rows, columns)."""
    if not len(points):
        return np.empty((0, len(fields)), np.float32)
    fields = _unit(fields, axis=0)
    x, y = (points.T[:, :, None] / CELL - 0.5).astype(np.float32)
    rows = [
        cv2.remap(field, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for field in fields
    ]
    described = np.concatenate(rows, axis=1)
    return _unit(described, axis=1)


def _unit(vectors: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    norms = np.linalg.norm(vectors, axis=axis, keepdims=True)
    units: NDArray[np.float32] = vectors / np.maximum(norms, np.finfo(np.float32).tiny)
    return units


def count_inliers(left: Corners, right: Corners) -> int:
    """Count the matches that fit one homography; 0 if there is none."""
    if left.order > right.order:
        left, right = right, left
    if min(len(left.points), len(right.points)) < 4:
        return 0
    cosines = left.descriptors @ right.descriptors.T
    there, back = cosines.argmax(axis=1), cosines.argmax(axis=0)
    rows = np.arange(len(there))
    matched = np.flatnonzero((back[there] == rows) & (cosines[rows, there] > ALIKE))
    if len(matched) < 4:
        return 0
    pairs = left.points[matched], right.points[there[matched]]
    # Its seed is fixed. Plain RANSAC is as good, and takes 30 times as long where nothing fits.
    homography, fits = cv2.findHomography(*pairs, cv2.USAC_MAGSAC, OFF, maxIters=ROUNDS)
    return int(fits.sum()) if homography is not None else 0


@dataclass(frozen=True, slots=True)
class Fit:
    """A logistic map: the odds are offset + by_corners * log(1 + inliers) + by_cosine * cosine."""

    offset: float
    by_corners: float
    limit: float  # the probability that 1 % of the pairs of different logos exceed
    by_cosine: float = 0.0
    most_cosine: float = 1.0  # a higher one counts as this: alike is not the same


# benchmarks/keypoints.py fits them to seven of fourteen brands of logos, as if half of all pairs
# were the same. The cosine counts up to what 5 % of the different pairs exceed; from there, 12 or
# 13 inliers are needed. For other encoders, whose cosines have another scale, only inliers count.
ANY_ENCODER = Fit(-5.842, 2.51, 0.753)
FITTED = {
    "efficientnet-lite0": Fit(-8.628, 1.792, 0.83, 12.093, 0.46),
    "detail": Fit(-6.713, 1.642, 0.88, 12.854, 0.34),
    "fused": Fit(-7.319, 1.611, 0.828, 13.22, 0.36),
}
SOURCE = "different brands of FlickrLogos-27, true boxes"
# Half of the pairs of one logo lie above it (EfficientNet-Lite0), and 3 % of the different ones.
CANDIDATES = 0.5


class Keypoints:
    """See siamkit.protocols.Reranker. Safe to use from several threads: nothing in it changes."""

    name = "keypoints"

    def __init__(self, encoder: str | None) -> None:
        """Open it for the vectors of an encoder of siamkit's own, by name; None for any other."""
        self.fit = FITTED.get(encoder or "", ANY_ENCODER)
        self.threshold = Threshold(self.fit.limit, fmr=0.01, source=SOURCE)
        self.candidates = CANDIDATES

    def score(
        self,
        left: Sequence[Image],
        right: Sequence[Image],
        left_vectors: Vectors,
        right_vectors: Vectors,
    ) -> NDArray[np.float32]:
        """Return (n,) probabilities that left[i] and right[i] show the same.

        left_vectors, right_vectors: (n, dim).
        """
        crops = {id(crop): crop for crop in (*left, *right)}
        corners = lru_cache(DESCRIBED)(lambda key: find_corners(crops[key].pixels))
        pairs = [(id(a), id(b)) for a, b in zip(left, right, strict=True)]
        inliers = [count_inliers(corners(a), corners(b)) for a, b in pairs]
        fit = self.fit
        cosines = np.minimum((left_vectors * right_vectors).sum(axis=1), fit.most_cosine)
        odds = fit.offset + fit.by_corners * np.log1p(inliers) + fit.by_cosine * cosines
        probabilities: NDArray[np.float32] = (1 / (1 + np.exp(-odds))).astype(np.float32)
        return probabilities
