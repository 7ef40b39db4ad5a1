"""Bring pixels of any range, depth and colour space to RGB with 8 bits.

White is what the file states, or else what its values suggest: 1 or 255 for fractions, 2^n - 1 for
integers. Values that suggest neither are refused: a guess would make the picture black or white.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import UnreadableSample

if TYPE_CHECKING:
    from PIL import Image as PILImage

Pixels = NDArray[np.uint8]

DEPTHS = (8, 10, 12, 14, 16, 24, 32, 64)  # bits that cameras, scanners and programs write
SIGNED = (7, 8, 10, 12, 14, 15, 16, 24, 31, 63)  # the same of signed integers
OVERSHOOT = 0.05  # of white by which sharpening may leave the range of fractions
DIMMEST = 64.0  # of 255: the least maximum of fractions that are taken for levels of 8 bits
GAP = 65535.0  # integers above it are of 24 bits or more, far apart: a guess may be too large
DIM = 0.25  # of white: the least maximum of such integers; between lower depths none is dimmer
DARKEST = 1 / 255  # of white: the least mean of fractions beyond 1, or they are light, not levels
EPSILON = 1e-3  # of a level: 257 / 65535 * 255 is 1, not 0.99999
BAND = 1 << 21  # pixels converted at a time
LIGHT = 240  # least level of ink that cannot be seen on white paper
HALF = 128  # of 255: less opaque pixels are mostly paper
REMEDY = "save it with 8 bits per channel"


@dataclass(frozen=True, slots=True)
class Statement:
    """The range of values that a file states."""

    white: float | None = None
    black: float = 0.0
    is_inverted: bool = False  # small values are light
    is_signed: bool = False


def to_rgb(picture: PILImage.Image, stated: Statement) -> tuple[Pixels, tuple[str, ...]]:
    """Return (height, width, 3) of a decoded picture, and notes on what was guessed.

    Transparent pixels show white paper; black paper if there is only white on it, and none if all
    are transparent. Raises UnreadableSample for values without a range.
    """
    pixels = np.empty((picture.height, picture.width, 3), np.uint8)
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        scale, notes = find_scale(lambda: (np.asarray(b) for _, b in bands(picture)), stated)
        clear = picture.info.get("transparency")
        for rows, band in bands(picture):
            values = np.asarray(band)
            grey = scale(values)
            if isinstance(clear, int):
                grey[values == clear] = 255
            pixels[rows] = grey[..., None]
        return pixels, notes
    if "transparency" in picture.info or picture.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        return pixels, _lay_on_paper(picture, pixels)
    convert = _from_lab() if picture.mode == "LAB" else lambda band: band.convert("RGB")
    for rows, band in bands(picture):
        pixels[rows] = np.asarray(convert(band))
    return pixels, ()


def array_to_rgb(array: NDArray[Any], stated: Statement) -> tuple[Pixels, tuple[str, ...]]:
    """Return the same of (height, width) or (height, width, 3 or 4) values, BGR and opacity."""
    planes = array[..., None] if array.ndim == 2 else array
    colours = planes[..., 2::-1] if planes.shape[2] >= 3 else planes[..., :1]
    step = max(1, BAND // array.shape[1])
    starts = range(0, len(array), step)
    scale, notes = find_scale(lambda: (colours[y : y + step] for y in starts), stated)
    pixels = np.empty((*array.shape[:2], 3), np.uint8)
    for y in starts:
        rows = slice(y, y + step)
        pixels[rows] = scale(colours[rows])
        if planes.shape[2] == 4:
            full = np.iinfo(array.dtype).max if array.dtype.kind in "iu" else 1.0
            opacity = np.clip(planes[rows, :, 3:] / full, 0, 1)
            pixels[rows] = 255 - np.rint((255 - pixels[rows]) * opacity).astype(np.uint8)
    return pixels, notes


def find_scale(
    parts: Callable[[], Iterator[NDArray[Any]]], stated: Statement
) -> tuple[Callable[[NDArray[Any]], Pixels], tuple[str, ...]]:
    """Return the function from values to levels, and a note if white is a guess.

    parts: returns the values, part by part. Raises UnreadableSample.
    """
    low, high, total, count, bad, kind = np.inf, -np.inf, 0.0, 0, 0, "u"
    for band in parts():
        kind = band.dtype.kind
        if kind == "f" and (wrong := int((~np.isfinite(band)).sum())):
            bad += wrong
            continue
        low, high = min(low, float(band.min())), max(high, float(band.max()))
        total, count = total + float(band.sum(dtype=np.float64)), count + band.size
    if bad:
        raise UnreadableSample(f"{bad:,} of its values are NaN or infinite", hint=REMEDY)
    black, white, notes = _find_range(low, high, total / count, kind == "f", stated)
    factor = 255.0 / (white - black)

    def scale(values: NDArray[Any]) -> Pixels:
        levels = (values.astype(np.float64) - black) * factor + EPSILON
        grey = np.clip(levels, 0, 255).astype(np.uint8)
        return 255 - grey if stated.is_inverted else grey

    return scale, notes


def _find_range(
    low: float, high: float, mean: float, is_fraction: bool, stated: Statement
) -> tuple[float, float, tuple[str, ...]]:
    """Return the values of black and of white, and a note if they are a guess."""
    if stated.white is not None and stated.black <= low and high <= stated.white > stated.black:
        return stated.black, stated.white, ()
    depths = SIGNED if stated.is_signed else DEPTHS
    whites = [2.0**bits - 1 for bits in depths]
    if is_fraction:
        whites = [1.0, 255.0, *(white for white in whites if 255 < white < 1e5)]
    elif high <= 1:
        whites = [1.0, *whites]  # a mask
    slack = 1 + OVERSHOOT * is_fraction
    white = next((white for white in whites if high <= slack * white), np.inf)
    is_dark = is_fraction and white > 1 and (high < DIMMEST or mean < DARKEST * white)
    is_dark = is_dark or (white > GAP and high < DIM * white)
    if low < -OVERSHOOT * is_fraction * white or white == np.inf or is_dark:
        raise UnreadableSample(
            f"its values reach from {low:,g} to {high:,g}, and it does not state which is white",
            hint=REMEDY,
        )
    if white in (1, 127, 255, 65535) or white > 1e9:
        return 0.0, white, ()
    bits = round(np.log2(white + 1))
    return 0.0, white, (f"its values end at {high:,g}: read as {bits}-bit levels",)


def bands(picture: PILImage.Image) -> Iterator[tuple[slice, PILImage.Image]]:
    """Yield rows and the part of a picture in them, so that copies stay small."""
    step = max(1, BAND // picture.width)
    for y in range(0, picture.height, step):
        stop = min(y + step, picture.height)
        yield slice(y, stop), picture.crop((0, y, picture.width, stop))


def _lay_on_paper(picture: PILImage.Image, pixels: Pixels) -> tuple[str, ...]:
    """Write a picture that may be transparent into `pixels`; returns notes."""
    clearest, most_opaque, darkest = 255, 0, 255
    for rows, band in bands(picture):
        rgba = _to_rgba(band)
        pixels[rows] = _composite(rgba, 255)
        opacity = np.asarray(rgba.getchannel("A"))
        clearest = min(clearest, int(opacity.min()))
        most_opaque = max(most_opaque, int(opacity.max()))
        darkest = min(darkest, int(pixels[rows].min()))
    if most_opaque == 0:
        for rows, band in bands(picture):
            pixels[rows] = np.asarray(_to_rgba(band).convert("RGB"))
        return ("it is transparent everywhere: its opacity is ignored",)
    if darkest >= LIGHT and clearest < HALF <= most_opaque:
        for rows, band in bands(picture):
            pixels[rows] = _composite(_to_rgba(band), 0)
        return ("it is white on transparent: laid on black",)
    return ()


def _to_rgba(band: PILImage.Image) -> PILImage.Image:
    return (band.convert("LA") if band.mode == "La" else band).convert("RGBA")


def _composite(rgba: PILImage.Image, paper: int) -> Pixels:
    from PIL import Image as pil

    under = pil.new("RGBA", rgba.size, (paper, paper, paper, 255))
    return np.asarray(pil.alpha_composite(under, rgba).convert("RGB"))


def _from_lab() -> Callable[[PILImage.Image], PILImage.Image]:
    """Return the conversion of CIE L*a*b* to sRGB."""
    from PIL import ImageCms

    transform = ImageCms.buildTransform(
        ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
    )
    return lambda band: ImageCms.applyTransform(band, transform)  # type: ignore[return-value]
