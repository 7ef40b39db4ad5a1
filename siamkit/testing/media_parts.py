"""Cut test regions out of a medium, and change the medium inside one."""

from __future__ import annotations

import copy
from math import ceil
from typing import Any

import numpy as np

from siamkit.types import Clip, Image, Region

MIN_LENGTH = 10  # pixels of a side, or samples, that a medium needs to be cut
SHARE = 0.4  # of the shorter side


def corner(medium: Any) -> Region | None:
    """The top right of a picture, or a late stretch of a sound, without landmarks or mask.

    Its edges lie between pixels. A crop that swaps rows and columns cuts another corner.
    None for a medium that is too small, and for a plugin's own class.
    """
    if isinstance(medium, Image) and min(medium.pixels.shape[:2]) >= MIN_LENGTH:
        height, width = medium.pixels.shape[:2]
        side = SHARE * min(height, width)
        return Region((width - side, 0.0, width - 0.25, side), 0.9)
    if isinstance(medium, Clip) and len(medium.samples) >= MIN_LENGTH:
        return Region((0.5 * medium.seconds, 0.9 * medium.seconds), 0.9)
    return None


def speck(medium: Any) -> Region | None:
    """A region smaller than a pixel or a sample; None for a plugin's own class."""
    if isinstance(medium, Image):
        return Region((0.1, 0.1, 0.4, 0.4), 0.9)
    return Region((0.0, 0.1 / medium.rate), 0.9) if isinstance(medium, Clip) else None


def with_noise(medium: Any, region: Region) -> Any:
    """A copy of the medium with noise inside a region of `corner`."""
    noisy, rng = copy.deepcopy(medium), np.random.default_rng(0)
    assert region.where is not None
    if isinstance(noisy, Image):
        left, top, right, bottom = region.where  # type: ignore[misc]
        inner = noisy.pixels[ceil(top) : int(bottom), ceil(left) : int(right)]
        inner[:] = rng.integers(0, 256, inner.shape)
    else:
        start, stop = (round(edge * noisy.rate) for edge in region.where)
        noisy.samples[start:stop] = rng.uniform(-0.5, 0.5, stop - start)
    return noisy


def is_empty(medium: Any) -> bool:
    """True for a picture without pixels, or a sound without samples."""
    if isinstance(medium, Image):
        return medium.pixels.size == 0
    return isinstance(medium, Clip) and len(medium.samples) == 0
