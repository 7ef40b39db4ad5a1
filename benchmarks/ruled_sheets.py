"""Draw signatures on ruled paper, on forms and under seals, as scans; for `rules.py`."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as pil
from PIL import ImageDraw, ImageFont

from siamkit.sdk.media import load_image

Colour = tuple[int, int, int]
Draw = Callable[[np.random.Generator, tuple[int, int]], NDArray[np.float64]]  # coverage, [0, 1]

GREY, DARK, BLACK = (170, 170, 170), (90, 90, 90), (25, 25, 25)
PALE_BLUE, BLUE, PALE_RED, RED = (165, 190, 235), (40, 70, 190), (240, 170, 170), (205, 40, 50)
VIOLET = (110, 50, 150)
PENS = ((20, 20, 25), (20, 35, 120), (70, 70, 75))


@dataclass(frozen=True)
class Kind:
    """What is drawn over a signature, and how the sheet is scanned."""

    draw: Draw
    colours: Sequence[Colour] = (GREY, DARK, PALE_BLUE, BLUE, PALE_RED)
    opaque: str = ""  # "ink" or "rules": the one that hides the other; "": both darken the paper
    scale: float = 1.0
    noise: float = 2.0  # grey levels
    quality: int = 90  # of JPEG; 0: two tones, without loss
    pens: Sequence[Colour] = field(default=PENS)
    margin: float = 0.12  # of the signature's longer side: paper around it


def lines(
    pitch: tuple[float, float] = (20, 40),
    thickness: tuple[float, float] = (1, 3),
    degrees: float = 0.0,
    gaps: tuple[float, float] | None = None,
) -> Draw:
    """Parallel lines: pitch and thickness in px, an angle, and for dashes (on, off) in px."""

    def draw(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.float64]:
        turn = np.deg2rad(degrees * rng.choice([-1, 1]))
        y, x = np.indices(size).astype(float)
        across, along = y * np.cos(turn) - x * np.sin(turn), x * np.cos(turn) + y * np.sin(turn)
        step, wide = rng.uniform(*pitch), rng.uniform(*thickness)
        distance = np.abs((across + rng.uniform(0, step)) % step - step / 2)
        cover = np.clip(wide / 2 + 0.5 - distance, 0, 1)
        if gaps is not None:
            on, off = gaps
            cover *= np.clip((on + 1) / 2 - np.abs(along % (on + off) - on / 2), 0, 1)
        return cover

    return draw


def turned(draw: Draw) -> Draw:
    return lambda rng, size: draw(rng, size[::-1]).T


def both(one: Draw, other: Draw) -> Draw:
    return lambda rng, size: np.maximum(one(rng, size), other(rng, size))


def squared(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.float64]:
    pitch, wide = rng.uniform(20, 50), rng.uniform(1, 2)
    grid = lines((pitch, pitch), (wide, wide))
    return both(grid, turned(grid))(rng, size)


def segments(layout: Callable[[np.random.Generator], Sequence[tuple[float, ...]]]) -> Draw:
    """Straight lines between points given in shares of width and height, all equally thick."""

    def draw(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.float64]:
        cover = np.zeros((*(2 * side for side in size),), np.uint8)
        wide = int(rng.integers(2, 8))  # twice too large, so half pixels count
        for x0, y0, x1, y1 in layout(rng):
            ends = [
                (round(2 * x * size[1]), round(2 * y * size[0])) for x, y in ((x0, y0), (x1, y1))
            ]
            cv2.line(cover, *ends, 255, wide)
        return cv2.resize(cover, size[::-1], interpolation=cv2.INTER_AREA) / 255.0

    return draw


def baseline(rng: np.random.Generator) -> Sequence[tuple[float, ...]]:
    y = rng.uniform(0.55, 0.85)
    return [(rng.uniform(0, 0.05), y, rng.uniform(0.95, 1), y + rng.uniform(-0.02, 0.02))]


def short_line(rng: np.random.Generator) -> Sequence[tuple[float, ...]]:
    y = rng.uniform(0.5, 0.54)
    return [(rng.uniform(0.2, 0.25), y, rng.uniform(0.75, 0.8), y)]


def form(rng: np.random.Generator) -> Sequence[tuple[float, ...]]:
    left, right = rng.uniform(0.02, 0.12), rng.uniform(0.88, 0.98)
    top, bottom = rng.uniform(0.08, 0.3), rng.uniform(0.7, 0.92)
    return [
        (left, top, right, top), (left, bottom, right, bottom),
        (left, top, left, bottom), (right, top, right, bottom),
    ]  # fmt: skip


def cheque(rng: np.random.Generator) -> Sequence[tuple[float, ...]]:
    ys = np.sort(rng.uniform(0.1, 0.95, 3))
    return [(rng.uniform(0, 0.2), y, rng.uniform(0.8, 1), y) for y in ys]


def seal(shape: str, share: float, beside: bool = False) -> Draw:
    """A stamp with a double rim and text, as high as this share of the sheet's."""

    def draw(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.float64]:
        high = share * size[0]
        wide = high if shape == "round" else high * 1.6
        sheet = pil.new("L", (int(wide) + 4, int(high) + 4), 0)
        pen = ImageDraw.Draw(sheet)
        outline = pen.rectangle if shape == "box" else pen.ellipse
        for inset in (2, 2 + high * 0.09):
            outline(
                (inset, inset, wide - inset, high - inset),
                outline=255,
                width=max(2, int(high / 50)),
            )
        font = ImageFont.load_default(high / 9)
        for row, words in enumerate(("APPROVED", "No. 4711", "12 MAR 2025")):
            at = (wide / 2, high * (0.34 + 0.16 * row))
            pen.text(at, words, fill=255, font=font, anchor="mm")
        stamp = sheet.rotate(rng.uniform(-20, 20), pil.Resampling.BICUBIC, expand=True)
        worn = np.asarray(stamp) / 255.0 * rng.uniform(0.7, 1, (stamp.height, stamp.width))
        cover = np.zeros((size[0] + 2 * stamp.height, size[1] + 2 * stamp.width))
        x = rng.uniform(0.8, 0.9) if beside else rng.uniform(0.3, 0.7)
        left = round(x * size[1] + 0.5 * stamp.width)
        top = round(rng.uniform(0.4, 0.6) * size[0] + 0.5 * stamp.height)
        cover[top : top + stamp.height, left : left + stamp.width] = worn
        return cover[stamp.height : -stamp.height, stamp.width : -stamp.width]

    return draw


