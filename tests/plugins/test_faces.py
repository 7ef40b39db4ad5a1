"""The faces plugin: alignment, vectors and quality, and how well faces are told apart."""

from __future__ import annotations

import csv
import io
import random
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as pil
from PIL import ImageFilter

from siamkit.errors import MissingWeights, NothingFound, UnreadableSample
from siamkit.protocols import Assesses, Encoder, Modality
from siamkit.sdk.model_folder import Card, read_folder, write_folder
from siamkit.sdk.onnx import OnnxEncoder
from siamkit.types import Image, Region
from siamkit_facefinder import CHIP_POINTS, move, upright_matrix
from siamkit_faces import Faces, chips, landmarks
from siamkit_faces.modality import MIRRORED, SHIPPED

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "faces"
WHOLE = Region()

if find_spec("skimage") is None:
    pytest.skip("skimage is not installed", allow_module_level=True)

requires_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no face pictures in {DATA}")


# The astronaut's: eyes, nose, corners of the mouth.
POINTS = np.array([[203, 102], [245, 103], [223, 127], [204, 140], [244, 141]], np.float32)


@pytest.fixture(scope="module")
def encoder() -> OnnxEncoder[Image]:
    return Faces().encoder()


@pytest.fixture(scope="module")
def astronaut() -> Image:
    spec = find_spec("skimage")
    assert spec is not None
    assert spec.origin is not None
    return Faces().load(Path(spec.origin).parent / "data" / "astronaut.png")


def resized(image: Image, width: int, height: int) -> Image:
    return Image(np.asarray(pil.fromarray(image.pixels).resize((width, height))))


def test_it_keeps_the_protocols(encoder: OnnxEncoder[Image]) -> None:
    faces = Faces()
    assert isinstance(faces, Modality)
    assert isinstance(faces, Assesses)
    assert isinstance(encoder, Encoder)
    assert encoder.threshold is not None
    assert encoder.threshold.fmr == 0.001


def test_the_chip_has_the_landmarks_in_their_places() -> None:
    matrix = upright_matrix(POINTS.astype(np.float64))
    assert np.abs(move(matrix, CHIP_POINTS) - POINTS).max() < 6  # of 42 px between the eyes
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    exact = 2.5 * CHIP_POINTS @ turn.T + [300, 40]
    np.testing.assert_allclose(move(upright_matrix(exact), CHIP_POINTS), exact, atol=1e-9)


def test_chip_and_vector_equal_opencvs(astronaut: Image, encoder: OnnxEncoder[Image]) -> None:
    bgr = np.ascontiguousarray(astronaut.pixels[:, :, ::-1])
    peer = cv2.FaceRecognizerSF.create(str(SHIPPED / "encoder.onnx"), "")
    row = np.concatenate([[180, 62, 90, 114], POINTS.ravel(), [0.9]]).astype(np.float32)
    chip = peer.alignCrop(bgr, row)
    ours = Faces().crop(astronaut, Region(landmarks=POINTS))
    assert np.abs(chip[:, :, ::-1].astype(int) - ours.pixels).max() <= 1
    theirs = peer.feature(np.ascontiguousarray(ours.pixels[:, :, ::-1]))[0]
    assert encoder.embed([ours])[0] @ theirs / np.linalg.norm(theirs) > 0.9999


@pytest.mark.parametrize("factor", [2, 5])
def test_a_large_face_is_reduced_without_aliasing(astronaut: Image, factor: int) -> None:
    """A picture enlarged without smoothing holds no more than the small one, nor does its chip."""
    large = Image(astronaut.pixels.repeat(factor, axis=0).repeat(factor, axis=1))
    small = Faces().crop(astronaut, Region(landmarks=POINTS)).pixels
    moved = (POINTS + np.float32(0.5)) * np.float32(factor) - np.float32(0.5)
    reduced = Faces().crop(large, Region(landmarks=moved)).pixels
    assert np.abs(small.astype(int) - reduced).mean() < 4


def test_a_chip_does_not_depend_on_where_the_face_lies(astronaut: Image) -> None:
    wide = np.pad(astronaut.pixels, ((40, 0), (70, 0), (0, 0)))
    here = Faces().crop(astronaut, Region(landmarks=POINTS))
    there = Faces().crop(Image(wide), Region(landmarks=POINTS + np.float32([70, 40])))
    np.testing.assert_array_equal(here.pixels, there.pixels)


def test_a_turned_picture_gives_the_same_chip(astronaut: Image) -> None:
    turned = np.rot90(astronaut.pixels)
    side = astronaut.pixels.shape[1] - 1
    there = np.stack([POINTS[:, 1], side - POINTS[:, 0]], axis=1)
    one = Faces().crop(astronaut, Region(landmarks=POINTS)).pixels
    other = Faces().crop(Image(np.ascontiguousarray(turned)), Region(landmarks=there)).pixels
    assert np.abs(one.astype(int) - other).max() <= 1


