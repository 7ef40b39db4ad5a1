"""Draw pages to train and choose the finder of `signatures` on: print, forms, stamps, signatures.

A page is a letter, a form, a table, or a signature alone; it has been scanned, faxed or
photographed. Fonts are those of matplotlib. Signatures are pasted from files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as pil
from PIL import ImageDraw, ImageFont
from PIL.Image import Image as Picture
from sheet_scans import DRAWN, SIDE, Rng, corners, reproduce

FONT_NAMES = (
    "DejaVuSans DejaVuSans-Bold DejaVuSansMono DejaVuSerif DejaVuSerif-Bold DejaVuSerif-Italic"
    " STIXGeneral STIXGeneralBol STIXGeneralItalic cmr10 cmtt10 cmss10 cmb10"
)
FONTS = FONT_NAMES.split()
INKS = ((15, 15, 20), (20, 20, 25), (25, 40, 130), (40, 60, 170), (10, 90, 80), (150, 25, 35))
ALL_SYLLABLES = (
    "ac al an ar be ca ce con de di do e en er es fi for ga ge ha i in is it la le li lo ma me mi"
    " mo na ne no o of on or pa per po pro ra re ri ro sa se si so sta ta te the ti to tra un va ve"
)
SYLLABLES = ALL_SYLLABLES.split()
HANDS = (cv2.FONT_HERSHEY_SCRIPT_SIMPLEX, cv2.FONT_HERSHEY_SCRIPT_COMPLEX, cv2.FONT_ITALIC)
POINTS = 400  # of a signature's ink, which follow it through every change of the page

Ink = NDArray[np.uint8]  # (height, width), 255 where there is ink


@dataclass
class Sheet:
    """A page while it is drawn: paper, and the points of each signature's ink."""

    paper: Picture
    signatures: list[NDArray[np.float32]] = field(default_factory=list)  # (n, 2) x, y each

    @property
    def unit(self) -> float:
        """A hundredth of the page's width."""
        return self.paper.width / 100


