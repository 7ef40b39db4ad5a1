"""Toys under the names that help texts speak of (faces, voices, faq, …), and a store of them.

The examples of the help run on it: the files, galleries and labels that they name are there.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from toykit import (
    Beeps,
    Letters,
    Marker,
    Squares,
    Swatches,
    SwatchesEncoder,
    Tiles,
    TilesEncoder,
    Words,
)
from voicedata import clip, write

from siamkit.host.registry import Plugin
from siamkit.sdk.model_folder import Card, read_folder, write_folder
from siamkit.types import Region, Threshold
from siamkit_voices.modality import Voices as RealVoices

THRESHOLD = Threshold(0.9, 0.01, "made up for the tests")
MANY = 115  # identities of two samples, whose 6,555 pairs support a false match rate of 5e-4
CHANGED = (".siamkit", "help.db", "staff-backup")  # what an example may write to
SCENES = 20  # pictures that support a false positive rate of 0.05 per picture


def renamed(encoder, name):
    encoder.fingerprint, encoder.threshold = f"{name}/1:toy", THRESHOLD
    return encoder


class Faces(Tiles):
    name, nouns, detector = "faces", ("person", "people"), "facefinder"
    calibration: Path | None = None

    def encoder(self, folder=None):
        return renamed(TilesEncoder(), "faces")


class Signatures(Faces):
    name, nouns, detector = "signatures", ("writer", "writers"), None

    def encoder(self, folder=None):
        return renamed(TilesEncoder(), "signatures")


class Images(Swatches):
    name = "images"
    encoders = {"default": "toy", "detail": "toy"}  # noqa: RUF012
    origins = {"timm": "a network"}  # noqa: RUF012

    def build(self, name, folder):
        write_folder(folder, name.encode(), Card("images", name, 48, {}, "CC0-1.0", name))

    def add(self, origin, model, folder):
        self.build(model, folder)

    def encoder(self, folder=None):
        encoder = renamed(SwatchesEncoder(), "images")
        encoder.fingerprint += read_folder(folder)[1].decode() if folder else ""
        return encoder


class Lexical(Words):
    name = "lexical"


class Questions(Letters):
    name, nouns = "questions", ("question", "questions")
    rerankers = {"lexical": "common words"}  # noqa: RUF012
    origins = {"sentence-transformers": "a network"}  # noqa: RUF012

    def reranker(self, name, encoder):
        return Lexical()

    def add(self, origin, model, folder):
        write_folder(folder, model.encode(), Card("questions", model, 64, {}, "CC0-1.0", model))

    def encoder(self, folder=None):
        encoder = super().encoder(folder)
        encoder.fingerprint = encoder.fingerprint.replace("letters", "questions")
        return encoder


class PitchEncoder:
    """The strongest frequency below 400 Hz, in 32 bands."""

    dim, fingerprint, threshold = 32, "voices/1:toy", THRESHOLD

    def embed(self, batch):
        return np.stack([self.row(medium.samples, medium.rate) for medium in batch])

    def row(self, samples, rate):
        strengths = np.abs(np.fft.rfft(samples))
        frequencies = np.fft.rfftfreq(len(samples), 1 / rate)
        strengths[(frequencies < 60) | (frequencies > 400)] = 0
        bands = np.arange(32) - frequencies[strengths.argmax()] / 12.5
        row = np.exp(-((bands / 3) ** 2)) + 0.01
        return (row / np.linalg.norm(row)).astype(np.float32)


class Voices(RealVoices):
    detector = None
    encoders = {}  # noqa: RUF012

    def encoder(self, folder=None):
        return PitchEncoder()

    def separate(self, medium):
        seconds = len(medium.samples) / medium.rate
        return [[(at, min(at + 2.0, seconds))] for at in np.arange(0.0, seconds, 2.0)]


class FaceFinder(Squares):
    name = "facefinder"


class Proposals(Squares):
    name = "proposals"


class Objects(Squares):
    name, labels = "objects", ("person",)

    def with_min_score(self, min_score):
        return self

    def find(self, medium):
        return [replace(region, label="person") for region in super().find(medium)]


class Segments(Marker):
    name = "segments"


class Speech(Beeps):
    name = "speech"

    def find(self, medium):
        return [Region((0.0, 1.0), 0.8)]


MODALITIES = (Faces, Signatures, Images, Questions, Voices)
REGIONS = (FaceFinder, Proposals, Objects, Segments, Speech)
STYLES = Plugin("siamkit.modalities", "styles", "siamkit_style:Styles", "siamkit", "0.1.0")
INDEX = Plugin("siamkit.indexes", "faiss", "siamkit_faiss:Faiss", "siamkit", "0.1.0")


def plugins() -> tuple[Plugin, ...]:
    """Return the toys as if they were installed, and no others but what paints and the index."""
    groups = {"siamkit.modalities": MODALITIES, "siamkit.regions": REGIONS}
    toys = [
        Plugin(group, kind.name, f"examplekit:{kind.__name__}", "toys", "1.0")
        for group, kinds in groups.items()
        for kind in kinds
    ]
    return (*sorted([*toys, STYLES], key=lambda toy: (toy.group, toy.name)), INDEX)


def picture(*squares: tuple[int, int, int, int], size=(640, 480), seed=0) -> Image.Image:
    """Return a white picture with patterned squares (left, top, right, bottom)."""
    drawn = Image.new("RGB", size, "white")
    for number, (left, top, right, bottom) in enumerate(squares):
        rng = np.random.default_rng(seed + number)
        pattern = Image.fromarray(rng.integers(0, 200, (4, 4, 3), dtype=np.uint8))
        drawn.paste(pattern.resize((right - left, bottom - top), 0), (left, top))
    return drawn


FACE = (250, 160, 370, 300)


def _moved(box, pixels):
    left, top, right, bottom = box
    return left + pixels, top, right + pixels, bottom


PICTURES = {  # file, squares, and the seed of their pattern: one seed, one person or thing
    **{
        name: ([FACE], 1)
        for name in ("alice.jpg", "a.jpg", "b.jpg", "door.jpg", "passport.jpg", "photos/1.jpg")
    },
    "photos/2.jpg": ([FACE], 9),
    "party.jpg": ([FACE, (20, 20, 120, 120)], 1),
    "group.jpg": ([FACE, (410, 80, 520, 190)], 4),
    "doe.png": ([(100, 100, 300, 200)], 20),
    **{name: ([FACE], 30) for name in ("acme.png", "street.jpg", "shelf.jpg", "shirt.jpg")},
    "leaf.jpg": ([FACE], 41),
    "photo.jpg": ([FACE], 42),
    **{name: ([FACE], 50) for name in ("painting.jpg", "waves.jpg", "ink.jpg")},
    "leaves/1.jpg": ([FACE], 41),
    "crops/1.png": ([(0, 0, 640, 480)], 1),
    **{f"street_scenes/{n}.jpg": ([(9, 9, 99, 99)], 60 + n) for n in range(SCENES)},
    **{f"scenes/{n}.jpg": ([(9, 9, 99, 99)], 60 + n) for n in range(SCENES)},
    **{
        f"people/{who}/{n}.jpg": ([_moved(FACE, n)], 100 + who)
        for who in range(14)
        for n in range(3)
    },
}
QUESTIONS = [f"{start} {thing}?" for thing in ("boots", "kayaks", "tents", "stoves")
             for start in ("Do you sell", "Can I return", "Where are the")]  # fmt: skip
TABLES = {
    "manifest.csv": ["label,path", "alice,alice.jpg", "bob,photos/2.jpg"],
    "faq.csv": ["number,question", *(f"{n},{text}" for n, text in enumerate(QUESTIONS))],
    "questions.csv": ["question", *QUESTIONS, *(text.lower() for text in QUESTIONS)],
    "new.csv": ["question", "How do I sign in", "What is new?"],
    "list.txt": ["alice.jpg", "door.jpg"],
    "scores.csv": ["label,score", *(f"{n % 2},{n % 2 + n / 99}" for n in range(60))],
    "faces/trials.csv": ["a,b,label,country", *(
        f"people/{a}/0.jpg,people/{b}/1.jpg,{int(a == b)},{'AB'[a % 2]}"
        for a in range(14) for b in range(14))],
    "faces/pairs.csv": ["a,b,label", *(
        f"people/{a}/{m}.jpg,people/{b}/{n}.jpg,{int(a == b)}"
        for a in range(14) for b in range(a, min(a + 3, 14)) for m, n in ((0, 1), (0, 2), (1, 2)))],
    "questions/trials.csv": ["a,b,label", *(
        f"{a},{b.lower()},{int(a == b)}" for a in QUESTIONS for b in QUESTIONS)],
    "questions/pairs.csv": ["a,b", *(f"{text},{text.lower()}" for text in QUESTIONS)],
}  # fmt: skip


def write_files(folder: Path) -> None:
    """Write every file that an example names."""
    for name, (squares, seed) in PICTURES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        size = (640, 480) if path.parent == folder else (400, 320)
        picture(*squares, size=size, seed=seed).save(path, quality=100, subsampling=0)
    signed = picture((640, 1150, 1000, 1300), size=(1100, 1400), seed=20)
    signed.save(folder / "contract.png")
    for name in ("hello.wav", "a.wav"):
        write(folder / name, clip("low", 1, 1.5))
    shutil.copy(folder / "a.wav", folder / "b.wav")
    write(folder / "b.mp3", clip("low", 2, 1.5), format="MP3")
    write(folder / "talk.wav", np.concatenate([clip("low", 3, 4.0), clip("high", 4, 4.0)]))
    for name, lines in TABLES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("\n".join(lines) + "\n")
    np.save(folder / "vectors.npy", np.eye(8, 16, dtype=np.float32))
    _write_databases(folder)


def _write_databases(folder: Path) -> None:
    import sqlite3

    import pyarrow as pa
    from pyarrow import parquet

    tickets = pa.table({"id": range(len(QUESTIONS)), "subject": QUESTIONS})
    parquet.write_table(tickets, folder / "tickets.parquet")
    db = sqlite3.connect(folder / "help.db")
    db.execute("CREATE TABLE faq (id INTEGER PRIMARY KEY, title TEXT)")
    db.executemany("INSERT INTO faq (title) VALUES (?)", [(text,) for text in QUESTIONS])
    db.commit()
    db.close()


def many(count: int, dim: int) -> tuple[list[str], np.ndarray]:
    """Return the labels and (2 count, dim) vectors of two samples of each of some identities."""
    rng = np.random.default_rng(0)
    means = np.repeat(rng.normal(size=(count, dim)), 2, axis=0)
    vectors = means + 0.2 * rng.normal(size=means.shape)
    labels = [f"p{n:03}" for n in range(count) for _ in range(2)]
    return labels, (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def write_labelled(folder: Path) -> None:
    """Write labelled.json: the scenes, which show nothing, and a street with `acme` in it."""
    import json

    files = ["street.jpg", *(f"scenes/{n}.jpg" for n in range(SCENES))]
    left, top, right, bottom = FACE
    box = [left, top, right - left, bottom - top]
    facts = {
        "images": [{"id": n, "file_name": name} for n, name in enumerate(files)],
        "annotations": [{"id": 1, "image_id": 0, "category_id": 1, "bbox": box}],
        "categories": [{"id": 1, "name": "acme"}],
    }
    (folder / "labelled.json").write_text(json.dumps(facts))


STORE = (  # what the galleries hold that the examples name
    "enrol faces alice.jpg --as alice",
    "enrol staff alice.jpg --as alice -m faces",
    "enrol staff photos/2.jpg --as bob",
    "enrol staff --from people/",
    "enrol voices hello.wav --as alice",
    "enrol signers doe.png --as 'J. Doe' -m signatures",
    "enrol logos acme.png --as acme -m images",
    "enrol plants leaf.jpg --as oak -m images",
    "enrol plants shelf.jpg --as fern",
    "enrol photos door.jpg --as door -m images",
    "enrol photos leaf.jpg --as plant",
    "enrol faq -m questions --from faq.csv --column question --id question",
    "enrol topics -m questions --text 'Where is my parcel?' --as delivery",
    "enrol topics --text 'I was billed twice.' --as billing",
    "export staff staff-backup/",
)
