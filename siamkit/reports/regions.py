"""Pictures of regions: boxes, masks and labels drawn onto a picture, and regions cut out of it."""

from __future__ import annotations

import colorsys
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from siamkit.errors import BadInput
from siamkit.io.printable import printable
from siamkit.reports.fonts import font_for
from siamkit.reports.label_places import Places, Plate
from siamkit.sdk import boxes
from siamkit.types import Box, Image, Region

if TYPE_CHECKING:
    from PIL import Image as PILImage
    from PIL import ImageDraw, ImageFont

Colour: TypeAlias = tuple[int, int, int]  # RGB
SMALL = 480  # px: a picture whose longer side is shorter is enlarged, so that labels can be read
TEXT = 42  # the longer side, divided by the size of letters
CROWD = 0.15  # of the picture that all labels may cover, each PLATE squares of its letters' size
PLATE = 12
LINE = 6  # the size of letters, divided by the width of a line
FINEST, LEAST_TEXT, SMALLEST_TEXT = 2, 14, 11  # px: a line, letters, and letters without room
SIZES = (1.0, 0.8)  # of letters, tried in turn where there is no room
PADDING = 0.25  # of the size of letters, around a label
VEIL = 0.4  # opacity of a mask
HUES = 24  # colours of labels, each in two tones
BRIGHT = 0.179  # relative luminance from which black has more contrast than white (WCAG 2.2)


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """A region to draw, its label and its colour.

    shorter: labels for where there is no room for the whole text, the longest first.
    """

    region: Region
    text: str
    colour: Colour
    shorter: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Label:
    """A text on a plate of its region's colour, where there is room for it."""

    plate: Plate
    text: str
    at: tuple[float, float]  # px
    font: ImageFont.FreeTypeFont
    colour: Colour

    def draw(self, draw: ImageDraw.ImageDraw) -> None:
        """Draw the plate, and on it the text."""
        contrast = _contrast(self.colour)
        draw.rectangle(self.plate, fill=self.colour, outline=contrast)
        draw.text(self.at, self.text, fill=contrast, font=self.font)


def colour_of(label: str) -> Colour:
    """Return the colour of a label: the same one in every picture and every run."""
    number = zlib.crc32(label.encode("utf-8", "surrogatepass"))
    hue, tone = number % HUES / HUES, number // HUES % 2
    red, green, blue = colorsys.hsv_to_rgb(hue, (0.95, 0.6)[tone], (0.85, 1.0)[tone])
    return round(red * 255), round(green * 255), round(blue * 255)


def mark(region: Region, number: int) -> Mark:
    """Return a detected region with its number in the table, its label and its score."""
    text = " ".join(filter(None, (str(number), region.label, f"{region.score:.3f}")))
    return Mark(region, text, colour_of(region.label), (str(number),))


