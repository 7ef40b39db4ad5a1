"""Five landmarks -> the upright 150 x 150 chip that dlib's network was trained on.

The chip is that of dlib's `get_face_chip` (150 px, padding 0.25): a similarity transform, fitted
by least squares, takes a template of five points to the landmarks. dlib's points are the corners
of the eyes and the base of the nose; most detectors know eye centres, the tip of the nose and the
corners of the mouth. Each kind has a template in the same frame, so either gives the same chip,
and both can be fitted together.

A matrix here is (2, 3) float64 and maps a pixel of the result, x and y counted from its left top
pixel's centre, to a pixel of the source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as pil

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE = 150  # px: the side of a chip
PADDING = 0.25  # of the face's side, around it, as dlib's examples set it

# Templates: points in units of the face's side, (0, 0) being its left top corner.
# dlib's own, in dlib's order: the eye at the right of the picture (outer corner, inner corner),
# the eye at its left (outer, inner), the base of the nose.
DLIB_POINTS = np.array(
    [
        [0.8595674595992, 0.2134981538014],
        [0.6460604764104, 0.2289674387677],
        [0.1205750620789, 0.2137274526848],
        [0.3340850613712, 0.2290642403242],
        [0.4901123135679, 0.6277975316475],
    ]
)
# Detectors' points: the eye at the left of the picture, the eye at its right, the tip of the nose,
# the left and the right corner of the mouth. The medians over 3811 pictures of LFW of where
# CenterFace sees them in a chip that was aligned by dlib's points.
POINTS = np.array(
    [
        [0.2210, 0.2232],
        [0.7746, 0.2077],
        [0.4996, 0.5353],
        [0.2725, 0.7757],
        [0.7279, 0.7636],
    ]
)
ALL_POINTS = np.concatenate([POINTS, DLIB_POINTS])


def fit(template: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The similarity transform (S. Umeyama, 1991; without reflection) from template to points.

    Both are (k, 2), the result is (2, 3). In two dimensions a rotation and a scale are one
    complex number, so that least squares have a closed form.
    """
    here, there = template.mean(axis=0), points.mean(axis=0)
    a, b = (template - here).T, (points - there).T
    spread = (a**2).sum()
    cos, sin = (a * b).sum() / spread, (a[0] * b[1] - a[1] * b[0]).sum() / spread
    turn = np.array([[cos, -sin], [sin, cos]])
    return np.column_stack([turn, there - turn @ here])


def chip_matrix(template: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where each pixel of the chip lies in the source, as dlib's `get_face_chip` has it.

    dlib centres a box on the face and stretches its corners to the chip's corner pixels; the
    box is one source pixel smaller than the fitted transform says.
    """
    fitted = fit((template + PADDING) / (1 + 2 * PADDING) * SIZE, points)
    turn, centre = fitted[:, :2], fitted @ np.array([SIZE / 2, SIZE / 2, 1])
    scale = float(np.hypot(*turn[:, 0]))
    if scale > 0:
        turn = turn * (SIZE * scale - 1) / (SIZE - 1) / scale
    return np.column_stack([turn, centre - turn @ np.full(2, (SIZE - 1) / 2)])


def cut(pixels: NDArray[np.uint8], matrix: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    """(size, size, 3): the part of a (height, width, 3) picture that the matrix names.

    Bilinear, black outside of the picture. Where the source has several pixels for one of the
    result, they are averaged in whole blocks first, so that nothing aliases.
    """
    corners = matrix @ np.array([[0, size, 0, size], [0, 0, size, size], [1, 1, 1, 1]])
    block = max(1, int(np.hypot(*matrix[:, 0])))
    bounds = np.array([pixels.shape[1], pixels.shape[0]])
    low = np.clip(np.floor(corners.min(axis=1)) - 2 * block, 0, bounds).astype(int)
    high = np.clip(np.ceil(corners.max(axis=1)) + 2 * block, 0, bounds).astype(int)
    if (high <= low).any():  # wholly outside
        return np.zeros((size, size, 3), dtype=np.uint8)
    part = pil.fromarray(np.ascontiguousarray(pixels[low[1] : high[1], low[0] : high[0]]))
    # Pillow counts from the left top corner of the left top pixel: half a pixel from its centre.
    turn = matrix[:, :2] / block
    start = (matrix[:, 2] + 0.5 - low) / block - turn @ np.full(2, 0.5)
    if block > 1:
        part = part.reduce(block)
    data = (turn[0, 0], turn[0, 1], start[0], turn[1, 0], turn[1, 1], start[1])
    made = part.transform(
        (size, size), pil.Transform.AFFINE, data, resample=pil.Resampling.BILINEAR
    )
    return np.asarray(made)
