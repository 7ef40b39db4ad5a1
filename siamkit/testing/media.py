"""Test media: blank ones, regions to cut out of one, noise inside a region; and equality."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from math import ceil
from typing import Any

import numpy as np

from siamkit.testing.rule import NotRun
from siamkit.types import Clip, Image, Region

MIN_LENGTH = 10  # pixels of a side, or samples, that a medium needs to be cut
SHARE = 0.4  # of the shorter side
SIZES = ((64, 48), (48, 64), (1, 1), (1, 64), (64, 1))  # height, width of blank pictures
BLANK: Mapping[str, Sequence[Any]] = {
    "image": [Image(np.full((*s, 3), level, np.uint8)) for level in (255, 0) for s in SIZES],
    "audio": [Clip(np.zeros(count, np.float32), 16_000) for count in (16_000, 1)],
    "text": [""],
}


def blank_media(kind: str, media: Sequence[Any]) -> Sequence[Any]:
    """Blank pictures, silences or an empty text: what cameras and microphones give now and then.

    Raises NotRun for a kind that the kit does not know, or media of another class.
    """
    blanks = copy.deepcopy(BLANK.get(kind, ()))
    if not blanks or (media and type(blanks[0]) is not type(media[0])):
        raise NotRun("the kit has no blank medium of its class")
    return blanks


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


def same_value(left: Any, right: Any) -> bool:
    """True if two values are equal in type and in every number; NaN equals NaN.

    Raises NotRun for objects that do not tell whether they are equal.
    """
    kind = type(left)
    if left is right or kind is not type(right):
        return left is right
    if hasattr(kind, "__array__"):  # tensors and tables too, whose == is a tensor or a table
        return _same_arrays(np.asarray(left), np.asarray(right))
    if is_dataclass(left):  # whose own == cannot compare arrays
        return all(same_value(getattr(left, f.name), getattr(right, f.name)) for f in fields(left))
    if isinstance(left, Mapping):
        return left.keys() == right.keys() and all(same_value(left[k], right[k]) for k in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same_value, left, right))
    if kind.__eq__ is not vars(object)["__eq__"]:
        return bool(left == right or (left != left and right != right))
    if not hasattr(left, "__dict__"):  # it holds what Python cannot see
        raise NotRun(f"two objects of {kind.__name__} cannot be compared: give it an __eq__")
    shared = vars(left).keys() & vars(right).keys()  # the others are cached values
    return all(same_value(vars(left)[name], vars(right)[name]) for name in shared)


def _same_arrays(left: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> bool:
    if left.dtype != right.dtype or left.shape != right.shape:
        return False
    if left.dtype.kind == "O":
        return all(map(same_value, left.ravel(), right.ravel()))
    return np.array_equal(left, right, equal_nan=left.dtype.kind in "fc")
