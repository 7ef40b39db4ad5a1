"""The faces plugin: dlib's network and alignment, and how well faces are told apart."""

from __future__ import annotations

import csv
import io
import random
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as pil
from PIL import ImageFilter

from siamkit.errors import MissingWeights, NothingFound, UnreadableSample
from siamkit.protocols import Assesses, BuildsEncoders, Encoder, Modality
from siamkit.sdk.onnx import OnnxEncoder, session
from siamkit.types import Image, Region
from siamkit_faces import Faces, align, chips, landmarks
from siamkit_faces.dlibfile import read_layers
from siamkit_faces.modality import DLIB, WEIGHTS_FILE
from siamkit_faces.network import build

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "faces"
WHOLE = Region()

for _package in ("dlib", "face_recognition_models", "skimage"):
    if find_spec(_package) is None:
        pytest.skip(f"{_package} is not installed", allow_module_level=True)

import dlib  # noqa: E402

requires_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no face pictures in {DATA}")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> OnnxEncoder[Image]:
    folder = tmp_path_factory.mktemp("encoder")
    Faces().build(DLIB, folder)
    return Faces().encoder(folder)


@pytest.fixture(scope="module")
def astronaut() -> Image:
    spec = find_spec("skimage")
    assert spec is not None
    assert spec.origin is not None
    return Faces().load(Path(spec.origin).parent / "data" / "astronaut.png")


@pytest.fixture(scope="module")
def shape(astronaut: Image) -> dlib.full_object_detection:
    """dlib's own five landmarks of the astronaut."""
    face = dlib.get_frontal_face_detector()(astronaut.pixels, 1)[0]
    predictor = dlib.shape_predictor(str(landmarks.model_file(landmarks.POINTS_FILE)))
    return predictor(astronaut.pixels, face)


def chip_of(image: Image, points: np.ndarray) -> np.ndarray:
    return align.cut(image.pixels, align.chip_matrix(align.DLIB_POINTS, points), align.CHIP_SIDE)


def points_of(shape: dlib.full_object_detection) -> np.ndarray:
    return np.array([[part.x, part.y] for part in shape.parts()], dtype=np.float64)


def resized(image: Image, width: int, height: int) -> Image:
    return Image(np.asarray(pil.fromarray(image.pixels).resize((width, height))))


def test_it_keeps_the_protocols(encoder: OnnxEncoder[Image]) -> None:
    faces = Faces()
    assert isinstance(faces, Modality)
    assert isinstance(faces, BuildsEncoders)
    assert isinstance(faces, Assesses)
    assert isinstance(encoder, Encoder)
    assert encoder.threshold is not None
    assert encoder.threshold.fmr == 0.001


def test_the_graph_equals_dlibs_network(
    astronaut: Image, shape: dlib.full_object_detection
) -> None:
    weights = landmarks.model_file(WEIGHTS_FILE)
    network = dlib.face_recognition_model_v1(str(weights))
    graph = session(build(read_layers(weights.read_bytes())))
    moved = [points_of(shape) + shift for shift in (0, 5, -8)]
    batch = np.stack(
        [
            dlib.get_face_chip(astronaut.pixels, shape, 150, 0.25),
            *(chip_of(astronaut, points) for points in moved),
            np.random.default_rng(0).integers(0, 256, (150, 150, 3), dtype=np.uint8),
        ]
    )
    ours = graph.run(None, {"chips": batch})[0]
    for chip, row in zip(batch, ours, strict=True):
        dlibs = np.array(network.compute_face_descriptor(np.ascontiguousarray(chip)))
        np.testing.assert_allclose(row, dlibs, rtol=0, atol=1e-6)


def test_the_chip_equals_dlibs(astronaut: Image, shape: dlib.full_object_detection) -> None:
    dlibs = dlib.get_face_chip(astronaut.pixels, shape, 150, 0.25)
    ours = chip_of(astronaut, points_of(shape))
    assert np.abs(ours.astype(int) - dlibs).max() <= 1


@pytest.mark.parametrize("factor", [2, 5])
def test_a_large_face_is_reduced_without_aliasing(
    astronaut: Image, shape: dlib.full_object_detection, factor: int
) -> None:
    """A picture enlarged without smoothing holds no more than the small one, nor does its chip."""
    large = Image(astronaut.pixels.repeat(factor, axis=0).repeat(factor, axis=1))
    points = points_of(shape)
    small_chip = chip_of(astronaut, points)
    large_chip = chip_of(large, (points + 0.5) * factor - 0.5)
    assert np.abs(small_chip.astype(int) - large_chip).mean() < 4


