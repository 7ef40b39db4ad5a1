"""Plugins that keep every rule, and the function that plants faults in them."""

from __future__ import annotations

import io
import sys
from functools import partial

import numpy as np
from PIL import Image as pil

from siamkit.errors import BadInput, NothingFound, UnreadableSample
from siamkit.sdk.media import load_image
from siamkit.sdk.model_folder import Card, projection, write_folder
from siamkit.sdk.onnx import OnnxEncoder
from siamkit.types import Clip, Image, Quality, Region

SIDE, DIM = 8, 16


class DotsEncoder:
    """The encoder of an encoder folder."""

    threshold = None

    def __init__(self, folder):
        self.inner, self.folder = OnnxEncoder(folder, array), folder
        self.dim, self.fingerprint = DIM, self.inner.fingerprint

    def embed(self, batch):
        return self.inner.embed(batch)


class Dots:
    name = "dots"
    kind = "image"
    detector = None
    encoders = {"start": "random numbers"}  # noqa: RUF012
    encoder_class = DotsEncoder
    backbone = "test"

    def load(self, source):
        if isinstance(source, str):
            raise UnreadableSample("not a picture")
        return Image(load_image(source).pixels.copy())

    def crop(self, medium, region):
        if not medium.pixels.std():
            raise NothingFound("it has a single colour")
        if region.where is None:
            return Image(medium.pixels.copy())
        left, top, right, bottom = (round(edge) for edge in region.where)
        if left == right or top == bottom:
            raise NothingFound("no pixel is in it")
        return Image(medium.pixels[top:bottom, left:right].copy())

    def assess(self, medium, region):
        return Quality(0.5)

    def array(self, medium):
        return array(medium)

    def augment(self, array, own, shared):
        return array[:, ::-1]

    def preprocessing(self):
        return {"side": SIDE}

    def build(self, name, folder):
        matrix = np.random.default_rng(0).standard_normal((SIDE * SIDE * 3, DIM))
        matrix -= matrix.mean(axis=0)
        card = Card("dots", name, DIM, self.preprocessing(), "CC0-1.0", "drawn")
        write_folder(folder, projection(matrix, np.uint8), card)

    def encoder(self, folder=None):
        return self.encoder_class(folder)

    def examples(self):
        return [(label, picture(seed, n)) for seed, label in enumerate("ab") for n in range(2)]


class Spots:
    """Two boxes in every picture that is not white."""

    name = "spots"
    kind = "image"
    labels = ("spot",)

    def __init__(self, min_score=0.3):
        self.min_score = min_score

    def with_min_score(self, min_score):
        return type(self)(min_score)

    def examples(self):
        return [load_image(picture(0, 0)), load_image(picture(1, 0))]

    def find(self, medium):
        if (medium.pixels == 255).all():
            return []
        points, mask = np.ones((5, 2), np.float32), np.ones((10, 20), np.bool_)
        regions = [
            Region((0.0, 0.0, 20.0, 10.0), 0.9, mask=mask, landmarks=points, label="spot"),
            Region((5.0, 5.0, 32.0, 32.0), 0.4, label="spot"),
        ]
        return [region for region in regions if region.score >= self.min_score]

    def find_prompted(self, medium, prompt):
        height, width = medium.pixels.shape[:2]
        if any(x > width or y > height for x, y in prompt.points):
            raise BadInput("the point is outside the picture")
        return [Region((0.0, 0.0, 2.5, 2.0), 0.9, mask=np.ones((2, 3), np.bool_))]


class Hums:
    """The first second of every sound, in two parts."""

    name = "hums"
    kind = "audio"
    parts = ((0.1, 0.3), (0.4, 1.0))

    def examples(self):
        return [Clip(np.ones(16_000, np.float32), 16_000)]

    def find(self, medium):
        if not medium.samples.any() or medium.seconds < 1:
            return []
        return [Region((0.0, 1.0), 0.9, parts=self.parts)]


def array(medium):
    return np.asarray(pil.fromarray(medium.pixels).resize((SIDE, SIDE)))


def picture(seed, number):
    drawn = np.random.default_rng(seed).integers(30, 220, (SIDE, SIDE, 3))
    drawn += np.random.default_rng([seed, number]).integers(0, 30, drawn.shape)
    content = io.BytesIO()
    pil.fromarray(drawn.astype(np.uint8)).resize((32, 32)).save(content, "PNG")
    return content.getvalue()


def plant(module, base, faults, *arguments):
    """One subclass of `base` per (check, members that replace those of `base`).

    Each is put into its module, since some checks import it in another process.
    """
    planted = []
    for number, (check, members) in enumerate(faults):
        name = f"{base.__name__}_{check}_{number}"
        names = {"__module__": module, "__qualname__": name}
        faulty = type(name, (base,), {**members, **names})
        setattr(sys.modules[module], name, faulty)
        planted.append((partial(faulty, *arguments), check))
    return planted