def test_a_picture_without_a_face_has_no_crop(astronaut: Image) -> None:
    """The network has a vector for a blank chip too, and all of those are much alike."""
    outside = np.array([[1, 1], [5, 1], [3, 3], [1, 5], [5, 5]], np.float32) + 9000
    on_one_spot = np.full((5, 2), 100, np.float32)
    for points in (outside, on_one_spot):
        with pytest.raises(NothingFound, match="a single colour"):
            Faces().crop(astronaut, Region(landmarks=points))
    with pytest.raises(NothingFound):
        Faces().crop(Image(np.full((60, 60, 3), 200, np.uint8)), WHOLE)


@pytest.mark.parametrize(
    "points", [np.full((5, 2), np.nan, np.float32), np.zeros((68, 2), np.float32)]
)
def test_landmarks_of_another_kind_are_left_aside(astronaut: Image, points: np.ndarray) -> None:
    box = (180.0, 70.0, 265.0, 185.0)
    expected = Faces().crop(astronaut, Region(where=box)).pixels
    given = Faces().crop(astronaut, Region(where=box, landmarks=points)).pixels
    np.testing.assert_array_equal(given, expected)


def test_what_the_mask_leaves_out_is_black(astronaut: Image) -> None:
    box = (180.0, 70.0, 265.0, 185.0)
    mask = np.zeros((115, 85), dtype=bool)
    region = Region(where=box, landmarks=POINTS, mask=mask)
    kept = Region(where=box, landmarks=POINTS, mask=~mask)
    before = astronaut.pixels.copy()
    assert Faces().crop(astronaut, region).pixels[50:80, 40:70].max() == 0
    assert Faces().crop(astronaut, kept).pixels[50:80, 40:70].min() > 0
    np.testing.assert_array_equal(astronaut.pixels, before)


def test_landmarks_are_located_in_a_box_and_in_a_face_crop(astronaut: Image) -> None:
    box = (182.0, 70.0, 266.0, 180.0)
    crop = np.ascontiguousarray(astronaut.pixels[55:205, 165:285])
    assert np.abs(landmarks.points_of(astronaut.pixels, Region(where=box)) - POINTS).max() < 8
    assert np.abs(landmarks.points_of(crop, WHOLE) - (POINTS - [165, 55])).max() < 8


def test_of_two_faces_that_in_the_box_counts(astronaut: Image) -> None:
    both = np.hstack([astronaut.pixels[40:200, 160:290]] * 2)
    for left in (0, 130):
        box = (left + 22.0, 30.0, left + 106.0, 140.0)
        points = landmarks.points_of(both, Region(where=box))
        assert np.abs(points - [left - 160, -40] - POINTS).max() < 8


def test_without_a_face_the_landmarks_are_those_of_a_chip_or_a_box() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    whole = Faces().crop(Image(noise), WHOLE).pixels
    assert np.abs(whole - noise.reshape(112, 2, 112, 2, 3).mean(axis=(1, 3))).max() < 2
    points = landmarks.points_of(noise, Region(where=(50.0, 60.0, 150.0, 200.0)))
    assert (points > [50, 60]).all()
    assert (points < [150, 200]).all()


def test_vectors_do_not_depend_on_the_batch(astronaut: Image, encoder: OnnxEncoder[Image]) -> None:
    crops = [
        Faces().crop(astronaut, Region(landmarks=POINTS + np.float32(shift)))
        for shift in range(-10, 10)
    ]
    together = encoder.embed(crops)
    alone = np.concatenate([encoder.embed([crop]) for crop in crops[:5]])
    assert together.shape == (20, 128)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together[:5], alone, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    assert encoder.embed([]).shape == (0, 128)


def test_a_picture_that_is_no_chip_is_scaled_to_one(
    astronaut: Image, encoder: OnnxEncoder[Image]
) -> None:
    assert encoder.embed([astronaut]).shape == (1, 128)


def test_the_shipped_folder_was_made_with_the_constants_of_the_code() -> None:
    card, _ = read_folder(SHIPPED)
    assert card.preprocessing == chips.constants()
    assert card.licence == "Apache-2.0"


def test_a_folder_for_other_chips_is_refused(tmp_path: Path) -> None:
    """Such as one that was built by a version of siamkit with another network."""
    _, graph = read_folder(SHIPPED)
    card = Card("faces", "dlib-resnet", 128, {"size": 150, "padding": 0.25}, "CC0-1.0", "dlib")
    write_folder(tmp_path, graph, card)
    with pytest.raises(MissingWeights, match="another version of the plugin") as caught:
        Faces().encoder(tmp_path)
    assert "--encoder default" in caught.value.hint


