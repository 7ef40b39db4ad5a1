"""From five landmarks to the upright 150 x 150 chip that dlib's network was trained on.

The chip is that of dlib's `get_face_chip` (150 px, padding 0.25): a similarity transform, fitted
by least squares, takes a template of five points to the landmarks. dlib's points are the corners
of the eyes and the base of the nose; most detectors give eye centres, the tip of the nose and the
corners of the mouth. Both sets have a template in the same frame, so either gives the same chip,
and both can be fitted together.

A matrix here is (2, 3) float64 and maps a pixel of the result to a pixel of the source; x and y
are counted from the centre of the top left pixel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pil

CHIP_SIDE = 150  # px: the side of a chip
PADDING = 0.25  # of the face's side, on all four sides, as in dlib's examples

# Templates: points in units of the face's side, (0, 0) being its top left corner.
# dlib's own, in dlib's order: the eye on the right of the picture (outer corner, inner corner),
# the eye on its left (outer, inner), the base of the nose.
DLIB_POINTS = np.array(
    [
        [0.8595674595992, 0.2134981538014],
        [0.6460604764104, 0.2289674387677],
        [0.1205750620789, 0.2137274526848],
        [0.3340850613712, 0.2290642403242],
        [0.4901123135679, 0.6277975316475],
    ]
)
# Detectors' points: the eye on the left of the picture, the eye on its right, the tip of the nose,
# the left and the right corner of the mouth. Medians, over 3811 pictures of LFW, of where
# CenterFace sees them in a chip aligned by dlib's points.
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
    """Fit a similarity transform (S. Umeyama, 1991; without reflection) from template to points.

    Both are (k, 2), the result is (2, 3). In two dimensions rotation and scale are one complex
    number, so least squares has a closed form.
    """
    template_mean, points_mean = template.mean(axis=0), points.mean(axis=0)
    a, b = (template - template_mean).T, (points - points_mean).T
    spread = (a**2).sum()
    cos, sin = (a * b).sum() / spread, (a[0] * b[1] - a[1] * b[0]).sum() / spread
    rotation = np.array([[cos, -sin], [sin, cos]])  # and scale
    return np.column_stack([rotation, points_mean - rotation @ template_mean])


def chip_matrix(template: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrix from the chip's pixels to the source's, as in dlib's `get_face_chip`.

    dlib centres a box on the face and stretches its corners to the chip's corner pixels; the
    box is one source pixel smaller than the fitted transform says.
    """
    fitted = fit((template + PADDING) / (1 + 2 * PADDING) * CHIP_SIDE, points)
    rotation, centre = fitted[:, :2], fitted @ np.array([CHIP_SIDE / 2, CHIP_SIDE / 2, 1])
    scale = float(np.hypot(*rotation[:, 0]))
    if scale > 0:
        rotation = rotation * (CHIP_SIDE * scale - 1) / (CHIP_SIDE - 1) / scale
    return np.column_stack([rotation, centre - rotation @ np.full(2, (CHIP_SIDE - 1) / 2)])


def cut(pixels: NDArray[np.uint8], matrix: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    """Cut the (size, size, 3) part of a (height, width, 3) picture that the matrix maps to.

    Interpolation is bilinear, and black outside the picture. If the source has several pixels for
    one of the result, they are averaged in whole blocks first, so that nothing aliases.
    """
    corners = matrix @ np.array([[0, size, 0, size], [0, 0, size, size], [1, 1, 1, 1]])
    block = max(1, int(np.hypot(*matrix[:, 0])))
    bounds = np.array([pixels.shape[1], pixels.shape[0]])
    low = np.clip(np.floor(corners.min(axis=1)) - 2 * block, 0, bounds).astype(int)
    high = np.clip(np.ceil(corners.max(axis=1)) + 2 * block, 0, bounds).astype(int)
    if (high <= low).any():  # entirely outside
        return np.zeros((size, size, 3), dtype=np.uint8)
    part = pil.fromarray(np.ascontiguousarray(pixels[low[1] : high[1], low[0] : high[0]]))
    # Pillow counts from the corner of the top left pixel: half a pixel from its centre.
    rotation = matrix[:, :2] / block
    start = (matrix[:, 2] + 0.5 - low) / block - rotation @ np.full(2, 0.5)
    if block > 1:
        part = part.reduce(block)
    affine = tuple(np.column_stack([rotation, start]).ravel())
    chip = part.transform(
        (size, size), pil.Transform.AFFINE, affine, resample=pil.Resampling.BILINEAR
    )
    return np.asarray(chip)
