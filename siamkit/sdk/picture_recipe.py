"""Scale and crop a picture as in a network's training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import MissingWeights, NothingFound
from siamkit.types import Image, Region

PREPARED = 1  # version of `prepare`, in every fingerprint: raise it with every change
MODES = ("center", "squash", "border")
FILTERS = ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")
# Constants of an encoder trained by siamkit: those of ImageNet networks of this size.
TRAINED: Mapping[str, Any] = {
    "size": [224, 224],
    "crop": 0.875,
    "mode": "center",
    "interpolation": "bicubic",
    "fill": [128, 128, 128],
    "prepared": PREPARED,
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """A network's preprocessing, in timm's terms.

    A picture is scaled to size / crop by its shorter side (`center`), by its longer side
    (`border`, which fills the rest) or by each side (`squash`), and its centre is cut out.
    """

    size: tuple[int, int]  # height, width of the array
    crop: float  # share of the scaled picture's side that is kept
    mode: str
    interpolation: str  # a filter of Pillow
    fill: tuple[int, int, int]  # colour outside the picture, with `border`


def read_recipe(constants: Mapping[str, Any]) -> Recipe:
    """Read a card's preprocessing. Raises MissingWeights if this version does not know it."""
    try:
        recipe = Recipe(
            (int(constants["size"][0]), int(constants["size"][1])),
            float(constants["crop"]),
            str(constants["mode"]),
            str(constants["interpolation"]),
            (int(constants["fill"][0]), int(constants["fill"][1]), int(constants["fill"][2])),
        )
        if constants["prepared"] != PREPARED:
            raise ValueError("made by another version of the plugin")
        if recipe.mode not in MODES or recipe.interpolation not in FILTERS:
            raise ValueError(f"{recipe.mode}, {recipe.interpolation}")
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise MissingWeights(
            f"the encoder's preprocessing is unknown: {type(error).__name__}: {error}",
            hint="`siamkit encoders list` shows the encoders that fit",
        ) from error
    return recipe


def cut(medium: Image, region: Region) -> Image:
    """Return a region's box, a view of the picture: copies of hundreds would fill the memory.

    What is outside a mask becomes the mean colour of the crop: of 410 photographs of products, cut
    out by `salient`, 45 % find their shop picture first then, 43 % with the background blurred or
    as it is (benchmarks/backgrounds.py). Raises NothingFound if it holds no pixel of the picture.
    """
    if region.where is None:
        return medium
    height, width = medium.pixels.shape[:2]
    left, top, right, bottom = (round(edge) for edge in (*region.where, 0, 0)[:4])
    pixels = medium.pixels[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    if not pixels.size:
        raise NothingFound("the box lies outside the picture")
    if region.mask is not None and region.mask.shape == pixels.shape[:2]:
        mean = pixels.mean(axis=(0, 1)).astype(np.uint8)
        pixels = np.where(region.mask[:, :, None], pixels, mean)
    return Image(pixels)


def prepare(pixels: NDArray[np.uint8], recipe: Recipe) -> NDArray[np.uint8]:
    """Turn (height, width, 3) of any size into (*recipe.size, 3), both uint8.

    Only the part that is kept of the scaled picture is computed: a picture of 1 x 100,000 px would
    not fit into memory otherwise. Pixels are timm's, give or take a grey level.
    """
    from PIL import Image as pil

    height, width = pixels.shape[:2]
    rows, columns = _scaled_size(height, width, recipe)
    top, bottom, above = _window(rows, recipe.size[0])
    left, right, before = _window(columns, recipe.size[1])
    fill = recipe.fill if recipe.mode == "border" else (0, 0, 0)
    array = np.empty((*recipe.size, 3), np.uint8)
    array[:] = np.array(fill, np.uint8)
    across, down = width / columns, height / rows
    box = (left * across, top * down, min(right * across, width), min(bottom * down, height))
    part = pil.fromarray(pixels).resize(
        (right - left, bottom - top), pil.Resampling[recipe.interpolation.upper()], box=box
    )
    array[above : above + bottom - top, before : before + right - left] = np.asarray(part)
    return array


def _scaled_size(height: int, width: int, recipe: Recipe) -> tuple[int, int]:
    """Return the height and the width of the whole picture after scaling."""
    rows, columns = (math.floor(edge / recipe.crop) for edge in recipe.size)
    if recipe.mode == "squash":
        return rows, columns
    if recipe.mode == "center" and rows == columns:  # torchvision's transform, which rounds down
        short = min(height, width)
        return int(rows * height / short), int(rows * width / short)
    ratios = height / rows, width / columns
    ratio = max(ratios) if recipe.mode == "border" else min(ratios)
    return max(1, round(height / ratio)), max(1, round(width / ratio))


def _window(length: int, size: int) -> tuple[int, int, int]:
    """Return start and stop of the cut along one side, and its offset in the array.

    length: of the scaled picture. size: of the array.
    """
    if length < size:
        return 0, length, (size - length) // 2
    start = round((length - size) / 2)
    return start, start + size, 0