def test_the_mirrored_encoder_is_the_mean_of_a_face_and_its_mirror_image(
    astronaut: Image, encoder: OnnxEncoder[Image], tmp_path: Path
) -> None:
    Faces().build(MIRRORED, tmp_path)
    mirrored = Faces().encoder(tmp_path)
    assert mirrored.fingerprint != encoder.fingerprint
    chips_of = [
        Faces().crop(astronaut, Region(landmarks=POINTS + np.float32(shift))) for shift in (0, 9)
    ]
    flipped = [Image(np.ascontiguousarray(chip.pixels[:, ::-1])) for chip in chips_of]
    mean = encoder.embed(chips_of) + encoder.embed(flipped)
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    np.testing.assert_allclose(mirrored.embed(chips_of), mean, atol=1e-5)


def test_load_gives_upright_rgb(astronaut: Image) -> None:
    portrait = pil.fromarray(astronaut.pixels)
    exif = pil.Exif()
    exif[0x0112] = 6  # "turn me by 90 degrees clockwise"
    variants = {
        "exif": (portrait.rotate(90, expand=True), {"format": "PNG", "exif": exif}),
        "rgba": (portrait.convert("RGBA"), {"format": "PNG"}),
    }
    for picture, options in variants.values():
        content = io.BytesIO()
        picture.save(content, **options)
        np.testing.assert_array_equal(Faces().load(content.getvalue()).pixels, astronaut.pixels)
    content = io.BytesIO()
    portrait.convert("L").save(content, "PNG")
    assert Faces().load(content.getvalue()).pixels.shape == astronaut.pixels.shape
    for source in (b"no picture", "text"):
        with pytest.raises(UnreadableSample):
            Faces().load(source)


def test_a_good_face_has_no_problems(astronaut: Image) -> None:
    quality = Faces().assess(astronaut, Region(where=(182.0, 70.0, 266.0, 180.0)))
    assert quality.problems == ()
    assert quality.score > 0.5


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("small", "px between the eyes; at least 12 are needed"),
        ("blurred", "face is blurred: sharpness"),
        ("dark", "face is too dark: mean luminance"),
        ("white", "face is overexposed: mean luminance"),
        ("flat", "contrast is 0.0; at least 8 is needed"),
    ],
)
def test_a_bad_face_has_its_problems_named(astronaut: Image, what: str, words: str) -> None:
    crop = Image(np.ascontiguousarray(astronaut.pixels[40:190, 150:300]))
    picture = {
        "small": lambda: resized(crop, 28, 28),
        "blurred": lambda: Image(
            np.asarray(pil.fromarray(crop.pixels).filter(ImageFilter.GaussianBlur(5)))
        ),
        "dark": lambda: Image((crop.pixels * 0.1).astype(np.uint8)),
        "white": lambda: Image(np.clip(crop.pixels.astype(int) + 180, 0, 255).astype(np.uint8)),
        "flat": lambda: Image(np.full((150, 150, 3), 128, np.uint8)),
    }[what]()
    quality = Faces().assess(picture, WHOLE)
    assert any(words in problem for problem in quality.problems), quality
    assert set(quality.measures) == {"eyes_px", "sharpness", "luminance", "contrast"}


def test_examples_pair_up(encoder: OnnxEncoder[Image]) -> None:
    faces = Faces()
    names, sources = zip(*faces.examples(), strict=True)
    rows = encoder.embed([faces.crop(faces.load(source), WHOLE) for source in sources])
    scores = rows @ rows.T
    assert names[0] == names[1] != names[2] == names[3]
    assert min(scores[0, 1], scores[2, 3]) > scores[:2, 2:].max()


def best_error(scores: np.ndarray, same: np.ndarray) -> float:
    """The equal error rate, by looking at every threshold."""
    rates = [
        (np.mean(scores[same] < limit), np.mean(scores[~same] >= limit)) for limit in sorted(scores)
    ]
    fnmr, fmr = min(rates, key=lambda pair: abs(pair[0] - pair[1]))
    return float(fnmr + fmr) / 2


@requires_data
def test_lfw_crops_are_distinguished(encoder: OnnxEncoder[Image]) -> None:
    with (DATA / "trials.csv").open(encoding="utf-8") as file:
        trials = random.Random(0).sample(list(csv.DictReader(file)), 200)
    faces = Faces()
    names = sorted({trial[side] for trial in trials for side in ("a", "b")})
    media = [faces.load(DATA / name) for name in names]
    rows = encoder.embed([faces.crop(medium, WHOLE) for medium in media])
    vectors = dict(zip(names, rows, strict=True))
    scores = np.array([vectors[trial["a"]] @ vectors[trial["b"]] for trial in trials])
    same = np.array([trial["label"] == "1" for trial in trials])
    assert best_error(scores, same) < 0.02
    assert encoder.threshold is not None
    assert np.mean(scores[~same] >= encoder.threshold.value) <= 0.01
    assert np.mean(scores[same] < encoder.threshold.value) < 0.04
    refused = sum(bool(faces.assess(medium, WHOLE).problems) for medium in media[:50])
    assert refused == 0
