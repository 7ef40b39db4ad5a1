"""The region detector facefinder."""

from __future__ import annotations

import csv
import json
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as pil

from siamkit.protocols import Detector
from siamkit.sdk.media import load_image
from siamkit.types import Image
from siamkit_facefinder import FaceFinder, yunet

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "faces"
requires_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no face pictures in {DATA}")

if find_spec("skimage") is None:
    pytest.skip("skimage is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


@pytest.fixture(scope="module")
def astronaut() -> Image:
    spec = find_spec("skimage")
    assert spec is not None
    assert spec.origin is not None
    return load_image(Path(spec.origin).parent / "data" / "astronaut.png")


def enlarged(image: Image, factor: float) -> Image:
    height, width = image.pixels.shape[:2]
    size = (round(width * factor), round(height * factor))
    return Image(np.asarray(pil.fromarray(image.pixels).resize(size, pil.Resampling.LANCZOS)))


def test_it_is_a_detector() -> None:
    assert isinstance(FaceFinder(), Detector)


def test_the_astronauts_face_and_its_landmarks_are_found(
    finder: FaceFinder, astronaut: Image
) -> None:
    (region,) = finder.find(astronaut)
    assert region.where is not None
    left, top, right, bottom = region.where
    assert abs(left - 180) < 15
    assert abs(top - 70) < 20
    assert abs(right - 268) < 15
    assert abs(bottom - 182) < 20
    assert 0.6 <= region.score <= 1
    assert region.landmarks is not None
    assert region.landmarks.dtype == np.float32
    expected = [[203, 102], [245, 103], [223, 127], [204, 140], [244, 141]]
    np.testing.assert_allclose(region.landmarks, expected, atol=8)


@pytest.mark.parametrize("factor", [0.2, 0.5, 2.0, 6.0])
def test_boxes_are_in_pixels_of_the_source(
    finder: FaceFinder, astronaut: Image, factor: float
) -> None:
    (known,) = finder.find(astronaut)
    (region,) = finder.find(enlarged(astronaut, factor))
    assert region.where is not None
    assert known.where is not None
    np.testing.assert_allclose(np.array(region.where) / factor, known.where, atol=16)


def test_a_small_face_in_a_large_picture_is_found(finder: FaceFinder, astronaut: Image) -> None:
    canvas = np.full((2400, 3200, 3), 90, np.uint8)
    small = enlarged(astronaut, 0.5).pixels  # the face is 43 px wide, 1/74 of the picture
    canvas[1900 : 1900 + small.shape[0], 2700 : 2700 + small.shape[1]] = small
    (region,) = finder.find(Image(canvas))
    assert region.where is not None
    assert abs(region.where[0] - (2700 + 90)) < 10
    assert abs(region.where[1] - (1900 + 36)) < 12


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (7, 300), (300, 7), (64, 64), (480, 640)])
def test_where_there_is_no_face_there_is_an_empty_list(
    finder: FaceFinder, shape: tuple[int, int]
) -> None:
    assert finder.find(Image(np.zeros((*shape, 3), np.uint8))) == []
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert finder.find(Image(noise)) == []


def test_the_same_picture_gives_the_same_regions(finder: FaceFinder, astronaut: Image) -> None:
    one, other = finder.find(astronaut), FaceFinder().find(astronaut)
    assert [region.where for region in one] == [region.where for region in other]


def test_a_face_in_the_dark_is_found(finder: FaceFinder, astronaut: Image) -> None:
    (known,) = finder.find(astronaut)
    (region,) = finder.find(Image(astronaut.pixels // 24))
    np.testing.assert_allclose(region.where, known.where, atol=12)


def test_landmarks_turn_with_the_picture(finder: FaceFinder, astronaut: Image) -> None:
    """However a picture is turned, the same eye comes first."""
    (known,) = finder.find(astronaut)
    assert known.landmarks is not None
    side = astronaut.pixels.shape[0] - 1
    expected = known.landmarks
    for quarters in (1, 2, 3):
        expected = np.stack([expected[:, 1], side - expected[:, 0]], axis=1)
        turned = Image(np.ascontiguousarray(np.rot90(astronaut.pixels, quarters)))
        (region,) = finder.find(turned)
        assert region.landmarks is not None
        np.testing.assert_allclose(region.landmarks, expected, atol=1)


def test_a_face_that_fills_the_picture_is_found(finder: FaceFinder, astronaut: Image) -> None:
    face = np.ascontiguousarray(astronaut.pixels[70:182, 178:272])
    (region,) = finder.find(enlarged(Image(face), 8))
    assert region.where is not None
    left, top, right, bottom = region.where
    assert (right - left) * (bottom - top) > 0.6 * face.shape[0] * face.shape[1] * 8**2


def test_the_network_is_read_as_opencv_reads_it(astronaut: Image) -> None:
    bgr = np.ascontiguousarray(astronaut.pixels[:, :, ::-1])
    theirs = cv2.FaceDetectorYN.create(str(yunet.GRAPH), "", (512, 512), 0.6).detect(bgr)[1][0]
    faces = yunet.YuNet().detect(astronaut.pixels, 1.0, 0, 0.6)
    left, top, right, bottom = faces.boxes[0]
    ours = [left, top, right - left, bottom - top, *faces.points[0].ravel(), faces.scores[0]]
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_overlap_by_hand() -> None:
    box = np.array([0, 0, 2, 2], np.float32)
    assert yunet.iou(box, box) == 1
    assert yunet.iou(box, np.array([1, 0, 3, 2], np.float32)) == pytest.approx(1 / 3)
    assert yunet.iou(box, np.array([2, 0, 4, 2], np.float32)) == 0


@requires_data
def test_every_annotated_face_is_found_and_nothing_else(finder: FaceFinder) -> None:
    with (DATA / "detection.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["faces"]]
    for row in rows:
        boxes = [region.where for region in finder.find(load_image(DATA / row["image"]))]
        assert len(boxes) == int(row["faces"]), row["image"]
        for x, y in json.loads(row["noses_xy_json"]):
            inside = [b for b in boxes if b and b[0] <= x < b[2] and b[1] <= y < b[3]]
            assert len(inside) == 1, (row["image"], x, y)


@requires_data
@pytest.mark.parametrize(("folder", "every"), [("photos", 1), ("orl", 7)])
def test_a_portrait_has_one_face(finder: FaceFinder, folder: str, every: int) -> None:
    pictures = sorted(path for path in (DATA / folder).glob("*/*") if path.is_file())[::every]
    assert pictures
    counts = {path.name: len(finder.find(load_image(path))) for path in pictures}
    assert set(counts.values()) == {1}, counts
