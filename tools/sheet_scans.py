"""Show a drawn page as a scanner, a fax or a camera gives it."""

from __future__ import annotations

import io
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as pil

SIDE = 544  # px of the longer side of a finished page
DRAWN = 2  # times as large a page is drawn

Rng = np.random.Generator


def reproduce(
    drawn: NDArray[np.uint8], signatures: Sequence[NDArray[np.float32]], rng: Rng
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return the page as a scanner, a fax or a camera gives it, and the boxes on it."""
    pixels, points = _place(drawn, signatures, rng)
    turns = int(rng.choice(4, p=[0.7, 0.1, 0.1, 0.1]))
    for _ in range(turns):  # counter-clockwise, as rot90 does
        points = [np.stack([p[:, 1], pixels.shape[1] - 1 - p[:, 0]], axis=1) for p in points]
        pixels = np.rot90(pixels)
    boxes = [[*p.min(axis=0), *(p.max(axis=0) + 1)] for p in points]
    return _expose(pixels, rng), np.array(boxes, np.float32).reshape(-1, 4)


def _place(
    pixels: NDArray[np.uint8], points: Sequence[NDArray[np.float32]], rng: Rng
) -> tuple[NDArray[np.uint8], list[NDArray[np.float32]]]:
    """Reduce a drawn page to SIDE, askew, on a dark or light ground, seen from a corner."""
    height, width = pixels.shape[:2]
    pixels = cv2.GaussianBlur(pixels, (0, 0), DRAWN / 3)
    scale = SIDE / max(width, height)
    size = np.array([width, height]) * scale
    target = corners(*size).astype(np.float64)
    angle = np.deg2rad(rng.normal(0, 4 if rng.random() < 0.25 else 0.8))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shrink = rng.uniform(0.75, 1) if rng.random() < 0.35 else 1.0
    target = (target - size / 2) @ turn.T * shrink + size / 2
    if rng.random() < 0.2:
        target += rng.normal(0, 0.03, (4, 2)) * size
    matrix = cv2.getPerspectiveTransform(
        corners(width, height).astype(np.float32), target.astype(np.float32)
    )
    ground = int(rng.choice([0, 10, 90, 255], p=[0.25, 0.15, 0.15, 0.45]))
    out = tuple(np.round(size).astype(int).tolist())
    flags = cv2.INTER_LINEAR
    placed = cv2.warpPerspective(pixels, matrix, out, flags=flags, borderValue=(ground,) * 3)
    return placed, [cv2.perspectiveTransform(p[None], matrix)[0] for p in points]


def corners(width: float, height: float) -> NDArray[np.float32]:
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)


def _expose(pixels: NDArray[np.uint8], rng: Rng) -> NDArray[np.uint8]:
    """Return a page with light, shadow, noise, the thresholds of a fax, and JPEG's traces."""
    page = pixels.astype(np.float32)
    height, width = page.shape[:2]
    if rng.random() < 0.5:  # tint, and faint ink
        page = page * rng.uniform(0.7, 1, 3).astype(np.float32)
        page = 255 - (255 - page) * rng.uniform(0.5, 1)
    if rng.random() < 0.35:  # uneven light, and a shadow with a soft edge
        coarse = rng.uniform(rng.uniform(0.3, 0.9), 1, (3, 3)).astype(np.float32)
        page *= cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)[:, :, None]
    if rng.random() < 0.3:
        page = cv2.GaussianBlur(page, (0, 0), rng.uniform(0.4, 1.1))
    page += rng.normal(0, rng.uniform(0, 12), (height, width, 1)).astype(np.float32)
    page = np.clip(page, 0, 255)
    if rng.random() < 0.35:  # two tones
        grey = page.mean(axis=2) + rng.normal(0, rng.uniform(0, 15), (height, width))
        paper = cv2.blur(np.maximum(cv2.dilate(grey, np.ones((9, 9))), 60), (61, 61))
        level = rng.uniform(0.5, 0.85) * (paper if rng.random() < 0.8 else np.median(paper))
        page = np.repeat(np.where(grey > level, 255, 0)[:, :, None], 3, axis=2).astype(np.float32)
    if rng.random() < 0.25:  # specks, in places
        dense = cv2.resize(rng.random((6, 6)).astype(np.float32) ** 3, (width, height))
        specks = rng.random((height, width)) < dense * rng.uniform(0.01, 0.2)
        page[specks] = rng.choice([0, 60, 255])
    if rng.random() < 0.3:
        page = np.repeat(page.mean(axis=2, keepdims=True), 3, axis=2)
    content = io.BytesIO()
    quality = int(rng.integers(35, 95))
    pil.fromarray(np.clip(page, 0, 255).astype(np.uint8)).save(content, "JPEG", quality=quality)
    return np.asarray(pil.open(content).convert("RGB"))
