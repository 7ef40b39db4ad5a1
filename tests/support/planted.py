"""Good plugins that keep every rule, and the same with one fault each.

Every class has a place in this module, since some checks import it in another process.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import random
import signal
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image as pil

from siamkit.errors import NothingFound, UnreadableSample
from siamkit.sdk.media import load_image
from siamkit.sdk.model_folder import Card, projection, write_folder
from siamkit.sdk.onnx import OnnxEncoder, session
from siamkit.testing import Brute
from siamkit.testing.brute import BruteIndex
from siamkit.testing.place import COUNT
from siamkit.types import Clip, Cursor, Hits, Image, Quality, Region

SIDE, DIM = 8, 16
COUNTER, RANDOM = itertools.count(), np.random.default_rng(0)  # another number each time


class DotsEncoder:
    """An encoder folder that is served, with a place to go wrong."""

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
    served = DotsEncoder
    backbone = "test"

    def load(self, source):
        if isinstance(source, str):
            raise UnreadableSample("no picture")
        return Image(load_image(source).pixels.copy())

    def crop(self, medium, region):
        if not medium.pixels.std():
            raise NothingFound("it is all of one colour")
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
        return self.served(folder)

    def examples(self):
        return [(who, picture(seed, n)) for seed, who in enumerate(("a", "b")) for n in range(2)]


def array(medium):
    return np.asarray(pil.fromarray(medium.pixels).resize((SIDE, SIDE)))


def picture(seed, number):
    drawn = np.random.default_rng(seed).integers(30, 220, (SIDE, SIDE, 3))
    drawn += np.random.default_rng([seed, number]).integers(0, 30, drawn.shape)
    content = io.BytesIO()
    pil.fromarray(drawn.astype(np.uint8)).resize((32, 32)).save(content, "PNG")
    return content.getvalue()


class Spots:
    """Two boxes in every picture that is not white."""

    name = "spots"
    kind = "image"

    def examples(self):
        return [load_image(picture(0, 0)), load_image(picture(1, 0))]

    def find(self, medium):
        if (medium.pixels == 255).all():
            return []
        points, mask = np.ones((5, 2), np.float32), np.ones((10, 20), np.bool_)
        return [
            Region((0.0, 0.0, 20.0, 10.0), 0.9, mask=mask, landmarks=points),
            Region((5.0, 5.0, 32.0, 32.0), 0.4),
        ]


PLANTED = []  # (a function that makes the plugin, the check that must catch it)


def plant(check, base, *arguments, **members):
    """A class with a fault, findable by its name."""
    name = f"{base.__name__}_{check}_{len(PLANTED)}"
    made = type(name, (base,), {**members, "__module__": __name__, "__qualname__": name})
    globals()[name] = made
    PLANTED.append((lambda: made(*arguments), check))


def plant_encoder(check, **members):
    plant(check, Dots, served=type(f"Encoder_{check}", (DotsEncoder,), members))


def plant_rows(check, change):
    """A fault in the rows that embed gives; `change` takes the encoder, rows and batch."""

    def embed(self, batch):
        return change(self, DotsEncoder.embed(self, batch), batch)

    plant_encoder(check, embed=embed)


def plant_index(check, **members):
    index = type(f"Index_{check}", (BruteIndex,), members)
    plant(check, Brute, index=index)


def unit(rows):
    return np.ascontiguousarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


# Names and imports.


def needy(self, size):
    self.size = size


def heavy(self):
    import matplotlib

    self.library = matplotlib


def calls_home(self):
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", 9), timeout=1).close()


def calls_home_in_silence(self):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as drawer, suppress(OSError):
        drawer.sendto(b"hello", ("127.0.0.1", 9))


def load_deaf_to_interrupts(self, source):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return Dots.load(self, source)


def chatty(self, source):
    print("here I am")
    return Dots.load(self, source)


def threaded(self):
    threading.Thread(target=threading.Event().wait, daemon=True).start()


plant("name_is_plain", Dots, name="Two Words")
plant("protocol_is_known", Dots, protocol=99)
plant("import_works", Dots, 1, __init__=needy)
plant("import_is_light", Dots, __init__=heavy)
plant("import_says_nothing", Dots, __init__=lambda self: print("hello"))
plant("use_says_nothing", Dots, load=chatty)
plant("import_starts_no_threads", Dots, __init__=threaded)
plant("use_says_nothing", Spots, find=lambda self, medium: (
    print("found") if len(found := Spots.find(self, medium)) else None, found)[1])  # fmt: skip
plant("process_is_left_alone", Dots, __init__=lambda self: os.chdir(Path.cwd().parent))
plant("process_is_left_alone", Dots, load=load_deaf_to_interrupts)
plant("no_network", Dots, __init__=calls_home)
plant("no_network", Dots, __init__=calls_home_in_silence)

# Modalities.


def noisy_load(self, source):
    medium = Dots.load(self, source)
    noise = RANDOM.integers(0, 4, medium.pixels.shape, dtype=np.uint8)
    return Image(medium.pixels ^ noise)


def load_path_mirrored(self, source):
    medium = Dots.load(self, source)
    return Image(medium.pixels[:, ::-1].copy()) if isinstance(source, Path) else medium


def load_leaking(self, source):
    content = source if isinstance(source, bytes) else source.read_bytes()
    return Image(np.asarray(pil.open(io.BytesIO(content)).convert("RGB")).copy())


def load_anything(self, source):
    try:
        return Dots.load(self, source)
    except UnreadableSample:
        return Image(np.zeros((8, 8, 3), np.uint8))


def crop_in_place(self, medium, region):
    made = Dots.crop(self, medium, region)
    medium.pixels[0] = 0
    return made


def load_cut_leaking(self, source):
    content = source if isinstance(source, bytes) else Path(source).read_bytes()
    if content[:4] != b"\x89PNG":
        raise UnreadableSample("no picture")
    return Image(np.asarray(pil.open(io.BytesIO(content)).convert("RGB")).copy())


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


def crop_to_array(self, medium, region):
    made = Dots.crop(self, medium, region)
    return made if region.where is None else made.pixels


def crop_region_in_place(self, medium, region):
    made = Dots.crop(self, medium, region)
    if region.where is not None:
        medium.pixels[0] = 0
    return made


def assess_in_place(self, medium, region):
    medium.pixels[0] = 0
    return Quality(0.5)


def examples_of_the_day(self):
    seed = 4 * next(COUNTER)
    return [(who, picture(seed + n, k)) for n, who in enumerate(("a", "b")) for k in range(2)]


def augment_by_chance(self, array, own, shared):
    return np.roll(array, next(COUNTER) % 8, axis=1)


def augment_in_place(self, array, own, shared):
    array[0] = 0
    return array


class Trusting(DotsEncoder):
    """Opens whatever is in the folder."""

    def __init__(self, folder):
        self.folder, self.graph = folder, session(folder / "encoder.onnx")
        self.dim, self.fingerprint = DIM, "dots/1:always"

    def embed(self, batch):
        if not batch:
            return np.empty((0, DIM), np.float32)
        return self.graph.run(None, {"arrays": np.stack([array(medium) for medium in batch])})[0]


class Blind(DotsEncoder):
    """Divides by what a blank picture has not."""

    def embed(self, batch):
        rows = self.inner.embed(batch)
        for row, medium in zip(rows, batch, strict=True):
            if medium.pixels.std() == 0:
                row[:] = np.nan
        return rows


class OfWeights(Trusting):
    """Its fingerprint stands for the graph, and not for the constants."""

    def __init__(self, folder):
        super().__init__(folder)
        graph = (folder / "encoder.onnx").read_bytes()
        self.fingerprint = f"dots/1:{hashlib.sha256(graph).hexdigest()[:12]}"


plant("kind_is_a_word", Dots, kind="two words")
plant("detector_is_installed", Dots, detector="nobody")
plant("examples_are_enough", Dots, examples=lambda self: [("a", picture(0, 0))])
plant("examples_load", Dots, examples=lambda self: [*Dots.examples(self), ("b", b"garbage")])
plant("load_is_repeatable", Dots, load=noisy_load)
plant("load_path_equals_load_bytes", Dots, load=load_path_mirrored)
plant("garbage_is_unreadable", Dots, load=load_leaking)
plant("garbage_is_unreadable", Dots, load=load_anything)
plant("crop_keeps_kind", Dots, crop=lambda self, medium, region: medium.pixels)
plant("crop_leaves_its_input_alone", Dots, crop=crop_in_place)
plant("examples_are_enough", Dots, examples=lambda self: Dots.examples(self)[::2] * 2)
plant("examples_are_enough", Dots, examples=lambda self: [(*e, 1) for e in Dots.examples(self)])
plant("examples_are_repeatable", Dots, examples=examples_of_the_day)
plant("options_fit", Dots, fusion="median")
plant("damage_is_unreadable", Dots, load=load_cut_leaking)

plant("crop_takes_regions", Dots, crop=crop_with_landmarks)
plant("crop_takes_regions", Dots, crop=crop_to_array)
plant("crop_takes_regions", Dots, crop=crop_to_nothing)
plant("crop_shows_its_region", Dots, crop=crop_rows_and_columns_swapped)
plant("crop_leaves_its_input_alone", Dots, crop=crop_region_in_place)
plant("assess_leaves_its_input_alone", Dots, assess=assess_in_place)
plant("blank_is_embedded_or_refused", Dots, served=Blind, crop=lambda self, medium, region: Image(
    medium.pixels.copy()))  # fmt: skip
plant("quality_is_in_range", Dots, assess=lambda self, medium, region: Quality(7.0))
plant("encoder_opens", Dots, served=lambda self, folder: 1 / 0, build=lambda self, name, folder: 0)
plant("calibration_is_read", Dots, calibration=Path("nowhere.json"))
plant_encoder("fingerprint_equal_across_processes", fingerprint=property(
    lambda self: f"dots/1:{os.getpid()}", lambda self, value: None))  # fmt: skip
plant("fingerprint_changes_with_weights", Dots, served=Trusting)
plant("fingerprint_changes_with_constants", Dots, served=OfWeights)
plant_encoder("reembed_after_save_equal", fingerprint=property(
    lambda self: f"dots/1:{self.folder}", lambda self, value: None))  # fmt: skip
plant("arrays_are_alike", Dots, augment=lambda self, array, own, shared: array[:4])
plant("arrays_are_alike", Dots, array=lambda self, medium: array(medium) / 255)
plant("augment_is_repeatable", Dots, augment=augment_by_chance)
plant("augment_leaves_its_input_alone", Dots, augment=augment_in_place)
plant("preprocessing_is_json", Dots, preprocessing=lambda self: {"size": (8, 8)},
      build=lambda self, name, folder: Dots().build(name, folder))  # fmt: skip

# Encoders.


def with_nan(self, rows, batch):
    return np.where(np.arange(len(rows))[:, None] == 0, np.float32(np.nan), rows)


def jittered(self, rows, batch):
    rows = rows + np.random.default_rng().normal(0, 0.05, rows.shape)
    return unit(rows).astype(np.float32)


def leaks_in_large_batches(self, rows, batch):
    return unit(rows + rows.sum(axis=0)) if len(rows) > 32 else rows


def leaks_between_two(self, rows, batch):
    return unit(rows + rows.sum(axis=0)) if len(rows) == 2 else rows


def spoils_input(self, rows, batch):
    for medium in batch:
        medium.pixels[:] = 0
    return rows


def buffered(self, rows, batch):
    buffers = self.__dict__.setdefault("buffers", {})
    buffer = buffers.setdefault(rows.shape, np.empty_like(rows))
    buffer[:] = rows
    return buffer


def refuses_nothing(self, rows, batch):
    return np.stack(list(rows))


plant_encoder("dim_is_a_size", dim=property(lambda self: float(DIM), lambda self, value: None))
plant_encoder("fingerprint_is_text", fingerprint=property(lambda s: "", lambda s, v: None))
plant_encoder("fingerprint_is_stable", fingerprint=property(
    lambda self: f"dots/1:{random.random()}", lambda self, value: None))  # fmt: skip
plant_encoder("threshold_is_a_cosine", threshold=0.5)
plant_encoder("encoder_options_fit", batch="many")
plant_rows("embed_shape_and_dtype", lambda self, rows, batch: 1 / 0)
plant_rows("embed_shape_and_dtype", lambda self, rows, batch: np.ma.array(rows))
plant_rows("embed_shape_and_dtype", lambda self, rows, batch: rows.astype(np.float64))
plant_rows("embed_shape_and_dtype", lambda self, rows, batch: unit(rows[:, :-1]))
plant_rows("embed_shape_and_dtype", lambda self, rows, batch: np.asfortranarray(rows))
plant_rows("embed_of_nothing", refuses_nothing)
plant_rows("embed_is_finite", with_nan)
plant_rows("embed_is_unit", lambda self, rows, batch: rows * 2)
plant_rows("embed_is_repeatable", jittered)
plant_rows("embed_is_batch_independent", lambda self, rows, batch: unit(rows + rows.sum(axis=0)))
plant_rows("embed_is_batch_independent", leaks_in_large_batches)
plant_rows("embed_is_batch_independent", leaks_between_two)
plant_rows("embed_leaves_its_input_alone", spoils_input)
plant_rows("embed_leaves_its_input_alone", lambda self, rows, batch: batch.clear() or rows)
plant_rows("embed_gives_its_own_array", buffered)
plant_rows("same_beats_different", lambda self, rows, batch: rows * 0 + np.float32(DIM**-0.5))

# Detectors.


def plant_regions(check, change):
    """A fault in what is found in a picture that is not blank."""
    plant(check, Spots, find=lambda self, medium: change(Spots.find(self, medium)))


def spoils_picture(self, medium):
    found = Spots.find(self, medium)
    medium.pixels[0] = 0
    return found


def tall_only(self, medium):
    height, width = medium.pixels.shape[:2]
    return [] if width > height and 1 / (height - 1) else Spots.find(self, medium)


def remembers_the_last(self, medium):
    last, self.last = getattr(self, "last", None), medium.pixels.mean()
    return [Region(label=str(last == self.last))]


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


TIMES = ((0.2, 0.4), (0.1, 0.15))
plant("kind_is_a_word", Spots, kind="")
plant_regions("find_gives_regions", lambda found: [region.where for region in found])
plant_regions("find_gives_regions", lambda found: [Region(np.array(r.where)) for r in found])
plant_regions("find_gives_regions", lambda found: [Region((0.5, 1.5)) for r in found])
plant_regions("find_gives_regions", lambda found: [Region(r.where, np.float32(1)) for r in found])
plant_regions("find_gives_regions", lambda found: [Region(r.where, label=3) for r in found])
plant_regions("nothing_is_an_empty_list", lambda found: found or None)
plant("nothing_is_an_empty_list", Spots, find=tall_only)
plant_regions("regions_in_bounds", lambda found: [Region((0.0, 0.0, 33.0, 9.0))] * len(found))
plant_regions("regions_best_first", lambda found: found[::-1])
plant_regions("scores_in_range", lambda found: [Region(r.where, r.score + 0.5) for r in found])
plant_regions("mask_fits_box", lambda found: [Region(r.where, mask=np.ones((2, 2), np.bool_))
                                              for r in found])  # fmt: skip
plant_regions("mask_fits_box", lambda found: [Region((0.0, 0.0, 3.0, 2.0), mask=np.zeros(
    (2, 3), np.bool_)) for r in found])  # fmt: skip
plant_regions("landmarks_are_points", lambda found: [Region(r.where, landmarks=np.ones(10))
                                                     for r in found])  # fmt: skip
plant("parts_in_order", Hums, parts=TIMES)
plant("parts_in_order", Hums, parts=((0.2, 0.2),))
plant_regions("find_is_repeatable", lambda found: [Region(label=str(random.random()))
                                                   for r in found])  # fmt: skip
plant("find_is_repeatable", Spots, find=remembers_the_last)
plant("find_leaves_its_input_alone", Spots, find=spoils_picture)

# Indexes.


def with_search(change):
    def search(self, vectors, k, *, within=None):
        return change(lambda k, w: BruteIndex.search(self, vectors, k, within=w), k, within)

    return search


def not_itself(search, k, within):
    hits = search(k + 1, within)
    itself = hits.scores[:, :1] > 0.9999
    return Hits(*(np.where(itself, a[:, 1:], a[:, :-1]) for a in (hits.ids, hits.scores)))


def without_second(search, k, within):
    if k != 10:
        return search(k, within)
    hits = search(k + 1, within)
    return Hits(np.delete(hits.ids, 1, axis=1), np.delete(hits.scores, 1, axis=1))


def backwards(search, k, within):
    hits = search(k, within)
    return Hits(hits.ids[:, ::-1], hits.scores[:, ::-1]) if k == 10 else hits


def halved(search, k, within):
    hits = search(k, within)
    return Hits(hits.ids, hits.scores / 2)


def narrow(search, k, within):
    hits = search(k, within)
    return Hits(hits.ids.astype(np.int32), hits.scores)


def unpadded(search, k, within):
    hits = search(k, within)
    width = int((hits.ids >= 0).sum(axis=1).max(initial=0))
    return Hits(hits.ids[:, :width], hits.scores[:, :width])


def larger_id_first(search, k, within):
    hits = search(k, within)
    order = np.lexsort((-hits.ids, -hits.scores), axis=1)
    return Hits(*(np.take_along_axis(a, order, axis=1) for a in (hits.ids, hits.scores)))


def search_of_some(self, vectors, k, *, within=None):
    if not self.rows:
        raise ValueError("nothing to search in")
    return BruteIndex.search(self, vectors, k, within=within)


def add_new_only(self, ids, vectors):
    new = [i for i, number in enumerate(ids.tolist()) if number not in self.rows]
    BruteIndex.add(self, ids[new], vectors[new])


def add_by_reference(self, ids, vectors):
    self.rows |= dict(zip(ids.tolist(), vectors, strict=True))


def add_unless_loaded(self, ids, vectors):
    if not self.saved.seq:
        BruteIndex.add(self, ids, vectors)


def remove_present(self, ids):
    for number in ids.tolist():
        del self.rows[number]


def save_rounded(self, cursor):
    self.rows = {i: row.astype(np.float16).astype(np.float32) for i, row in self.rows.items()}
    BruteIndex.save(self, cursor)


def save_and_forget(self, cursor):
    BruteIndex.save(self, cursor)
    self.saved = Cursor()


def save_in_place(self, cursor):
    for path in self.folder.glob(f"{self.key}-*"):
        path.unlink()
    time.sleep(1)
    BruteIndex.save(self, cursor)


def open_raising(self, key, dim, *, root, known):
    index, refused = Brute.open(self, key, dim, root=root, known=known)
    if any("damaged" in line for line in refused):
        raise ValueError(refused[0])
    return index, refused


def open_any(self, key, dim, *, root, known):
    return Brute.open(self, key, dim, root=root, known=lambda cursor: True)


plant_index("empty_index_answers", search=search_of_some)


def search_something(self, vectors, k, *, within=None):
    if not len(vectors):
        raise ValueError("nothing to look for")
    return BruteIndex.search(self, vectors, k, within=within)


def everything_within_nothing(search, k, within):
    return search(k, within if within is None or len(within) else None)


def larger_of_equals(search, k, within):
    """Only what was found is put in order, not what was cut off."""
    if k > COUNT // 2:
        return search(k, within)
    hits = larger_id_first(search, 2 * COUNT, within)
    order = np.lexsort((hits.ids[:, :k], -hits.scores[:, :k]), axis=1)
    return Hits(*(np.take_along_axis(a[:, :k], order, axis=1) for a in (hits.ids, hits.scores)))


def within_of_new_ones(self, vectors, k, *, within=None):
    return BruteIndex.search(self, vectors, k, within=None if self.saved.seq else within)


def ties_of_new_ones(self, vectors, k, *, within=None):
    def search(k, within):
        return BruteIndex.search(self, vectors, k, within=within)

    return larger_id_first(search, k, within) if self.saved.seq else search(k, within)


def within_sorted_in_place(self, vectors, k, *, within=None):
    if within is not None:
        within.sort()
    return BruteIndex.search(self, vectors, k, within=within)


def within_in_order(self, vectors, k, *, within=None):
    rising = within is None or (np.diff(within) > 0).all()
    return BruteIndex.search(self, vectors, k, within=within if rising else within[:1])


def add_narrow(self, ids, vectors):
    BruteIndex.add(self, ids.astype(np.int32), vectors)


def add_up_to_a_thousand(self, ids, vectors):
    BruteIndex.add(self, ids, vectors)
    while len(self.rows) > 1000:
        self.rows.pop(next(iter(self.rows)))


def remove_and_count(self, ids):
    self.dead = getattr(self, "dead", 0) + len(ids)
    BruteIndex.remove(self, ids)


def remove_and_remember(self, ids):
    self.gone = {i: self.rows[i] for i in ids.tolist() if i in self.rows}
    BruteIndex.remove(self, ids)


def save_what_was_removed(self, cursor):
    rows, self.rows = self.rows, {**getattr(self, "gone", {}), **self.rows}
    BruteIndex.save(self, cursor)
    self.rows = rows


def save_something(self, cursor):
    if self.rows:
        BruteIndex.save(self, cursor)


def close_and_delete(self):
    for path in self.folder.glob(f"{self.key}-*"):
        path.unlink()


class Bare(BruteIndex):
    """Saved without a sum of its bytes."""

    def save(self, cursor):
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.key}-{cursor.seq}-{cursor.nonce}.npz"
        aside = path.with_name(f".{path.name}")
        aside.write_bytes(len(self.rows).to_bytes(8) + b"".join(
            np.int64(i).tobytes() + row.tobytes() for i, row in self.rows.items()))  # fmt: skip
        os.replace(aside, path)
        self.saved, self.changed = cursor, False


def open_bare(self, key, dim, *, root, known):
    made, refused = Bare(root / self.name, key, dim), []
    for path in sorted((root / self.name).glob(f"{key}-*"), key=self.age, reverse=True):
        content, width = path.read_bytes(), 8 + 4 * dim
        cursor = Cursor(self.age(path), path.stem.rpartition("-")[2])
        if len(content) != 8 + width * int.from_bytes(content[:8]) or not known(cursor):
            refused.append(f"{path.name} is cut short, or of another history")
            continue
        for start in range(8, len(content), width):
            number = int(np.frombuffer(content, np.int64, 1, start)[0])
            made.rows[number] = np.frombuffer(content, np.float32, dim, start + 8)
        made.saved = cursor
        break
    return made, refused


plant_index("exact_is_said", exact="yes")
plant_index("nothing_is_taken", search=search_something)
plant_index("nothing_is_taken", search=with_search(everything_within_nothing))
plant("dim_is_its_callers", Brute, open=lambda self, key, dim, *, root, known: Brute.open(
    self, key, 16, root=root, known=known))  # fmt: skip
plant_index("ids_are_64_bits", add=add_narrow)
plant_index("holds_thousands", add=add_up_to_a_thousand)
plant_index("length_follows_changes", remove=remove_and_count,
            __len__=lambda self: len(self.rows) + getattr(self, "dead", 0))  # fmt: skip
plant_index("length_counts", __len__=lambda self: 2 * len(self.rows))
plant_index("hits_have_their_shape", search=with_search(narrow))
plant_index("finds_itself", search=with_search(not_itself))
plant_index("equals_brute", search=with_search(without_second))
plant_index("best_come_first", search=with_search(backwards))
plant_index("scores_are_cosines", search=with_search(halved))
plant_index("upsert_twice", add=add_new_only)
plant_index("remove_removes", remove=lambda self, ids: None)
plant_index("remove_missing", remove=remove_present)
plant_index("k_beyond_size_pads", search=with_search(unpadded))
plant_index("within_is_obeyed", search=with_search(lambda search, k, within: search(k, None)))
plant_index("ties_to_smaller_id", search=with_search(larger_id_first))
plant_index("within_is_obeyed", search=within_in_order)
plant_index("ties_to_smaller_id", search=with_search(larger_of_equals))
plant_index("input_is_its_callers", add=add_by_reference)
plant_index("input_is_its_callers", search=within_sorted_in_place)
plant_index("describe_is_plain", describe=lambda self: {"structure": "none", "recall": None})
plant_index("describe_is_plain", describe=lambda self: {"structure": "none", "k": np.int64(1)})
plant_index("saved_cursor_is_kept", save=save_and_forget)
plant_index("save_reopen_equal", save=save_rounded)
plant_index("changes_after_reopening", add=add_unless_loaded)
plant_index("reopened_searches_alike", search=within_of_new_ones)
plant_index("reopened_searches_alike", search=ties_of_new_ones)
plant_index("removals_are_saved", save=save_what_was_removed, remove=remove_and_remember)
plant_index("removals_are_saved", save=save_something)
plant_index("due_is_over_once_saved", due=lambda self: True)
plant_index("close_lets_go", close=lambda self: 1 / 0)
plant_index("close_lets_go", close=close_and_delete)
plant("newest_is_opened", Brute, age=staticmethod(lambda path: path.name))
plant("unknown_cursor_is_refused", Brute, open=open_any)
plant("damage_is_refused", Brute, open=open_raising)
plant("rot_is_refused", Brute, index=Bare, open=open_bare)
plant("drop_deletes", Brute, drop=lambda self, prefix, *, root, below=None: Brute.drop(
    self, prefix.rstrip("-"), root=root, below=below))  # fmt: skip
plant("drop_below_keeps_newer", Brute, drop=lambda self, prefix, *, root, below=None: Brute.drop(
    self, prefix, root=root))  # fmt: skip
plant_index("kill_during_save", save=save_in_place)


def nearest_of_all(self, vectors, k, *, groups, below, recall):
    """Of the own group too."""
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    found = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    return Hits(found, np.take_along_axis(cosines, found, axis=1))


plant("mine_equals_brute", Brute, mine=lambda self, vectors, floor, *, memory: ({}, iter(())))
plant("nearest_keeps_apart", Brute, nearest=nearest_of_all)