def annotate(image: Image, marks: Sequence[Mark]) -> PILImage.Image:
    """Draw boxes, masks and labels, those of the first marks on top.

    Lines and letters grow with the picture, less where many regions share it, and a small picture
    is enlarged by a whole number. No label covers another one; one without room is shortened, or
    else left out.
    """
    from PIL import Image as pil
    from PIL import ImageDraw

    height, width = image.pixels.shape[:2]
    times = max(1, -(-SMALL // max(height, width))) if max(height, width) < SMALL else 1
    letters = _letter_size(width * times, height * times, len(marks))
    line = max(FINEST, letters // LINE)
    picture = pil.fromarray(image.pixels)
    for item in reversed(marks):
        _draw_mask(picture, item, max(1, line // (2 * times)))
    if times > 1:
        picture = picture.resize((width * times, height * times), pil.Resampling.NEAREST)
    draw = ImageDraw.Draw(picture)
    scaled = [_scaled_box(item.region, width, height, times) for item in marks]
    for item, box in reversed(list(zip(marks, scaled, strict=True))):
        _draw_box(draw, box, item.colour, line)
    places, labels = Places(*picture.size, scaled), []
    for item, box in zip(marks, scaled, strict=True):
        if label := _place_label(places, box, item, letters):
            labels.append(label)
            if leader := places.leader(label.plate, box):  # below every label
                draw.line(leader, fill=item.colour, width=max(1, line // 2))
    for label in labels:
        label.draw(draw)
    return picture


def cut(image: Image, region: Region) -> PILImage.Image:
    """Cut out the pixels that a region's box touches; with a mask, the others are transparent."""
    from PIL import Image as pil

    height, width = image.pixels.shape[:2]
    left, top, right, bottom = boxes.pixel_box(_box(region, width, height), width, height)
    picture = pil.fromarray(image.pixels[top:bottom, left:right])
    if region.mask is not None:
        picture.putalpha(pil.fromarray(region.mask).convert("L"))
    return picture


def _box(region: Region, width: int, height: int) -> Box:
    if region.where is None:
        return (0.0, 0.0, float(width), float(height))
    if len(region.where) != 4:
        raise BadInput("only boxes can be drawn, not spans of time")
    return boxes.clip(region.where, width, height)


def _scaled_box(region: Region, width: int, height: int, times: int) -> Box:
    left, top, right, bottom = (edge * times for edge in _box(region, width, height))
    return left, top, right, bottom


def _letter_size(width: int, height: int, count: int) -> int:
    """Return the px of letters for `count` labels on a picture."""
    crowded = math.sqrt(CROWD * width * height / (PLATE * max(1, count)))
    return max(LEAST_TEXT, round(min(max(width, height) / TEXT, crowded)))


def _draw_mask(picture: PILImage.Image, item: Mark, line: int) -> None:
    """Lay a veil of the region's colour over its mask, and outline it. line: px."""
    from PIL import Image as pil
    from PIL import ImageChops, ImageFilter, ImageOps

    if item.region.mask is None:
        return
    left, top, _, _ = boxes.pixel_box(_box(item.region, *picture.size), *picture.size)
    mask = ImageOps.expand(pil.fromarray(item.region.mask).convert("L"), line)
    inner = mask.filter(ImageFilter.MinFilter(2 * line + 1))
    at = (left - line, top - line)
    picture.paste(item.colour, at, inner.point(lambda value: int(value * VEIL)))
    picture.paste(item.colour, at, ImageChops.subtract(mask, inner))


def _draw_box(draw: ImageDraw.ImageDraw, box: Box, colour: Colour, line: int) -> None:
    """Draw a box in its colour, with a hair line around it that sets it off from any background."""
    left, top, right, bottom = box
    right, bottom = max(left, right - 1), max(top, bottom - 1)
    hair = max(1, line // 2)
    around = (left - hair, top - hair, right + hair, bottom + hair)
    draw.rectangle(around, outline=_contrast(colour), width=line + 2 * hair)
    draw.rectangle((left, top, right, bottom), outline=colour, width=line)


def _place_label(places: Places, box: Box, item: Mark, size: int) -> _Label | None:
    """Find room for a label: with smaller letters if need be, then shortened, then far away."""
    sizes = [max(round(size * share), SMALLEST_TEXT) for share in SIZES]
    texts = [item.text, *item.shorter]
    tries = [(text, letters, False) for text in texts for letters in sizes]
    tries += [(text, letters, True) for text in reversed(texts) for letters in sizes]
    for wanted, letters, anywhere in tries:
        font, text = font_for(printable(wanted), letters)
        padding = max(2, round(letters * PADDING))
        text = _shorten(text, font, places.width - 2 * padding)
        left, top, right, bottom = font.getbbox(text)
        width, height = round(right - left) + 2 * padding, round(bottom - top) + 2 * padding
        if text and (plate := places.take(box, width, height, anywhere=anywhere)):
            at = (plate[0] + padding - left, plate[1] + padding - top)
            return _Label(plate, text, at, font, item.colour)
    return None


def _shorten(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """Return a text for one line, cut to fit a width in px."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…" if text else ""


def _contrast(colour: Colour) -> Colour:
    """Return black or white, whichever is easier to read on a colour."""
    red, green, blue = ((value / 255) ** 2.2 for value in colour)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue  # of sRGB
    return (0, 0, 0) if luminance >= BRIGHT else (255, 255, 255)
