"""Random variants of a picture that keep its style: the size of strokes, nearly, and colours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEAST_SIDE = 0.7  # of each side, that a cut keeps: strokes grow by 1 / 0.7 at most


def augment(array: NDArray[np.uint8], own: np.random.Generator) -> NDArray[np.uint8]:
    """Return a variant of a (height, width, 3) uint8 picture; the input is unchanged.

    own: draws the cut, and whether it is mirrored.
    """
    from PIL import Image as pil

    height, width = array.shape[:2]
    across, down = (side * own.uniform(LEAST_SIDE, 1.0) for side in (width, height))
    left, top = own.uniform(0, width - across), own.uniform(0, height - down)
    cut = pil.fromarray(array).resize(
        (width, height), pil.Resampling.BILINEAR, box=(left, top, left + across, top + down)
    )
    variant: NDArray[np.uint8] = np.asarray(cut)
    return variant[:, ::-1] if own.random() < 0.5 else variant
