"""Random variants of a picture: differences between two photographs of one thing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEAST_SIDE = 0.6  # of each side, that a cut keeps
SHAPE = 0.15  # standard deviation of the logarithm of the cut's aspect ratio
LIGHT, CONTRAST, TINT = 0.15, 0.2, 0.05  # standard deviations: brightness, contrast, one colour
MIRRORED = 0.5  # share of identities whose pictures are all mirrored, to look like another thing


def augment(
    array: NDArray[np.uint8], own: np.random.Generator, shared: np.random.Generator
) -> NDArray[np.uint8]:
    """Return a variant of a (height, width, 3) uint8 picture; the input is unchanged.

    own: draws cut and light. shared: draws mirroring, in the same state for all pictures of an
    identity.
    """
    from PIL import Image as pil

    height, width = array.shape[:2]
    side, shape = own.uniform(LEAST_SIDE, 1.0), np.exp(own.normal(0, SHAPE))
    across = width * min(1.0, side * shape)
    down = height * min(1.0, side / shape)
    left, top = own.uniform(0, width - across), own.uniform(0, height - down)
    box = (left, top, min(left + across, width), min(top + down, height))
    cut = pil.fromarray(array).resize((width, height), pil.Resampling.BILINEAR, box=box)
    levels = np.asarray(cut, dtype=np.float32)
    if shared.random() < MIRRORED:
        levels = levels[:, ::-1]
    mean = levels.mean()
    tint = own.normal(1 + own.normal(0, LIGHT), TINT, 3).astype(np.float32)
    varied = (mean + (levels - mean) * np.float32(np.exp(own.normal(0, CONTRAST)))) * tint
    variant: NDArray[np.uint8] = np.clip(varied, 0, 255).round().astype(np.uint8)
    return variant