def draw_page(
    rng: Rng, draw_ink: Callable[[Rng], Ink]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return a page (height, width, 3) uint8, and (n, 4) boxes of its signatures in px.

    draw_ink: returns a signature's ink, cut to it.
    """
    long = SIDE * DRAWN
    aspect = float(rng.choice([1.414, 1.294, 1.0, 0.75, 0.45], p=[0.4, 0.2, 0.2, 0.1, 0.1]))
    size = (round(long / max(aspect, 1)), round(long * min(aspect, 1)))
    sheet = Sheet(pil.new("RGB", size, "white"))
    kind = rng.choice(["letter", "form", "alone"], p=[0.5, 0.4, 0.1])
    if kind == "alone":
        _sign_alone(sheet, rng, draw_ink)
    else:
        y = _write(sheet, rng, kind == "form")
        _sign(sheet, rng, draw_ink, y)
        _decorate(sheet, rng)
    return reproduce(np.asarray(sheet.paper), sheet.signatures, rng)


def words(rng: Rng, count: int) -> str:
    """Return so many words that only look like words, some in capitals, some numbers."""
    parts = []
    for length in rng.integers(1, 5, count):
        word = "".join(rng.choice(SYLLABLES, length))
        style = rng.random()
        number = str(rng.integers(0, 99999))
        parts.append(word.title() if style < 0.15 else number if style > 0.93 else word)
    return " ".join(parts)


@lru_cache(maxsize=256)
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts/ttf"
    return ImageFont.truetype(str(folder / f"{name}.ttf"), size)


def _write(sheet: Sheet, rng: Rng, as_form: bool) -> int:
    """Write a heading and paragraphs, or the fields of a form; return the y where they end."""
    draw, unit = ImageDraw.Draw(sheet.paper), sheet.unit
    name = str(rng.choice(FONTS))
    body = round(unit * rng.uniform(1.3, 2.6))
    font, high = _font(name, body), sheet.paper.height
    left, right = unit * rng.uniform(4, 14), unit * rng.uniform(70, 96)
    y = high * rng.uniform(0.02, 0.12)
    heading = _font(str(rng.choice(FONTS)), round(body * rng.uniform(1, 2.5)))
    for _ in range(rng.integers(0, 4)):
        x = left if rng.random() < 0.5 else unit * rng.uniform(10, 60)
        text = words(rng, int(rng.integers(1, 5)))
        draw.text((x, y), text.upper() if rng.random() < 0.4 else text.title(), 20, heading)
        y += heading.size * 1.4
    stop = high * rng.uniform(0.15, 0.75)
    spacing = body * rng.uniform(1.15, 2.1)
    while y < stop:
        if as_form and rng.random() < 0.5:
            y = _draw_table(draw, rng, (left, y, right, min(stop, y + high * 0.25)), font)
        for _ in range(rng.integers(1, 7)):
            line = words(rng, 24)
            end = rng.uniform(0.3, 1) if rng.random() < 0.2 else 1
            draw.text((left, y), _fitting(line, font, (right - left) * end), 20, font)
            if as_form and rng.random() < 0.3:
                start = left + (right - left) * rng.uniform(0.2, 0.7)
                draw.rectangle((start, y, right, y + body), fill="white")
                draw.line((start, y + body, right, y + body), fill=40, width=2)
            y += spacing
        y += spacing * rng.uniform(0.2, 1.5)
    return round(y)


def _fitting(line: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    return line[: max(4, int(len(line) * width / max(font.getlength(line), 1)))]


def _draw_table(
    draw: ImageDraw.ImageDraw,
    rng: Rng,
    box: tuple[float, float, float, float],
    font: ImageFont.FreeTypeFont,
) -> float:
    """Draw a table with words in its cells; return the y of its end."""
    step = font.size * rng.uniform(1.5, 2.5)
    rows = max(1, int((box[3] - box[1]) / step))
    xs = np.sort(rng.uniform(box[0], box[2], rng.integers(0, 5)))
    xs = np.array([box[0], *xs, box[2]])
    wide = int(rng.integers(1, 4))
    for row in range(rows + 1):
        y = box[1] + row * step
        draw.line((box[0], y, box[2], y), fill=40, width=wide)
        for start, stop in pairwise(xs):
            if row < rows and stop - start > 3 * font.size and rng.random() < 0.7:
                text = _fitting(words(rng, 3), font, stop - start - 8)
                draw.text((start + 4, y + step * 0.2), text, 20, font)
    for x in xs:
        draw.line((x, box[1], x, box[1] + rows * step), fill=40, width=wide)
    return box[1] + rows * step + step


def _sign(sheet: Sheet, rng: Rng, draw_ink: Callable[[Rng], Ink], y: int) -> None:
    """Put blocks of a line, a signature or none, and a name below the text, in columns."""
    unit, draw = sheet.unit, ImageDraw.Draw(sheet.paper)
    signed = rng.random() < 0.6
    columns = int(rng.integers(1, 4)) if rng.random() < 0.4 else 1
    count = int(rng.choice([1, 2, 4, 8], p=[0.45, 0.25, 0.2, 0.1]))
    wide = 90 * unit / columns * rng.uniform(0.5, 0.95)
    font = _font(str(rng.choice(FONTS)), round(unit * rng.uniform(1.2, 2.2)))
    row_height = max(unit * rng.uniform(5, 18), 3 * font.size)
    style = rng.random(4) < (0.7, 0.6, 0.4, 0.3)  # a line, a name, a second line of it, "By"
    shift = unit * rng.uniform(3, 8 if columns > 1 else 50)
    for number in range(count):
        x = shift + number % columns * 90 * unit / columns
        base = y + (number // columns + 1) * (row_height + font.size)
        if base > sheet.paper.height - 2 * font.size:
            break
        end = min(x + wide * 0.6, sheet.paper.width - unit)
        if style[0]:
            draw.line((x, base, end, base), fill=30, width=int(rng.integers(1, 4)))
        for row in range(int(style[1]) + int(style[1] and style[2])):
            place = (x, base + 4 + row * font.size * 1.2)
            draw.text(place, words(rng, int(rng.integers(1, 4))).title(), 20, font)
        if style[3]:
            draw.text((x - 3 * font.size, base - font.size), "By:", 20, font)
        if rng.random() < 0.3:
            _scribble(sheet, rng, (end + unit, base - 2 * unit))
        if signed and rng.random() < 0.85:
            limit = (wide * 0.8, row_height * rng.uniform(1, 1.8))
            _paste(sheet, rng, draw_ink(rng), (x, base), limit)
    if signed and rng.random() < 0.15:  # anywhere, even on the text
        place = tuple(rng.uniform((5, 20), (60, sheet.paper.height / unit - 5)) * unit)
        _paste(sheet, rng, draw_ink(rng), place, (unit * 35, unit * 14))


def _sign_alone(sheet: Sheet, rng: Rng, draw_ink: Callable[[Rng], Ink]) -> None:
    """Fill the page with one signature, or leave it with little else than a line."""
    width, height = sheet.paper.size
    draw = ImageDraw.Draw(sheet.paper)
    if rng.random() < 0.4:
        y = height * rng.uniform(0.5, 0.9)
        draw.line((width * 0.1, y, width * 0.9, y), fill=40, width=int(rng.integers(2, 5)))
    if rng.random() < 0.85:
        share = rng.uniform(0.4, 0.95)
        limit = (width * share, height * share)
        _paste(sheet, rng, draw_ink(rng), (width * 0.03, height * rng.uniform(0.7, 1)), limit)


def _paste(
    sheet: Sheet, rng: Rng, ink: Ink, place: tuple[float, float], limit: tuple[float, float]
) -> None:
    """Paste ink with its foot near a place, within limits of width and height."""
    if rng.random() < 0.4:  # other hands, with the strokes of this one
        slant = np.float32([[1, rng.normal(0, 0.3), 0], [rng.normal(0, 0.1), 1, 0]])
        slanted = cv2.transform(corners(ink.shape[1], ink.shape[0])[None], slant)[0]
        slant[:, 2] = -slanted.min(axis=0)
        size = tuple(np.ceil(np.ptp(slanted, axis=0)).astype(int).tolist())
        ink = cv2.warpAffine(ink, slant, size)
    scale = min(limit[0] / ink.shape[1], limit[1] / ink.shape[0]) * rng.uniform(0.7, 1)
    stretch = np.exp(rng.normal(0, 0.15))
    size = (max(8, round(ink.shape[1] * scale * stretch)), max(6, round(ink.shape[0] * scale)))
    shape = cv2.resize(ink, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    shape = np.clip(shape.astype(np.float32) * rng.uniform(0.8, 3.5), 0, 255).astype(np.uint8)
    x = int(place[0] + rng.uniform(-0.05, 0.2) * size[0])
    y = int(place[1] - size[1] * rng.uniform(0.65, 1.05))
    x = int(np.clip(x, 0, max(0, sheet.paper.width - size[0])))
    y = int(np.clip(y, 0, max(0, sheet.paper.height - size[1])))
    colour = INKS[rng.integers(len(INKS))]
    sheet.paper.paste(colour, (x, y), pil.fromarray(shape))
    rows, columns = np.nonzero(shape > 60)
    if len(rows) > 20:
        inner = rng.integers(0, len(rows), POINTS)  # the random ones, and the four outermost
        ends = [columns.argmin(), columns.argmax(), rows.argmin(), rows.argmax()]
        at = np.concatenate([inner, ends])
        points = np.stack([columns[at] + x, rows[at] + y], axis=1).astype(np.float32)
        sheet.signatures.append(points)


def _scribble(sheet: Sheet, rng: Rng, place: tuple[float, float]) -> None:
    """Write a date, a number or a short word by hand, which is not a signature."""
    kind = rng.random()
    day, month, year = rng.integers(1, 29), rng.integers(1, 13), rng.integers(70, 100)
    text = f"{day}/{month}/{year}" if kind < 0.6 else str(rng.integers(1, 9999))
    size = sheet.unit * rng.uniform(0.06, 0.12)
    ink = np.zeros((int(60 * size) + 8, int(24 * len(text) * size) + 20), np.uint8)
    hand = HANDS[rng.integers(len(HANDS))]
    cv2.putText(ink, text, (4, int(40 * size)), hand, size, 255, int(rng.integers(1, 3)))
    x, y = (int(v) for v in place)
    colour = INKS[rng.integers(len(INKS))]
    sheet.paper.paste(colour, (x, y), pil.fromarray(ink))


def _decorate(sheet: Sheet, rng: Rng) -> None:
    """Add stamps, logos, punched holes, bars, a number on the edge, a photograph."""
    draw, (width, height), unit = ImageDraw.Draw(sheet.paper), sheet.paper.size, sheet.unit
    for _ in range(rng.choice([0, 1, 2, 3], p=[0.45, 0.3, 0.15, 0.1])):
        seal = _stamp(rng, round(unit * rng.uniform(8, 24)))
        place = rng.uniform((0, 0), (width - seal.width, max(1, height - seal.height)))
        sheet.paper.paste(seal, tuple(place.astype(int)), seal)
    if rng.random() < 0.3:  # a logo
        x, y, side = rng.uniform(0, 80) * unit, rng.uniform(0, 10) * unit, unit * rng.uniform(4, 12)
        colour = tuple(rng.integers(0, 180, 3).tolist())
        shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
        shape((x, y, x + side, y + side), fill=colour if rng.random() < 0.5 else None, outline=0)
    if rng.random() < 0.25:  # punched holes, blots
        for y in np.linspace(0.1, 0.9, rng.integers(1, 4)) * height:
            side = unit * rng.uniform(2, 7)
            x = rng.choice([2, 10, 88]) * unit
            draw.ellipse((x, y, x + side, y + side), fill=15)
    if rng.random() < 0.2:  # a bar code
        x, y = rng.uniform(5, 60) * unit, rng.uniform(0.02, 0.95) * height
        for bar in np.cumsum(rng.integers(2, 9, 30)):
            draw.line((x + bar, y, x + bar, y + 4 * unit), fill=10, width=int(rng.integers(1, 4)))
    if rng.random() < 0.1:  # a photograph
        grey = cv2.resize(rng.integers(0, 255, (8, 6, 3), np.uint8), (round(20 * unit),) * 2)
        sheet.paper.paste(pil.fromarray(grey), (int(70 * unit), int(rng.uniform(0, 0.8) * height)))
    if rng.random() < 0.4:
        font = _font(str(rng.choice(FONTS)), round(unit * 1.6))
        text = str(rng.integers(10**5, 10**9))
        draw.text((rng.uniform(5, 80) * unit, height - 3 * unit), text, 20, font)
    for _ in range(rng.choice([0, 1, 3], p=[0.8, 0.1, 0.1])):
        _scribble(sheet, rng, (rng.uniform(2, 85) * unit, rng.uniform(0, 0.95) * height))


def _stamp(rng: Rng, side: int) -> Picture:
    """Return a round or angular stamp, or one without a frame, turned, on transparent ground."""
    image = pil.new("RGBA", (side, side), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    colour = (*INKS[rng.integers(len(INKS))], int(rng.integers(110, 230)))
    shape = rng.choice(["ellipse", "rectangle", "none"])
    low = side * rng.uniform(0.1, 0.35) if shape != "ellipse" else 3
    box = (3, low, side - 4, side - low)
    if shape != "none":
        getattr(draw, shape)(box, outline=colour, width=max(2, side // 40))
    rows = int(rng.integers(2, 7))
    font = _font(str(rng.choice(FONTS)), max(7, int((side - 2 * low) / rows * 0.6)))
    for row in range(rows):
        text = words(rng, 2).upper() if rng.random() < 0.6 else words(rng, 2).title()
        y = low + (side - 2 * low) * (0.12 + 0.8 * row / rows)
        draw.text((side * 0.16, y), _fitting(text, font, side * 0.7), colour, font)
    return image.rotate(rng.normal(0, 12), pil.Resampling.BICUBIC, expand=True)
