"""From a picture to a network's input, by the recipe on a detector's card, and back to the picture.

The recipe's keys:

* `size`: [height, width] of the input; null for the picture's own; for "shortest" [px, px].
* `resize`: "stretch" (to exactly that size), "letterbox" (to fit into it, padded to it),
  "longest" (to fit into it, not padded), "shortest" (so that the shorter side has the first number
  of `size`, and the longer at most the second) or "none".
* `multiple`: the sides of "shortest" are rounded up to multiples of it, down if it is negative.
  Optional, 1.
* `interpolation`: "bilinear" (of the nearest four pixels), "area" (the mean of all that a pixel
  of the input covers), or exactly that of another library, see siamkit_objects.resample: "torch"
  (its interpolate), "torch-antialias" (its antialiased one, on bytes) or "pillow".
* `place`: of a letterboxed picture, "centre" or "corner" (left top). Optional, "centre".
* `channels`: "RGB" or "BGR". `layout`: "NCHW" or "NHWC".
* `scale`, `mean`, `std`: x = (pixels * scale - mean) / std, the last two with 3 numbers.
* `pad`: what letterboxing pads with, as a pixel's value in 0 .. 255.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from siamkit.errors import MissingWeights
from siamkit_objects import resample

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHOICES = {
    "resize": ("stretch", "letterbox", "longest", "shortest", "none"),
    "interpolation": ("bilinear", "area", *resample.FILTERS),
    "place": ("centre", "corner"),
    "channels": ("RGB", "BGR"),
    "layout": ("NCHW", "NHWC"),
}
# Pixels of a picture up to which its resized values are not rounded to 8 bits, which measured 0.1
# points of AP. In a larger one, the copy in 32 bits would cost more than it gives.
UNROUNDED = 4_000_000
MAX_SIDE = 8192  # px of an input: networks take a tenth of it


@dataclass(frozen=True, slots=True)
class Frame:
    """Place of a picture in the input of a network."""

    picture: tuple[int, int]  # height, width; px
    input: tuple[int, int]  # height, width; px
    scale: tuple[float, float]  # input px per px of the picture, across and down
    origin: tuple[int, int] = (0, 0)  # left, top of the picture in the input; px

    def to_picture(self, boxes: NDArray[Any]) -> NDArray[np.float32]:
        """Convert (n, 4) boxes in input px to px of the picture, not clipped."""
        corners = (boxes - np.array(self.origin * 2)) / np.array(self.scale * 2)
        return np.asarray(corners, np.float32)

    def to_input(self, points: NDArray[Any]) -> NDArray[np.float32]:
        """Convert (n, 2) points in px of the picture to input px."""
        placed = points * np.array(self.scale) + np.array(self.origin)
        return np.asarray(placed, np.float32)


def prepare(
    pixels: NDArray[np.uint8], recipe: Mapping[str, Any]
) -> tuple[NDArray[np.float32], Frame]:
    """Return the input of one picture, (1, 3, h, w) or (1, h, w, 3) float32, and its frame.

    pixels: (height, width, 3) RGB.
    """
    resized, frame = _resize(pixels, recipe)
    if recipe["channels"] == "BGR":
        resized = resized[..., ::-1]
    if recipe["layout"] == "NCHW":
        resized = resized.transpose(2, 0, 1)
    array = np.ascontiguousarray(resized, np.float32)[None]
    shape: tuple[int, ...] = (1, 3, 1, 1) if recipe["layout"] == "NCHW" else (1, 1, 1, 3)
    std = np.array(recipe["std"], np.float64)
    factor = recipe["scale"] / std
    offset = np.array(recipe["mean"], np.float64) / std
    if np.ptp(factor) == np.ptp(offset) == 0:  # a single number is several times faster
        factor, offset, shape = factor[:1], offset[:1], (1,)
    if (factor != 1).any():
        array *= factor.astype(np.float32).reshape(shape)
    if offset.any():
        array -= offset.astype(np.float32).reshape(shape)
    return array, frame


def require_recipe(recipe: Mapping[str, Any], kind: str = "detector") -> None:
    """Raise MissingWeights unless a recipe has every key, each with a value that it may have."""
    for key, choices in CHOICES.items():
        if recipe.get(key, "centre" if key == "place" else None) not in choices:
            raise MissingWeights(
                f"this {kind}'s card has the input {key} {recipe.get(key)!r}, not one of"
                f" {', '.join(choices)}"
            )
    size = recipe.get("size")
    is_sized = _are_numbers(size, 2, int) and all(0 < side <= MAX_SIDE for side in size or ())
    if not (is_sized or (size is None and recipe["resize"] == "none")):
        raise MissingWeights(f"this {kind}'s card has the input size {size!r}, not [height, width]")
    for key, count in (("scale", 0), ("mean", 3), ("std", 3), ("pad", 0)):
        value: Any = recipe.get(key)
        if not _are_numbers(value if count else [value], count or 1) or (
            key == "std" and 0 in value
        ):
            raise MissingWeights(f"this {kind}'s card has the input {key} {value!r}")
    multiple = recipe.get("multiple", 1)
    if type(multiple) is not int or not 0 < abs(multiple) <= MAX_SIDE:
        raise MissingWeights(f"this {kind}'s card has the input multiple {multiple!r}")


def _are_numbers(values: object, count: int, *types: type) -> bool:
    return (
        isinstance(values, list)
        and len(values) == count
        and all(type(value) in (types or (int, float)) for value in values)
    )


def _resize(pixels: NDArray[np.uint8], recipe: Mapping[str, Any]) -> tuple[NDArray[Any], Frame]:
    height, width = picture = pixels.shape[:2]
    how = recipe["resize"]
    if how == "none":
        return pixels, Frame(picture, picture, (1.0, 1.0))
    rows, columns = recipe["size"]
    size = _resized(picture, recipe)
    resized: NDArray[Any] = pixels
    if size != picture:
        resized = _interpolate(pixels, size, recipe["interpolation"])
    scale = (size[1] / width, size[0] / height)
    if how != "letterbox":
        return resized, Frame(picture, size, scale)
    left, top = 0, 0
    if recipe.get("place", "centre") == "centre":
        left, top = (columns - size[1]) // 2, (rows - size[0]) // 2
    canvas = np.full((rows, columns, 3), recipe["pad"], np.float32)
    canvas[top : top + size[0], left : left + size[1]] = resized
    return canvas, Frame(picture, (rows, columns), scale, (left, top))


def _resized(picture: tuple[int, int], recipe: Mapping[str, Any]) -> tuple[int, int]:
    """Return the height, width that a picture is resized to, before it is padded."""
    rows, columns = recipe["size"]
    if recipe["resize"] == "stretch":
        return rows, columns
    if recipe["resize"] == "shortest":
        is_torch = recipe["interpolation"] == "torch"
        multiple = recipe.get("multiple", 1)
        return resample.fit(picture, rows, columns, floored=is_torch, multiple=multiple)
    height, width = picture
    ratio = min(rows / height, columns / width)
    if recipe["interpolation"] in resample.FILTERS:  # whose libraries round 0.5 up
        return max(1, int(height * ratio + 0.5)), max(1, int(width * ratio + 0.5))
    return max(1, round(height * ratio)), max(1, round(width * ratio))


def _interpolate(pixels: NDArray[np.uint8], size: tuple[int, int], how: str) -> NDArray[Any]:
    if how in resample.FILTERS:
        return resample.FILTERS[how](pixels, size)
    method = cv2.INTER_AREA if how == "area" else cv2.INTER_LINEAR
    source = pixels.astype(np.float32) if pixels[..., 0].size <= UNROUNDED else pixels
    resized: NDArray[Any] = cv2.resize(source, size[::-1], interpolation=method)
    return resized
