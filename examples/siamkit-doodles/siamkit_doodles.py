"""Doodles: drawings as a tablet saves them, strokes of points, and which of them mean the same.

A sample is a JSON file, {"strokes": [[[x, y], [x, y], ...], ...]}, in any unit and of any size; y
grows downwards. It is drawn into a square, and as a picture it is compared.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as pil
from PIL import ImageDraw

from siamkit.errors import MissingWeights, NothingFound, UnreadableSample
from siamkit.protocols import Source
from siamkit.sdk.model_folder import Card, projection, require_preprocessing, write_folder
from siamkit.sdk.onnx import OnnxEncoder
from siamkit.types import Image, Region

SIDE, DIM = 64, 64  # px of a drawing; numbers of a vector before training
DRAWN, MARGIN, PEN = 256, 24, 10  # px; drawn large and made smaller, so that lines are smooth
FARTHEST = 1e12  # of a coordinate from 0, in any unit
# All that changes an array. Vectors of other constants are never compared: raise `version` when
# `load`, `crop` or `array` changes.
CONSTANTS = {"version": 1, "side": SIDE, "drawn": DRAWN, "margin": MARGIN, "pen": PEN}


class Doodles:
    name = "doodles"
    kind = "image"
    detector: str | None = None
    backbone = "efficientnet-lite0"
    encoders: Mapping[str, str] = {"start": "a random projection, until one is trained"}

    def load(self, source: Source) -> Image:
        try:
            content = source.read_bytes() if isinstance(source, Path) else source
            strokes = [np.array(stroke, float) for stroke in json.loads(content)["strokes"]]
            points = np.concatenate(strokes)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise UnreadableSample('not a drawing: {"strokes": [[[x, y], ...], ...]}') from error
        if points.ndim != 2 or points.shape[1] != 2 or not (np.abs(points) <= FARTHEST).all():
            raise UnreadableSample(f"its points are not [x, y] with numbers up to {FARTHEST:g}")
        low, size = points.min(axis=0), max(np.ptp(points, axis=0).max(), 1e-9)
        scale = (DRAWN - 2 * MARGIN) / size
        centred = (DRAWN - scale * np.ptp(points, axis=0)) / 2
        return Image(_drawn([(stroke - low) * scale + centred for stroke in strokes]))

    def crop(self, medium: Image, region: Region) -> Image:
        pixels = medium.pixels
        if region.where is not None:
            left, top, right, bottom = (max(0, round(edge)) for edge in region.where)
            pixels = pixels[top:bottom, left:right]
        if (pixels == 255).all():
            raise NothingFound("there is no ink in it")
        return Image(pixels.copy())

    def array(self, medium: Image) -> np.ndarray[Any, Any]:
        """What the network eats: (SIDE, SIDE) uint8, ink 255 on 0."""
        grey = pil.fromarray(medium.pixels).convert("L").resize((SIDE, SIDE), pil.Resampling.BOX)
        return 255 - np.asarray(grey, dtype=np.uint8)

    def augment(
        self, array: np.ndarray[Any, Any], own: np.random.Generator, shared: np.random.Generator
    ) -> np.ndarray[Any, Any]:
        """A variant for training: a little turned, and a quarter turn makes another doodle."""
        angle = own.normal(0, 7) + 90 * int(shared.integers(4))
        return np.asarray(pil.fromarray(array).rotate(angle, pil.Resampling.BILINEAR), np.uint8)

    def preprocessing(self) -> Mapping[str, Any]:
        return CONSTANTS

    def build(self, name: str, folder: Path) -> None:
        matrix = np.random.default_rng(0).standard_normal((SIDE * SIDE, DIM))
        card = Card(self.name, name, DIM, CONSTANTS, "CC0-1.0", "random numbers")
        write_folder(folder, projection(matrix, np.uint8), card)

    def encoder(self, folder: Path | None = None) -> OnnxEncoder[Image]:
        if folder is None:
            raise MissingWeights("there is no encoder here", hint="siamkit encoders build doodles")
        opened = OnnxEncoder(folder, self.array)
        require_preprocessing(opened.card, folder, CONSTANTS, hint="train again")
        return opened

    def examples(self) -> Sequence[tuple[str, Source]]:
        return [(f"doodle {n}", doodle(n, hand)) for n in (0, 1) for hand in (0, 1)]


def _drawn(strokes: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    picture = pil.new("RGB", (DRAWN, DRAWN), "white")
    pen = ImageDraw.Draw(picture)
    for stroke in strokes:
        points = [(x, y) for x, y in stroke.tolist()]
        pen.line(points, "black", PEN, joint="curve")
        for x, y in points:  # round ends, and a dot for a stroke of one point
            pen.ellipse((x - PEN / 2, y - PEN / 2, x + PEN / 2, y + PEN / 2), "black")
    return np.array(picture)


def doodle(number: int, hand: int) -> bytes:
    """A drawing by a program: the same number is the same doodle, drawn by other shaky hands.

    Two to four strokes between places of a coarse grid, bent as a pen bends them. A hand moves
    every place a little, leans, and draws strokes from either end.
    """
    own, shaky = np.random.default_rng(number), np.random.default_rng([number, hand])
    slant = np.array([[1, shaky.normal(0, 0.15)], [shaky.normal(0, 0.1), shaky.uniform(0.8, 1.25)]])
    strokes = []
    for _ in range(own.integers(2, 5)):
        places = own.integers(0, 4, (own.integers(2, 5), 2)) * 30.0
        bend = own.normal(0, 12, (len(places) - 1, 2))
        places, bend = (
            places + shaky.normal(0, 5, places.shape),
            bend + shaky.normal(0, 4, bend.shape),
        )
        t = np.linspace(0, 1, 8)[:, None]
        line = np.concatenate(
            [
                (1 - t) * a + t * b + 4 * t * (1 - t) * c
                for a, b, c in zip(places[:-1], places[1:], bend, strict=True)
            ]
        )
        strokes.append((line[:: shaky.choice([1, -1])] @ slant.T).round(1).tolist())
    return json.dumps({"strokes": strokes}).encode()
