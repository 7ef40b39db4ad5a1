"""YuNet: one pass of a convolutional network over a picture, read as boxes and landmarks.

W. Wu, H. Peng, S. Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence
Research 20, 2023; the weights of March 2023. `tools/face_networks.py` takes them from the package
that ships them.

Each cell of 8, 16 and 32 input pixels has two confidences, whose geometric mean is the score, a
box (centre, and the logarithm of its sides) and five landmarks, in cells from its own corner.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from siamkit.sdk.onnx import Session

GRAPH = Path(__file__).with_name("yunet.onnx")
CELLS = (8, 16, 32)  # px of the input: sides of the cells; the input's are multiples of the last
OUTPUTS = ("cls", "obj", "bbox", "kps")
MAX_IOU = 0.3  # boxes with a larger intersection over union are one face; OpenCV's value


class Detections(NamedTuple):
    """n faces, best first, in pixels of the picture."""

    boxes: NDArray[np.float32]  # (n, 4) left, top, right, bottom
    scores: NDArray[np.float32]  # (n,) in [0, 1]
    points: NDArray[np.float32]  # (n, 5, 2) x, y: eyes, nose, corners of the mouth


class YuNet:
    """Opens the graph on first use; threads may run it at once."""

    @cached_property
    def _session(self) -> Session:
        from siamkit.sdk.onnx import session

        return session(GRAPH)

    def detect(
        self, pixels: NDArray[np.uint8], scale: float, border: int, threshold: float
    ) -> Detections:
        """Detect faces in a (height, width, 3) RGB picture, resized by a scale first.

        border: px of black around the resized picture. threshold: the least score, in [0, 1].
        """
        from PIL import Image

        height, width = pixels.shape[:2]
        columns, rows = (max(1, round(side * scale)) for side in (width, height))
        picture = Image.fromarray(pixels).resize(
            (columns, rows), Image.Resampling.BILINEAR, reducing_gap=2.0
        )
        shape = [-(-(side + 2 * border) // CELLS[-1]) * CELLS[-1] for side in (rows, columns)]
        planes = np.zeros((1, 3, *shape), np.float32)
        inner = planes[0, :, border : border + rows, border : border + columns]
        inner[:] = np.asarray(picture)[:, :, ::-1].transpose(2, 0, 1)  # blue, green, red
        names = [f"{name}_{cell}" for cell in CELLS for name in OUTPUTS]
        outputs = self._session.run(names, {"input": planes})
        faces = decode(outputs, shape[1], threshold)
        grow = np.array([width / columns, height / rows], np.float32)
        boxes = (faces.boxes - border) * np.tile(grow, 2)
        return Detections(boxes, faces.scores, (faces.points - border) * grow)


def decode(outputs: list[NDArray[np.float32]], width: int, threshold: float) -> Detections:
    """Decode the network's outputs for one picture into faces, in pixels of its input.

    outputs: for each of CELLS those of OUTPUTS, (1, cells, …) in reading order. width: px of the
    input.
    """
    levels = []
    for level, cell in enumerate(CELLS):
        start = level * len(OUTPUTS)
        confidences, presences, sides, landmarks = (
            output[0] for output in outputs[start : start + len(OUTPUTS)]
        )
        scores = np.sqrt(np.clip(confidences, 0, 1) * np.clip(presences, 0, 1))[:, 0]
        places = np.flatnonzero(scores >= threshold)
        corners = np.stack([places % (width // cell), places // (width // cell)], axis=1)
        centres = (corners + sides[places, :2]) * cell
        halves = np.exp(sides[places, 2:]) * cell / 2
        points = (corners[:, None] + landmarks[places].reshape(-1, 5, 2)) * cell
        boxes = np.concatenate([centres - halves, centres + halves], axis=1)
        levels.append((boxes, scores[places], points))
    boxes, scores, points = (np.concatenate(parts) for parts in zip(*levels, strict=True))
    return suppress_overlaps(
        Detections(boxes.astype(np.float32), scores, points.astype(np.float32))
    )


def suppress_overlaps(faces: Detections) -> Detections:
    """Non-maximum suppression: sort best first, and of overlapping boxes keep the best."""
    best: list[int] = []
    for row in np.argsort(-faces.scores, kind="stable"):
        if all(iou(faces.boxes[row], faces.boxes[better]) <= MAX_IOU for better in best):
            best.append(int(row))
    return Detections(faces.boxes[best], faces.scores[best], faces.points[best])


def iou(box: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return the intersection over union of two boxes, in [0, 1]."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = ((right - left) * (bottom - top) for left, top, right, bottom in (box, other))
    return float(width * height / (sum(areas) - width * height))


def concatenate(passes: Sequence[Detections]) -> Detections:
    """Join the detections of several passes over one picture, in their order."""
    return Detections(*(np.concatenate(parts) for parts in zip(*passes, strict=True)))
