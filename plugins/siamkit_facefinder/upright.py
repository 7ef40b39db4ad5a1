"""Turn a face upright by its five landmarks, and cut it out.

A similarity transform, fitted by least squares, takes the landmarks to given places: in a chip of
112 x 112 px those of ArcFace (J. Deng et al., CVPR 2019), which OpenCV and SFace use, too.

A matrix here is (2, 3) float64 and maps a pixel of what is cut to a pixel of the picture; x and y
are counted from the centre of the top left pixel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pil

CHIP_SIDE = 112  # px: the side of a chip
MIN_SCALE = 1e-6  # px of a chip per px of the picture: less is not a face
# px of the chip: the eye on the left of the picture, the eye on its right, the tip of the nose,
# the left and the right corner of the mouth.
CHIP_POINTS = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)


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


def upright_matrix(
    points: NDArray[np.float64], places: NDArray[np.float64] = CHIP_POINTS
) -> NDArray[np.float64]:
    """Return the matrix that cuts an upright face. points: (5, 2) px of the picture.

    places: where they belong in what is cut, (5, 2) px. The fit is the best one there, as when the
    network was trained, and is inverted here. Points without a shape, such as those on one spot,
    give a matrix of zeros.
    """
    there = fit(points, places) if np.ptp(points, axis=0).any() else np.zeros((2, 3))
    if np.hypot(*there[:, 0]) < MIN_SCALE:
        return np.zeros((2, 3))
    back = np.linalg.inv(there[:, :2])
    return np.column_stack([back, -back @ there[:, 2]])


def move(matrix: NDArray[np.float64], points: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Map (n, 2) px of what is cut to px of the picture."""
    return points @ matrix[:, :2].T + matrix[:, 2]


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
