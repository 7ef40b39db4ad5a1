"""Segment anything: the mask of what a prompt marks, or of everything.

A. Kirillov et al., "Segment Anything", ICCV 2023 (arXiv 2304.02643), and SAM 2. The graph encodes
the picture if `pixels` is not empty, and reads its features from `cached…` otherwise. It takes p
prompts of k points each, `points` (1, p, k, 2) x, y in px of the input, `labels` (1, p, k), see the
constants below, and gives masks, logits (p, m, h, w) of the square of `side` px in whose left top
corner the input lies, scores (p, m) and the features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.sdk.masks import of_picture
from siamkit.sdk.prompts import require_inside
from siamkit_objects import inputs
from siamkit_objects.resample import enlarge, enlarge_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from siamkit.sdk.detector_folder import DetectorCard
    from siamkit.types import Prompt, Region
    from siamkit_objects.folder import Network
    from siamkit_objects.inputs import Frame

PADDING, NOT_OBJECT, OBJECT, LEFT_TOP, RIGHT_BOTTOM = -1, 0, 1, 2, 3  # labels of points
# Of "everything", as in the paper's mask generator, whose grid is 32 x 32 and takes four times as
# long: points a side, points a run, the least stability, and the overlap of repeated masks.
GRID = 16
AT_ONCE = 16  # 16 prompts take 300 MB with a network of the usual size
STABLE = 0.95
STABILITY_OFFSET = 1.0  # of the logits
SAME = 0.7


class Encoded:
    """A picture whose features the network has computed, or will with the first prompt."""

    def __init__(self, network: Network, card: DetectorCard, pixels: NDArray[np.uint8]) -> None:
        self._network, self._card = network, card
        self._pixels, self.frame = inputs.prepare(pixels, card.input)
        self._features = [np.zeros((0, *shape), np.float32) for shape in card.decode["features"]]

    def predict(self, points: NDArray[Any], labels: NDArray[Any]) -> tuple[Any, Any]:
        """Return masks (p, m, h, w) and scores (p, m) for points (p, k, 2) and labels (p, k).

        points: px of the picture.
        """
        placed = self.frame.to_input(points.reshape(-1, 2)).reshape(1, *points.shape)
        cached = {f"cached{number}": array for number, array in enumerate(self._features)}
        masks, scores, *self._features = self._network.run(
            {
                "pixels": self._pixels,
                "points": placed,
                "labels": labels[None].astype(np.int64),
                **cached,
            }
        )
        self._pixels = self._pixels[:0]
        return masks, scores

    def enlarge(self, logits: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return the mask (height, width) of the picture for logits (h, w) of the square."""
        height, width = self.frame.input
        side = self._card.decode["side"]
        if side is not None:
            logits = enlarge_whole(logits[None], (side, side))[0, :height, :width]
        mask = np.empty(self.frame.picture, bool)
        for rows, strip in enlarge(logits[None], self.frame.picture):
            mask[rows] = strip[0] > 0
        return mask


def find_prompted(
    network: Network, card: DetectorCard, pixels: NDArray[np.uint8], prompt: Prompt
) -> list[Region]:
    """Return the masks that a prompt may mean, best first: the part, the object, its surroundings.

    Raises BadInput for a prompt outside the picture, or with neither a point nor a box.
    """
    height, width = pixels.shape[:2]
    require_inside(prompt, width, height)
    points, labels = _to_points(prompt, card)
    encoded = Encoded(network, card, pixels)
    masks, scores = encoded.predict(points[None], labels[None])
    regions = [
        of_picture(encoded.enlarge(masks[0, row]), _to_share(scores[0, row]))
        for row in np.argsort(-scores[0], kind="stable")
    ]
    return [region for region in regions if region]


def _to_points(prompt: Prompt, card: DetectorCard) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the points (k, 2) and labels (k,) of a prompt."""
    corners = [prompt.box[:2], prompt.box[2:]] if prompt.box else []
    marks = [*prompt.points, *prompt.not_points, *corners]
    labels = [OBJECT] * len(prompt.points) + [NOT_OBJECT] * len(prompt.not_points)
    labels += [LEFT_TOP, RIGHT_BOTTOM] if corners else []
    if not corners or card.decode["padded"]:
        marks.append((0.0, 0.0))
        labels.append(PADDING)
    return np.array(marks, np.float64), np.array(labels)


def _to_share(score: float) -> float:
    return float(np.clip(score, 0, 1))


def find(network: Network, card: DetectorCard, pixels: NDArray[np.uint8]) -> list[Region]:
    """Return a mask per thing and part of a thing, best first, none twice."""
    encoded = Encoded(network, card, pixels)
    planes, scores = [], []
    for points, labels in _grid(*encoded.frame.picture):
        masks, certainty = encoded.predict(points, labels)
        masks = masks.reshape(-1, *masks.shape[2:])
        is_good = certainty.ravel() >= card.min_score
        is_good[is_good] = _stability(_inside(masks[is_good], encoded.frame, card)) >= STABLE
        planes.append(masks[is_good])
        scores.append(certainty.ravel()[is_good])
    logits, certainty = np.concatenate(planes), np.concatenate(scores)
    regions = []
    for row in _distinct(_inside(logits, encoded.frame, card) > 0, certainty)[: card.max_regions]:
        region = of_picture(encoded.enlarge(logits[row]), _to_share(certainty[row]))
        regions += [region] if region else []
    return regions


def _grid(height: int, width: int) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Yield points (p, 2, 2) over a picture, each with its padding, and labels (p, 2)."""
    shares = (np.arange(GRID) + 0.5) / GRID
    x, y = np.meshgrid(shares * width, shares * height)
    points = np.zeros((GRID * GRID, 2, 2))
    points[:, 0] = np.stack([x.ravel(), y.ravel()], axis=1)
    labels = np.tile([OBJECT, PADDING], (AT_ONCE, 1))
    for start in range(0, len(points), AT_ONCE):
        yield points[start : start + AT_ONCE], labels


def _inside(masks: NDArray[np.float32], frame: Frame, card: DetectorCard) -> NDArray[np.float32]:
    """Return the part of logits (n, h, w) that shows the picture and not its padding."""
    side = card.decode["side"]
    if side is None:
        return masks
    height, width = (
        -(-edge * length // side) for edge, length in zip(frame.input, masks.shape[1:], strict=True)
    )
    return masks[:, :height, :width]


def _stability(masks: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the overlaps of n masks, cut a little higher and lower: 1 if their edges are sharp."""
    core = (masks > STABILITY_OFFSET).sum(axis=(1, 2))
    whole = (masks > -STABILITY_OFFSET).sum(axis=(1, 2))
    return np.asarray(core / np.maximum(whole, 1))


def _distinct(masks: NDArray[np.bool_], scores: NDArray[np.float32]) -> list[int]:
    """Return the rows of masks (n, h, w) that no better one covers like itself, best first."""
    flat = masks.reshape(len(masks), masks[0].size if len(masks) else 0).astype(np.float32)
    common, areas = flat @ flat.T, flat.sum(axis=1)
    overlaps = common / np.maximum(areas[:, None] + areas - common, 1)
    rows: list[int] = []
    for row in np.argsort(-scores, kind="stable").tolist():
        if areas[row] and not (overlaps[row, rows] > SAME).any():
            rows.append(row)
    return rows
