"""Textures that `styles` are measured on: patterns of files, and textures drawn by a recipe."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

SIDE = 384  # px of every picture, the size that the painting network is made for
PARTS = ("fit", "dev", "test")
LEAST_PATTERN = 128  # px of its shorter side, to be quartered


def split_of(name: str) -> str:
    """Return the part of a photograph or a pattern, by its name."""
    return PARTS[hashlib.sha256(name.encode()).digest()[0] % 3]


def square(pixels: np.ndarray, side: int = SIDE) -> np.ndarray:
    height, width = pixels.shape[:2]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    cut = pixels[top : top + short, left : left + short]
    way = cv2.INTER_AREA if short > side else cv2.INTER_CUBIC
    return cv2.resize(cut, (side, side), interpolation=way)


def patterns(folder: Path) -> dict[str, np.ndarray]:
    """Return GIMP's and Krita's patterns by name, as (height, width, 3) RGB."""
    pictures = {}
    for path in sorted(folder.rglob("*.pat")):
        content = path.read_bytes()
        start, _, width, height, depth = struct.unpack(">5I", content[:20])
        pixels = np.frombuffer(content, np.uint8, width * height * depth, start)
        pixels = pixels.reshape(height, width, depth)
        pixels = np.repeat(pixels[:, :, :1], 3, axis=2) if depth < 3 else pixels[:, :, :3]
        if pixels.std(axis=(0, 1)).max() > 4 and min(width, height) >= 48:
            pictures.setdefault(path.stem.lower(), pixels)
    return pictures


def textures(part: str, folder: Path) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield (texture, crop, pixels): quarters, which share no pixel."""
    named = patterns(folder)
    if part == "test":
        from skimage import data

        for name in ("brick", "grass", "gravel"):
            named[name] = np.repeat(getattr(data, name)()[:, :, None], 3, axis=2)
    for name, pixels in named.items():
        height, width = (edge // 2 for edge in pixels.shape[:2])
        of_part = split_of(name) == part or name in ("brick", "grass", "gravel")
        if min(pixels.shape[:2]) >= LEAST_PATTERN and of_part:
            for quarter in range(4):
                row, column = divmod(quarter, 2)
                cut = pixels[row * height :, column * width :][:height, :width]
                yield name, str(quarter), square(cut)


def tiled(pattern: np.ndarray, side: int = 256) -> np.ndarray:
    """Return a style picture: a pattern, repeated as far as it is smaller than the picture."""
    height, width = pattern.shape[:2]
    repeated = np.tile(pattern, (-(-side // height), -(-side // width), 1))
    return repeated[: max(side, min(height, width)), : max(side, min(height, width))]


def drawn(seed: int, layout: int) -> np.ndarray:
    """Draw a texture: recipe, palette and scale by `seed`, where things lie by `layout`."""
    style, place = np.random.default_rng(seed), np.random.default_rng((seed, layout))
    palette = style.integers(0, 256, (4, 3)).astype(np.float32)
    scale = float(np.exp(style.uniform(np.log(6), np.log(48))))  # px
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)

    def noise(size: float, aspect: float = 1.0) -> np.ndarray:
        grain = place.normal(size=(SIDE, SIDE)).astype(np.float32)
        soft = cv2.GaussianBlur(grain, (0, 0), size * aspect, sigmaY=size)
        return (soft - soft.min()) / (soft.max() - soft.min())

    angle = style.uniform(0, np.pi)
    along = rows * np.sin(angle) + columns * np.cos(angle) + place.uniform(0, 9 * scale)
    across = columns * np.sin(angle) - rows * np.cos(angle) + place.uniform(0, 9 * scale)
    kind = style.integers(8)
    if kind == 0:  # wavy stripes
        field = 0.5 + 0.5 * np.sin((along + 2 * scale * noise(scale)) * 2 * np.pi / scale)
    elif kind == 1:  # checks
        field = ((along // scale + across // scale) % 2) * 0.7 + 0.3 * noise(scale / 4)
    elif kind == 2:  # clouds in steps
        field = np.floor(noise(scale) * 6) / 5
    elif kind == 3:  # cells
        points = place.uniform(0, SIDE, (int((SIDE / scale) ** 2) + 2, 2)).astype(np.float32)
        field = np.full((SIDE, SIDE), 1e9, np.float32)
        second = field.copy()
        for y, x in points:
            far = np.hypot(rows - y, columns - x)
            second = np.minimum(second, np.maximum(far, field))
            field = np.minimum(field, far)
        field = np.clip((second - field) / scale, 0, 1)
    elif kind == 4:  # grain with a direction
        field = noise(scale / 6, aspect=style.uniform(3, 8))
    elif kind == 5:  # marble
        field = np.abs(np.sin(along / scale + 8 * noise(scale)))
    else:  # strokes or dots
        canvas = np.zeros((SIDE, SIDE), np.float32)
        length = scale * style.uniform(0, 2) * (kind == 6)
        for _ in range(int(3 * (SIDE / scale) ** 2)):
            x, y = place.uniform(0, SIDE, 2)
            turn = angle + place.normal(0, 0.2)
            end = (int(x + length * np.cos(turn)), int(y + length * np.sin(turn)))
            shade = float(place.choice([0.25, 0.5, 0.75, 1.0]))
            cv2.line(canvas, (int(x), int(y)), end, shade, max(1, int(scale / 4)), cv2.LINE_AA)
        field = canvas
    steps = np.clip(field, 0, 1) * 3
    low = np.minimum(steps.astype(int), 2)
    colours = palette[low] + (palette[low + 1] - palette[low]) * (steps - low)[..., None]
    return np.clip(colours + place.normal(0, 4, colours.shape), 0, 255).astype(np.uint8)
