"""Filters that give a photograph a style without a network: `styles` are fitted on them.

Each takes and returns (side, side, 3) uint8 RGB.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from PIL import Image as pil

Filter = Callable[[np.ndarray], np.ndarray]


def _grey(pixels: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)


def _rgb(grey: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(np.clip(grey, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2RGB)


def _edges(pixels: np.ndarray) -> np.ndarray:
    return cv2.adaptiveThreshold(
        cv2.medianBlur(_grey(pixels), 5), 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, 9, 5
    )


def _cartoon(pixels: np.ndarray) -> np.ndarray:
    smooth = pixels
    for _ in range(3):
        smooth = cv2.bilateralFilter(smooth, 9, 60, 9)
    return np.where(_edges(pixels)[..., None] > 0, smooth, 0)


def _pixels(pixels: np.ndarray, size: int) -> np.ndarray:
    side = pixels.shape[0]
    small = cv2.resize(pixels, (side // size, side // size), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (side, side), interpolation=cv2.INTER_NEAREST)


def _dots(pixels: np.ndarray, size: int) -> np.ndarray:
    rows, columns = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
    wave = np.sin(rows * np.pi / size) * np.sin(columns * np.pi / size)
    return _rgb(255.0 * (_grey(pixels) / 255.0 > 0.5 + 0.5 * wave))


def _hatches(pixels: np.ndarray, size: int) -> np.ndarray:
    rows, columns = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
    grey = _grey(pixels)
    paper = np.full(grey.shape, 255)
    for step, limit in enumerate((200, 150, 100, 50)):
        lines = (rows + (-1) ** step * columns + step * size // 2) % size == 0
        paper[lines & (grey < limit)] = 20
    return _rgb(paper)


def _relief(pixels: np.ndarray) -> np.ndarray:
    kernel = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], np.float32)
    return _rgb(cv2.filter2D(_grey(pixels), cv2.CV_32F, kernel) / 2 + 64)


def _tones(pixels: np.ndarray, dark: tuple[int, int, int], light: tuple[int, int, int]):
    share = _grey(pixels)[..., None] / 255.0
    return (np.array(dark) * (1 - share) + np.array(light) * share).astype(np.uint8)


def _dithered(pixels: np.ndarray, colours: int) -> np.ndarray:
    picture = pil.fromarray(pixels)
    palette = picture.quantize(colours)
    return np.asarray(
        picture.quantize(palette=palette, dither=pil.Dither.FLOYDSTEINBERG).convert("RGB")
    )


def _grain(pixels: np.ndarray, strength: float, size: float) -> np.ndarray:
    noise = np.random.default_rng(int(pixels.sum())).normal(0, 1, pixels.shape[:2])
    noise = cv2.GaussianBlur(noise, (0, 0), size)
    return np.clip(pixels + (noise / noise.std() * strength)[..., None], 0, 255).astype(np.uint8)


def _streaks(pixels: np.ndarray, length: int) -> np.ndarray:
    kernel = np.eye(length, dtype=np.float32) / length
    return cv2.filter2D(pixels, -1, kernel)


def _knife(pixels: np.ndarray, size: int) -> np.ndarray:
    """Return patches of the median colour, with hard edges, as of a palette knife."""
    steps = (cv2.medianBlur(pixels, size) // 24 * 24 + 12).astype(np.uint8)
    return cv2.medianBlur(steps, size)


FILTERS: Mapping[str, Filter] = {
    "stylised": lambda p: cv2.stylization(p, sigma_s=40, sigma_r=0.4),
    "pencil": lambda p: _rgb(cv2.pencilSketch(p, sigma_s=40, sigma_r=0.07, shade_factor=0.05)[0]),
    "crayon": lambda p: cv2.pencilSketch(p, sigma_s=40, sigma_r=0.07, shade_factor=0.05)[1],
    "detail": lambda p: cv2.detailEnhance(p, sigma_s=10, sigma_r=0.3),
    "cartoon": _cartoon,
    "ink": lambda p: _rgb(_edges(p)),
    "pixels 6": lambda p: _pixels(p, 6),
    "pixels 16": lambda p: _pixels(p, 16),
    "dots 4": lambda p: _dots(p, 4),
    "dots 9": lambda p: _dots(p, 9),
    "hatches 8": lambda p: _hatches(p, 8),
    "hatches 14": lambda p: _hatches(p, 14),
    "relief": _relief,
    "sepia": lambda p: _tones(p, (30, 15, 5), (250, 230, 190)),
    "cyanotype": lambda p: _tones(p, (5, 20, 70), (230, 245, 250)),
    "posterised": lambda p: (p // 64 * 85).astype(np.uint8),
    "solarised": lambda p: np.where(p > 128, 255 - p, p),
    "two colours": lambda p: _dithered(p, 2),
    "eight colours": lambda p: _dithered(p, 8),
    "fine grain": lambda p: _grain(p, 30, 0.7),
    "coarse grain": lambda p: _grain(p, 25, 3),
    "soft": lambda p: cv2.GaussianBlur(p, (0, 0), 4),
    "streaks": lambda p: _streaks(p, 19),
    "knife 9": lambda p: _knife(p, 9),
    "knife 21": lambda p: _knife(p, 21),
}
