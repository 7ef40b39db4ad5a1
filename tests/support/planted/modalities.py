"""Faults of modalities: examples, decoding, crops, encoder folders, training arrays."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
from pathlib import Path

import numpy as np
from PIL import Image as pil

from planted.good import DIM, Dots, DotsEncoder, array, picture, plant
from siamkit.errors import NothingFound, UnreadableSample
from siamkit.sdk.onnx import session
from siamkit.types import Image, Quality

COUNTER, RANDOM = itertools.count(), np.random.default_rng(0)  # another number each time


def load_noisily(self, source):
    medium = Dots.load(self, source)
    noise = RANDOM.integers(0, 4, medium.pixels.shape, dtype=np.uint8)
    return Image(medium.pixels ^ noise)


def load_path_mirrored(self, source):
    medium = Dots.load(self, source)
    return Image(medium.pixels[:, ::-1].copy()) if isinstance(source, Path) else medium


def load_raising_pillows_errors(self, source):
    content = source if isinstance(source, bytes) else source.read_bytes()
    return Image(np.asarray(pil.open(io.BytesIO(content)).convert("RGB")).copy())


def load_raising_for_cut_files(self, source):
    content = source if isinstance(source, bytes) else Path(source).read_bytes()
    if content[:4] != b"\x89PNG":
        raise UnreadableSample("not a picture")
    return Image(np.asarray(pil.open(io.BytesIO(content)).convert("RGB")).copy())


def load_anything(self, source):
    try:
        return Dots.load(self, source)
    except UnreadableSample:
        return Image(np.zeros((8, 8, 3), np.uint8))


def examples_of_the_day(self):
    seed = 4 * next(COUNTER)
    return [(label, picture(seed + n, k)) for n, label in enumerate("ab") for k in range(2)]


def crop_in_place(self, medium, region):
    crop = Dots.crop(self, medium, region)
    medium.pixels[0] = 0
    return crop


def crop_region_in_place(self, medium, region):
    crop = Dots.crop(self, medium, region)
    if region.where is not None:
        medium.pixels[0] = 0
    return crop


def crop_rows_and_columns_swapped(self, medium, region):
    if region.where is None:
        return Dots.crop(self, medium, region)
    left, top, right, bottom = (round(edge) for edge in region.where)
    if not (pixels := medium.pixels[left:right, top:bottom]).size:
        raise NothingFound("no pixel is in it")
    return Image(pixels.copy())


def crop_with_landmarks(self, medium, region):
    if region.where is not None:
        region.landmarks.mean(axis=0)
    return Dots.crop(self, medium, region)


def crop_to_nothing(self, medium, region):
    try:
        return Dots.crop(self, medium, region)
    except NothingFound:
        if region.where is None:
            raise
        return Image(medium.pixels[:0].copy())


def crop_region_to_array(self, medium, region):
    crop = Dots.crop(self, medium, region)
    return crop if region.where is None else crop.pixels


def assess_in_place(self, medium, region):
    medium.pixels[0] = 0
    return Quality(0.5)


def augment_by_chance(self, array, own, shared):
    return np.roll(array, next(COUNTER) % 8, axis=1)


def augment_in_place(self, array, own, shared):
    array[0] = 0
    return array


def fails(self, folder):
    return 1 / 0


class DividesByContrast(DotsEncoder):
    def embed(self, batch):
        rows = self.inner.embed(batch)
        for row, medium in zip(rows, batch, strict=True):
            if medium.pixels.std() == 0:
                row[:] = np.nan
        return rows


class FixedFingerprint(DotsEncoder):
    """Opens whatever is in the folder."""

    def __init__(self, folder):
        self.folder, self.graph = folder, session(folder / "encoder.onnx")
        self.dim, self.fingerprint = DIM, "dots/1:always"

    def embed(self, batch):
        if not batch:
            return np.empty((0, DIM), np.float32)
        return self.graph.run(None, {"arrays": np.stack([array(medium) for medium in batch])})[0]


class FingerprintOfGraph(FixedFingerprint):
    """Its fingerprint covers the graph, but not the constants."""

    def __init__(self, folder):
        super().__init__(folder)
        graph = (folder / "encoder.onnx").read_bytes()
        self.fingerprint = f"dots/1:{hashlib.sha256(graph).hexdigest()[:12]}"


class FingerprintOfProcess(DotsEncoder):
    def __init__(self, folder):
        super().__init__(folder)
        self.fingerprint = f"dots/1:{os.getpid()}"


class FingerprintOfPath(DotsEncoder):
    def __init__(self, folder):
        super().__init__(folder)
        self.fingerprint = f"dots/1:{folder}"


BLANKS_EMBEDDED = {
    "encoder_class": DividesByContrast,
    "crop": lambda self, medium, region: Image(medium.pixels.copy()),
}
TUPLE_ON_CARD = {
    "preprocessing": lambda self: {"size": (8, 8)},
    "build": lambda self, name, folder: Dots().build(name, folder),
}
FAULTS = [
    ("members_fit", {"kind": 3}),
    ("detector_is_installed", {"detector": "nobody"}),
    ("members_fit", {"fusion": "median"}),
    ("examples_are_enough", {"examples": lambda self: [("a", picture(0, 0))]}),
    ("examples_are_enough", {"examples": lambda self: Dots.examples(self)[::2] * 2}),
    ("examples_are_enough", {"examples": lambda self: [(*e, 1) for e in Dots.examples(self)]}),
    ("examples_are_repeatable", {"examples": examples_of_the_day}),
    ("examples_load", {"examples": lambda self: [*Dots.examples(self), ("b", b"garbage")]}),
    ("load_is_repeatable", {"load": load_noisily}),
    ("load_path_equals_load_bytes", {"load": load_path_mirrored}),
    ("garbage_is_unreadable", {"load": load_raising_pillows_errors}),
    ("garbage_is_unreadable", {"load": load_anything}),
    ("damage_is_unreadable", {"load": load_raising_for_cut_files}),
    ("crop_keeps_kind", {"crop": lambda self, medium, region: medium.pixels}),
    ("crop_takes_regions", {"crop": crop_with_landmarks}),
    ("crop_takes_regions", {"crop": crop_region_to_array}),
    ("crop_takes_regions", {"crop": crop_to_nothing}),
    ("crop_follows_its_region", {"crop": crop_rows_and_columns_swapped}),
    ("crop_leaves_its_input_alone", {"crop": crop_in_place}),
    ("crop_leaves_its_input_alone", {"crop": crop_region_in_place}),
    ("quality_is_in_range", {"assess": lambda self, medium, region: Quality(7.0)}),
    ("assess_leaves_its_input_alone", {"assess": assess_in_place}),
    ("blank_is_embedded_or_refused", BLANKS_EMBEDDED),
    ("encoder_opens", {"encoder_class": fails, "build": lambda self, name, folder: 0}),
    ("calibration_is_readable", {"calibration": Path("nowhere.json")}),
    ("fingerprint_equal_across_processes", {"encoder_class": FingerprintOfProcess}),
    ("fingerprint_changes_with_weights", {"encoder_class": FixedFingerprint}),
    ("fingerprint_changes_with_constants", {"encoder_class": FingerprintOfGraph}),
    ("reembed_after_save_equal", {"encoder_class": FingerprintOfPath}),
    ("arrays_have_one_shape", {"augment": lambda self, array, own, shared: array[:4]}),
    ("arrays_have_one_shape", {"array": lambda self, medium: array(medium) / 255}),
    ("augment_is_repeatable", {"augment": augment_by_chance}),
    ("augment_leaves_its_input_alone", {"augment": augment_in_place}),
    ("preprocessing_is_json", TUPLE_ON_CARD),
]
PLANTED = plant(__name__, Dots, FAULTS)