def test_a_chip_does_not_depend_on_where_the_face_lies(astronaut: Image) -> None:
    points = np.array([[190, 110], [240, 112], [216, 140], [198, 165], [236, 166]], np.float32)
    wide = np.pad(astronaut.pixels, ((40, 0), (70, 0), (0, 0)))
    here = Faces().crop(astronaut, Region(landmarks=points))
    there = Faces().crop(Image(wide), Region(landmarks=points + np.float32([70, 40])))
    np.testing.assert_array_equal(here.pixels, there.pixels)


def test_a_turned_picture_gives_the_same_chip(astronaut: Image) -> None:
    points = np.array([[190, 110], [240, 112], [216, 140], [198, 165], [236, 166]], np.float32)
    turned = np.rot90(astronaut.pixels)
    side = astronaut.pixels.shape[1] - 1
    there = np.stack([points[:, 1], side - points[:, 0]], axis=1)
    one = Faces().crop(astronaut, Region(landmarks=points)).pixels
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
    points = np.array([[201, 115], [246, 115], [224, 140], [205, 160], [243, 160]], np.float32)
    mask = np.zeros((115, 85), dtype=bool)
    region = Region(where=box, landmarks=points, mask=mask)
    kept = Region(where=box, landmarks=points, mask=~mask)
    before = astronaut.pixels.copy()
    assert Faces().crop(astronaut, region).pixels[60:100, 60:90].max() == 0
    assert Faces().crop(astronaut, kept).pixels[60:100, 60:90].min() > 0
    np.testing.assert_array_equal(astronaut.pixels, before)


def test_landmarks_are_found_in_a_box_and_in_a_face_crop(
    astronaut: Image, shape: dlib.full_object_detection
) -> None:
    known = points_of(shape)
    box = (182.0, 70.0, 266.0, 180.0)
    crop = np.ascontiguousarray(astronaut.pixels[55:205, 165:285])
    assert np.abs(landmarks.locate(astronaut.pixels, box) - known).max() < 5
    assert np.abs(landmarks.locate(crop, None) + np.array([165, 55]) - known).max() < 5


def test_vectors_do_not_depend_on_the_batch(
    astronaut: Image, encoder: OnnxEncoder[Image], shape: dlib.full_object_detection
) -> None:
    points = points_of(shape)
    crops = [Image(chip_of(astronaut, points + shift)) for shift in range(-20, 20)]
    together = encoder.embed(crops)
    alone = np.concatenate([encoder.embed([crop]) for crop in crops])
    assert together.shape == (40, 128)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    assert encoder.embed([]).shape == (0, 128)


def test_a_picture_that_is_no_chip_is_scaled_to_one(
    astronaut: Image, encoder: OnnxEncoder[Image]
) -> None:
    assert encoder.embed([astronaut]).shape == (1, 128)


def test_building_twice_gives_the_same_fingerprint(
    encoder: OnnxEncoder[Image], tmp_path: Path
) -> None:
    Faces().build(DLIB, tmp_path)
    assert Faces().encoder(tmp_path).fingerprint == encoder.fingerprint


def test_every_constant_is_part_of_the_fingerprint(
    encoder: OnnxEncoder[Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landmarks, "PASSES", landmarks.PASSES + 1)
    Faces().build(DLIB, tmp_path)
    assert Faces().encoder(tmp_path).fingerprint != encoder.fingerprint
    assert set(chips.constants()) >= {"points", "size", "padding"}


def test_missing_or_wrong_weights_raise() -> None:
    with pytest.raises(MissingWeights):
        Faces().encoder(None)
    with pytest.raises(MissingWeights, match="not a network"):
        read_layers(b"not a network")
    content = landmarks.model_file(WEIGHTS_FILE).read_bytes()
    for shorter in (content[:300], content[:5000], content[: len(content) // 2]):
        with pytest.raises(MissingWeights):
            build(read_layers(shorter))


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
        trials = random.Random(0).sample(list(csv.DictReader(file)), 400)
    faces = Faces()
    names = sorted({trial[side] for trial in trials for side in ("a", "b")})
    media = [faces.load(DATA / name) for name in names]
    rows = encoder.embed([faces.crop(medium, WHOLE) for medium in media])
    vectors = dict(zip(names, rows, strict=True))
    scores = np.array([vectors[trial["a"]] @ vectors[trial["b"]] for trial in trials])
    same = np.array([trial["label"] == "1" for trial in trials])
    assert best_error(scores, same) < 0.03
    assert encoder.threshold is not None
    assert np.mean(scores[~same] >= encoder.threshold.value) <= 0.01
    assert np.mean(scores[same] < encoder.threshold.value) < 0.12
    refused = sum(bool(faces.assess(medium, WHOLE).problems) for medium in media[:100])
    assert refused == 0
