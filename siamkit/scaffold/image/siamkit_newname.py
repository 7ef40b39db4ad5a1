"""newname: tell which pictures show the same."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as pil
from PIL import ImageDraw

from siamkit.errors import MissingWeights, NothingFound, UnreadableSample
from siamkit.protocols import Source
from siamkit.sdk.media import load_image
from siamkit.sdk.model_folder import Card, projection, require_preprocessing, write_folder
from siamkit.sdk.onnx import OnnxEncoder
from siamkit.types import Image, Region

SIDE, DIM = 48, 64  # px of a picture as the network sees it; numbers per vector
# Everything that changes an array. Raise `version` when `crop` or `array` changes:
# vectors of other constants are never compared.
CONSTANTS = {"version": 1, "side": SIDE}


class NewNameModality:
    name = "newname"
    kind = "image"
    detector: str | None = None  # a region detector's name; None compares whole pictures
    backbone = "efficientnet-lite0"  # what `siamkit train` trains
    encoders: Mapping[str, str] = {"start": "a random projection, until one is trained"}

    def load(self, source: Source) -> Image:
        if isinstance(source, str):
            raise UnreadableSample("expected a picture file or its content, not text")
        return load_image(source)

    def crop(self, medium: Image, region: Region) -> Image:
        pixels = medium.pixels
        if region.where is not None:
            left, top, right, bottom = (max(0, round(edge)) for edge in region.where)
            pixels = pixels[top:bottom, left:right]
        if not pixels.size or (pixels == pixels[0, 0]).all():
            raise NothingFound("it has a single colour")
        return Image(pixels.copy())

    def array(self, medium: Image) -> np.ndarray[Any, Any]:
        """The network's input: (SIDE, SIDE, 3) uint8, whatever the picture's size."""
        scaled = pil.fromarray(medium.pixels).resize((SIDE, SIDE), pil.Resampling.BILINEAR)
        return np.asarray(scaled, dtype=np.uint8)

    def augment(
        self, array: np.ndarray[Any, Any], own: np.random.Generator, shared: np.random.Generator
    ) -> np.ndarray[Any, Any]:
        """A variant for training, still of the same identity: here a little brighter or darker."""
        return np.clip(array * own.uniform(0.8, 1.2), 0, 255).astype(np.uint8)

    def preprocessing(self) -> Mapping[str, Any]:
        return CONSTANTS

    def build(self, name: str, folder: Path) -> None:
        matrix = np.random.default_rng(0).standard_normal((SIDE * SIDE * 3, DIM))
        matrix -= matrix.mean(axis=0)  # so that brightness does not count
        card = Card(self.name, name, DIM, CONSTANTS, "CC0-1.0", "random numbers")
        write_folder(folder, projection(matrix, np.uint8), card)

    def encoder(self, folder: Path | None = None) -> OnnxEncoder[Image]:
        if folder is None:
            raise MissingWeights(
                "there is no encoder here", hint="run `siamkit encoders build newname`"
            )
        opened = OnnxEncoder(folder, self.array)
        require_preprocessing(opened.card, folder, CONSTANTS, hint="train again")
        return opened

    def examples(self) -> Sequence[tuple[str, Source]]:
        return [(label, sample(identity, n)) for identity, label in enumerate("ab") for n in (0, 1)]


def sample(identity: int, number: int) -> bytes:
    """A PNG file: a shape of the identity's own, drawn a little differently each time."""
    corners = np.random.default_rng(identity).uniform(10, 90, (6, 2))
    corners += np.random.default_rng([identity, number]).normal(0, 3, corners.shape)
    picture = pil.new("RGB", (100, 100), "white")
    ImageDraw.Draw(picture).polygon([(x, y) for x, y in corners.tolist()], fill=(40, 40, 90))
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()
