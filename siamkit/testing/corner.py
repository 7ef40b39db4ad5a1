"""A corner of a medium, for what must look at a part: its region, and the medium changed in it."""

from __future__ import annotations

import copy
from math import ceil
from typing import Any

import numpy as np

from siamkit.types import Clip, Image, Region

LEAST = 10  # pixels of a side, or samples, of which a part can be cut
SHARE = 0.4  # of the shorter side


def corner(medium: Any) -> Region | None:
    """The right top of a picture, or a late stretch of a sound, without landmarks or mask.

    Its edges lie between pixels. What has rows and columns mixed up looks at another corner.
    None for what is too small, and for a plugin's own class.
    """
    if isinstance(medium, Image) and min(medium.pixels.shape[:2]) >= LEAST:
        height, width = medium.pixels.shape[:2]
        side = SHARE * min(height, width)
        return Region((width - side, 0.0, width - 0.25, side), 0.9)
    if isinstance(medium, Clip) and len(medium.samples) >= LEAST:
        return Region((0.5 * medium.seconds, 0.9 * medium.seconds), 0.9)
    return None


def speck(medium: Any) -> Region | None:
    """A region of less than a pixel, or a sample; None for what has no such."""
    if isinstance(medium, Image):
        return Region((0.1, 0.1, 0.4, 0.4), 0.9)
    return Region((0.0, 0.1 / medium.rate), 0.9) if isinstance(medium, Clip) else None


def with_noise(medium: Any, region: Region) -> Any:
    """A copy with noise where `corner` has found the region."""
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
    """True for a picture or a sound of which nothing is left."""
    if isinstance(medium, Image):
        return medium.pixels.size == 0
    return isinstance(medium, Clip) and len(medium.samples) == 0
