"""A stranger's package: three small modalities and a detector that need no weights.

The tests put its folder, which holds its metadata too, on the path, so that it is found as any
installed package is. `letters` and `bigrams` are texts, `tiles` are pictures.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import time
from pathlib import Path

import numpy as np

from siamkit.errors import MissingWeights, Uncalibrated, UnreadableSample
from siamkit.sdk import detector_folder
from siamkit.sdk.boxes import pixel_box
from siamkit.sdk.masks import of_picture
from siamkit.sdk.media import load_image
from siamkit.sdk.model_folder import Card, read_folder, write_folder
from siamkit.sdk.onnx import OnnxEncoder
from siamkit.types import Image, Quality, Region, Threshold


class LettersEncoder:
    """Counts of letter pairs, hashed to 64 numbers. TOYKIT_SALT makes it another encoder."""

    dim = 64
    threshold = Threshold(0.8, 0.01, "made up for the tests")

    def __init__(self, salt=""):
        self.salt = os.environ.get("TOYKIT_SALT", "") + salt
        self.long = 0
        self.fingerprint = f"letters/1:toy{self.salt}"

    def embed(self, batch):
        if os.environ.get("TOYKIT_FAILS"):
            raise RuntimeError("the toy was told to fail")
        if path := os.environ.get("TOYKIT_TELLS"):  # a file that gets a letter per batch
            with open(path, "a") as file:
                file.write("x")
        self.long += sum(len(text) > 1000 for text in batch)
        rows = np.stack([self.row(text) for text in batch]).astype(np.float32)
        with np.errstate(invalid="ignore"):
            return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def notes(self):
        notes, self.long = [f"{self.long} texts are long"] * (self.long > 0), 0
        return notes

    def row(self, text):
        time.sleep(float(os.environ.get("TOYKIT_SLEEP", "0")))
        if "NaN" in text:
            return np.full(self.dim, np.nan)
        if "Inf" in text:
            return np.full(self.dim, np.inf)
        if "crash" in text:
            raise RuntimeError("the toy was told to crash")
        if (poison := os.environ.get("TOYKIT_POISON")) and poison in text:
            os._exit(1)
        row = np.full(self.dim, 0.01)
        for pair in itertools.pairwise(text):
            digest = hashlib.sha256((self.salt + "".join(pair)).encode()).digest()
            row[digest[0] % self.dim] += 1
        return row


class Words:
    """A second opinion: the share of words that two texts have in common."""

    name = "words"
    threshold = Threshold(0.5, None, "made up for the tests")
    candidates = 0.3

    def score(self, left, right, left_vectors, right_vectors):
        if any("crash" in text for text in left):
            raise RuntimeError("the toy was told to crash")
        pairs = [(set(a.split()), set(b.split())) for a, b in zip(left, right, strict=True)]
        return np.array([len(a & b) / len(a | b) for a, b in pairs], dtype=np.float32)


class Letters:
    name = "letters"
    kind = "text"
    detector = None
    rerankers = {"words": "the share of common words"}  # noqa: RUF012
    origins = {"salt": "a word to hash with"}  # noqa: RUF012

    def reranker(self, name, encoder):
        if name != "words":
            raise MissingWeights(f"no reranker {name!r}")
        if encoder.salt:
            raise Uncalibrated("words does not fit a salted encoder")
        return Words()

    def add(self, origin, model, folder):
        if model == "nowhere":
            raise MissingWeights("there is no network")
        write_folder(folder, model.encode(), Card("letters", model, 64, {}, "CC0-1.0", model))

    def load(self, source):
        if isinstance(source, bytes):
            try:
                source = source.decode()
            except UnicodeDecodeError:
                raise UnreadableSample("not text") from None
        return source.strip().lower() if "NaN" not in source and "Inf" not in source else source

    def crop(self, medium, region):
        return medium

    def encoder(self, folder=None):
        return LettersEncoder(read_folder(folder)[1].decode() if folder else "")

    def examples(self):
        greetings = [("greeting", "hello there"), ("greeting", "hello here")]
        return [*greetings, ("sums", "one and one"), ("sums", "one and two")]


class Bigrams:
    """Text, with an encoder folder that is built: counts of letter pairs and a random projection.

    It weighs all pairs alike, so a head that learns which of them matter does better.
    """

    name = "bigrams"
    kind = "text"
    detector = None
    encoders = {"random": "a random matrix"}  # noqa: RUF012

    def load(self, source):
        return source.decode() if isinstance(source, bytes) else source

    def crop(self, medium, region):
        return medium

    def build(self, name, folder):
        from onnx import TensorProto, helper, numpy_helper

        rng = np.random.default_rng(0)
        weights = rng.standard_normal((128, 48)).astype(np.float32)
        graph = helper.make_graph(
            [
                helper.make_node("MatMul", ["counts", "weights"], ["projected"]),
                helper.make_node("LpNormalization", ["projected"], ["vectors"], axis=-1, p=2),
            ],
            "bigrams",
            [helper.make_tensor_value_info("counts", TensorProto.FLOAT, ["n", 128])],
            [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", 48])],
            [numpy_helper.from_array(weights, "weights")],
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
        ).SerializeToString()
        write_folder(folder, model, Card("bigrams", name, 48, {"hash": "sha256"}, "CC0-1.0", "toy"))

    def encoder(self, folder=None):
        return OnnxEncoder(folder, self.counts)

    def counts(self, text):
        row = np.full(128, 0.01, np.float32)
        for pair in itertools.pairwise(text):
            row[hashlib.sha256("".join(pair).encode()).digest()[0] % 128] += 1
        return row

    def examples(self):
        return [("greeting", "hello there"), ("greeting", "hello here"), ("sum", "one and one")]


class TilesEncoder:
    """The mean colour of 4 x 4 tiles."""

    dim = 48
    fingerprint = "tiles/1:toy"
    threshold = Threshold(0.999, 0.01, "made up for the tests")

    def embed(self, batch):
        rows = np.stack([self.row(image.pixels) for image in batch])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def row(self, pixels):
        height, width = pixels.shape[0] // 4 * 4, pixels.shape[1] // 4 * 4
        tiles = pixels[:height, :width].reshape(4, height // 4, 4, width // 4, 3)
        return tiles.mean(axis=(1, 3)).ravel() + 1.0


class Tiles:
    name = "tiles"
    kind = "image"
    detector = "squares"
    backbone = "test_efficientnet"

    def load(self, source):
        return load_image(source)

    def crop(self, medium, region):
        if region.where is None:
            return medium
        left, top, right, bottom = (round(v) for v in region.where)
        return Image(medium.pixels[top:bottom, left:right])

    def assess(self, medium, region):
        size = 99.0 if region.where is None else region.where[2] - region.where[0]
        problems = () if size >= 8 else (f"square is {size:.0f} px wide, at least 8 are needed",)
        return Quality(min(1.0, size / 64), problems, {"width_px": size})

    def array(self, medium):
        from PIL import Image as pil

        small = pil.fromarray(medium.pixels).resize((32, 32), pil.Resampling.BILINEAR)
        return np.asarray(small, dtype=np.uint8)

    def augment(self, array, own, shared):
        time.sleep(float(os.environ.get("TOYKIT_SLEEP", "0")))
        return np.ascontiguousarray(array[:, ::-1]) if shared.random() < 0.5 else array

    def preprocessing(self):
        return {"size": 32, "resize": "bilinear"}

    def encoder(self, folder=None):
        return OnnxEncoder(folder, self.array) if folder else TilesEncoder()

    def examples(self):
        return []


class SwatchesEncoder:
    """The mean colours of 4 x 4 tiles, from grey: a colour and its opposite have the cosine -1."""

    dim = 48
    fingerprint = "swatches/1:toy"
    threshold = None

    def embed(self, batch):
        rows = np.stack([TilesEncoder().row(image.pixels) for image in batch]) - 128.6
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class Hue:
    """A second opinion on swatches: how near their mean colours are."""

    name = "hue"
    threshold = Threshold(0.9, None, "made up for the tests")
    candidates = 0.5

    def score(self, left, right, left_vectors, right_vectors):
        pairs = zip(left, right, strict=True)
        gaps = [a.pixels.mean(axis=(0, 1)) - b.pixels.mean(axis=(0, 1)) for a, b in pairs]
        return np.array([1 - np.abs(gap).max() / 255 for gap in gaps], np.float32)


class Swatches:
    """Pictures without a detector of their own: anything may be enrolled and looked for."""

    name = "swatches"
    kind = "image"
    detector = None
    rerankers = {"hue": "nearness of the mean colours"}  # noqa: RUF012

    def load(self, source):
        return load_image(source)

    def crop(self, medium, region):
        return Tiles().crop(medium, region)

    def reranker(self, name, encoder):
        return Hue()

    def encoder(self, folder=None):
        return SwatchesEncoder()

    def examples(self):
        return []


class Squares:
    """Finds what is not white: one region per run of columns with ink."""

    name = "squares"
    kind = "image"

    def find(self, medium):
        ink = (medium.pixels < 250).any(axis=2)
        columns = np.flatnonzero(np.diff(np.concatenate([[0], ink.any(axis=0), [0]])))
        regions = []
        for left, right in columns.reshape(-1, 2):
            rows = np.flatnonzero(ink[:, left:right].any(axis=1))
            box = (float(left), float(rows[0]), float(right), float(rows[-1] + 1))
            regions.append(Region(box, 0.9))
        return sorted(regions, key=lambda r: r.where[0] - r.where[2])


class Marker(Squares):
    """Squares that are cut out where a point or a box marks them: the ink of the same colour."""

    name = "marker"
    labels = ("square",)

    def find_prompted(self, medium, prompt):
        height, width = medium.pixels.shape[:2]
        mask = (medium.pixels < 250).any(axis=2)
        for x, y in prompt.points:
            mask &= (medium.pixels == medium.pixels[int(y), int(x)]).all(axis=2)
        if prompt.box:
            left, top, right, bottom = pixel_box(prompt.box, width, height)
            inside = np.zeros_like(mask)
            inside[top:bottom, left:right] = True
            mask &= inside
        region = of_picture(mask, 0.9, "square")
        return [region] if region else []


class Stamps(Squares):
    """Squares of a least width, which is all that its detector folders hold."""

    name = "stamps"
    detectors = {"wide": "squares of 12 px or more"}  # noqa: RUF012
    origins = {"px": "a least width"}  # noqa: RUF012

    def __init__(self, card=None, least=1):
        self.name = card.name if card else "stamps"
        self.labels = card.labels if card else ()
        self.least = least

    def build(self, name, folder):
        self.add("px", "12", folder)

    def add(self, origin, model, folder, *, labels=None):
        if model == "nowhere":
            raise MissingWeights("there is no network")
        names = labels.read_text().split() if labels else ["square"]
        card = detector_folder.DetectorCard(
            model, "stamps", "toy", tuple(names), {}, {}, 0.5, None, 100, "CC0-1.0", "a number"
        )
        content = Path(model).read_bytes() if Path(model).exists() else model.encode()
        detector_folder.write_folder(folder, content, card)

    def open(self, folder):
        card, graph = detector_folder.read_folder(folder)
        return Stamps(card, int(graph))

    def find(self, medium):
        label = self.labels[0] if self.labels else ""
        return [
            Region(region.where, region.score, label=label)
            for region in super().find(medium)
            if region.where[2] - region.where[0] >= self.least
        ]


class Inks(Squares):
    """Squares with their colour and their mask; small ones have a low score."""

    name = "inks"
    labels = ("blue", "red", "green")
    min_score = 0.5

    def with_min_score(self, min_score):
        other = Inks()
        other.min_score = min_score
        return other

    def find(self, medium):
        regions = []
        for square in super().find(medium):
            left, top, right, bottom = map(int, square.where)
            pixels = medium.pixels[top:bottom, left:right]
            mask = (pixels < 250).any(axis=2)
            red, _, blue = pixels[mask].mean(axis=0)
            score = 0.9 if right - left >= 8 else 0.25
            if score >= self.min_score:
                label = "red" if red > blue else "blue"
                regions.append(Region(square.where, score, mask, label=label))
        return regions


class Beeps:
    """Finds what is loud: one region with a part per beep."""

    name = "beeps"
    kind = "audio"

    def find(self, medium):
        loud = np.abs(medium.samples).reshape(-1, medium.rate // 10).max(axis=1) > 0.1
        edges = np.flatnonzero(np.diff(np.concatenate([[0], loud, [0]]))).reshape(-1, 2) / 10
        parts = tuple((float(start), float(stop)) for start, stop in edges)
        return [Region((parts[0][0], parts[-1][1]), 0.8, parts=parts)] if parts else []
