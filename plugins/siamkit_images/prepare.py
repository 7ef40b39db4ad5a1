"""From a picture to the array that a network eats: scaled and cropped as its training was."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.errors import MissingWeights, NothingFound
from siamkit.types import Image, Region

if TYPE_CHECKING:
    from numpy.typing import NDArray

PREPARED = 1  # of `prepare`, part of every fingerprint: a change needs a new number
MODES = ("center", "squash", "border")
FILTERS = ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")
# The constants of an encoder that is trained here: those of ImageNet's networks of this size.
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
    """How a network wants its pictures, in timm's words.

    A picture is scaled to size / crop, by its shorter edge (`center`), by its longer one
    (`border`, what is missing is filled) or by each (`squash`), and its centre is cut out.
    """

    size: tuple[int, int]  # height, width of the array
    crop: float  # the share of the scaled picture that is left
    mode: str
    interpolation: str  # a filter of pillow
    fill: tuple[int, int, int]  # where `border` leaves nothing


def recipe_of(constants: Mapping[str, Any]) -> Recipe:
    """What a card's preprocessing asks for. Raises MissingWeights for what is not known here."""
    try:
        found = Recipe(
            (int(constants["size"][0]), int(constants["size"][1])),
            float(constants["crop"]),
            str(constants["mode"]),
            str(constants["interpolation"]),
            (int(constants["fill"][0]), int(constants["fill"][1]), int(constants["fill"][2])),
        )
        if constants["prepared"] != PREPARED:
            raise ValueError("made by another version of the plugin")
        if found.mode not in MODES or found.interpolation not in FILTERS:
            raise ValueError(f"{found.mode}, {found.interpolation}")
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise MissingWeights(
            f"the encoder's preprocessing is not known here: {type(error).__name__}: {error}",
            hint="`siamkit encoders list` shows the encoders of images",
        ) from error
    return found


def cut(medium: Image, region: Region) -> Image:
    """The pixels of a region's box. Raises NothingFound for one without a pixel."""
    if region.where is None:
        return medium
    height, width = medium.pixels.shape[:2]
    left, top, right, bottom = (round(edge) for edge in (*region.where, 0, 0)[:4])
    pixels = medium.pixels[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    if not pixels.size:
        raise NothingFound("the box lies outside of the picture")
    return Image(np.ascontiguousarray(pixels))


def prepare(pixels: NDArray[np.uint8], recipe: Recipe) -> NDArray[np.uint8]:
    """(height, width, 3) of any size to (*recipe.size, 3), both uint8.

    Only what is left of the scaled picture is computed: a picture of 1 x 100 000 px would not fit
    into memory otherwise. As timm does it, to a grey level or so.
    """
    from PIL import Image as pil

    height, width = pixels.shape[:2]
    rows, columns = _scaled(height, width, recipe)
    top, bottom, above = _window(rows, recipe.size[0])
    left, right, before = _window(columns, recipe.size[1])
    fill = recipe.fill if recipe.mode == "border" else (0, 0, 0)
    made = np.empty((*recipe.size, 3), np.uint8)
    made[:] = np.array(fill, np.uint8)
    across, down = width / columns, height / rows
    box = (left * across, top * down, min(right * across, width), min(bottom * down, height))
    part = pil.fromarray(pixels).resize(
        (right - left, bottom - top), pil.Resampling[recipe.interpolation.upper()], box=box
    )
    made[above : above + bottom - top, before : before + right - left] = np.asarray(part)
    return made


def _scaled(height: int, width: int, recipe: Recipe) -> tuple[int, int]:
    """Height and width of the whole picture once it is scaled."""
    rows, columns = (math.floor(edge / recipe.crop) for edge in recipe.size)
    if recipe.mode == "squash":
        return rows, columns
    if recipe.mode == "center" and rows == columns:  # torchvision's own, which rounds down
        short = min(height, width)
        return int(rows * height / short), int(rows * width / short)
    ratios = height / rows, width / columns
    ratio = max(ratios) if recipe.mode == "border" else min(ratios)
    return max(1, round(height / ratio)), max(1, round(width / ratio))


def _window(length: int, wanted: int) -> tuple[int, int, int]:
    """Where the cut begins and ends along an edge, and where in the array that is."""
    if length < wanted:
        return 0, length, (wanted - length) // 2
    start = round((length - wanted) / 2)
    return start, start + wanted, 0