RULED = Kind(lines())
KINDS: dict[str, Kind] = {
    "nothing": Kind(lambda rng, size: np.zeros(size)),
    **{f"pitch {p} px": Kind(lines((p, p))) for p in (12, 16, 20, 30, 40, 60, 80)},
    **{f"thickness {t} px": Kind(lines(thickness=(t, t))) for t in (1, 2, 3, 4)},
    **{f"turned {a} degrees": Kind(lines(degrees=a)) for a in (0.5, 1, 2, 5)},
    "vertical": Kind(turned(lines())),
    "squared": Kind(squared),
    "squared, turned 1 degree": Kind(both(lines(degrees=1), turned(lines(degrees=1)))),
    "dotted": Kind(lines(thickness=(1.5, 3), gaps=(2, 4))),
    "dashed": Kind(lines(gaps=(14, 8))),
    "a baseline": Kind(segments(baseline), (DARK, BLACK, BLUE)),
    "a line on a page": Kind(segments(short_line), (DARK, BLACK, BLUE), margin=0.8),
    "a form's box": Kind(segments(form), (DARK, BLACK, BLUE)),
    "a cheque's lines": Kind(segments(cheque), (GREY, DARK, BLACK, PALE_BLUE)),
    **{
        f"{name} lines": Kind(lines(), (colour,))
        for name, colour in {
            "grey": GREY,
            "dark grey": DARK,
            "black": BLACK,
            "pale blue": PALE_BLUE,
            "blue": BLUE,
            "pale red": PALE_RED,
            "red": RED,
        }.items()
    },
    "blue lines, blue pen": Kind(lines(), (BLUE, PALE_BLUE), pens=((20, 35, 120),)),
    "ink over the lines": replace(RULED, opaque="ink"),
    "lines over the ink": replace(RULED, opaque="rules"),
    "noise and JPEG": replace(RULED, noise=8, quality=50),
    "half the size": replace(RULED, scale=0.5),
    "twice the size": replace(RULED, scale=2.0),
    "two tones": Kind(lines(), (BLACK,), quality=0, noise=0, pens=((0, 0, 0),)),
    "red round seal": Kind(seal("round", 0.8), (RED,)),
    "blue oval seal, black pen": Kind(seal("oval", 0.6), (BLUE,), pens=(PENS[0],)),
    "blue oval seal, blue pen": Kind(seal("oval", 0.6), (BLUE,), pens=((20, 35, 120),)),
    "violet box seal": Kind(seal("box", 0.6), (VIOLET,)),
    "black round seal": Kind(seal("round", 0.8), (BLACK,)),
    "red seal beside": Kind(seal("round", 0.4, beside=True), (RED,), margin=0.4),
    "black seal beside": Kind(seal("round", 0.4, beside=True), (BLACK,), margin=0.4),
}


def scan(path: Path, kind: Kind, seed: Sequence[int]) -> NDArray[np.uint8]:
    """Return (height, width, 3) uint8: a signature on a sheet, with what `kind` draws."""
    rng = np.random.default_rng(seed)
    ink = 255 - load_image(path).pixels[:, :, 0]
    ink = np.pad(ink, round(kind.margin * max(ink.shape)))
    if kind.scale != 1:
        ink = cv2.resize(ink, None, fx=kind.scale, fy=kind.scale, interpolation=cv2.INTER_AREA)
    cover = cv2.GaussianBlur(ink / 255.0, (0, 0), 0.7)
    pen = _colour(kind.pens, rng)
    drawn = cv2.GaussianBlur(np.clip(kind.draw(rng, ink.shape), 0, 1), (0, 0), 0.5)[:, :, None]
    colour = _colour(kind.colours, rng)
    written, ruled = 1 - cover[:, :, None] * (1 - pen), 1 - drawn * (1 - colour)
    light = written * ruled
    if kind.opaque == "ink":
        light = pen * cover[:, :, None] + ruled * (1 - cover[:, :, None])
    elif kind.opaque == "rules":
        light = colour * drawn + written * (1 - drawn)
    paper = 255 * rng.uniform([0.86, 0.86, 0.82], 1.0)
    grey = light * paper + rng.normal(0, kind.noise, light.shape[:2])[:, :, None]
    pixels = np.clip(grey, 0, 255).astype(np.uint8)
    if kind.quality == 0:
        return np.where(pixels.min(axis=2, keepdims=True) < 140, np.uint8(0), np.uint8(255)).repeat(
            3, 2
        )
    content = io.BytesIO()
    pil.fromarray(pixels).save(content, "JPEG", quality=kind.quality)
    return np.asarray(pil.open(content).convert("RGB"))


def _colour(colours: Sequence[Colour], rng: np.random.Generator) -> NDArray[np.float64]:
    return np.array(colours[rng.integers(len(colours))]) / 255.0
