import cv2
import numpy as np
import pytest

import siamkit_objects
from siamkit.errors import BadInput
from siamkit.sdk import masks
from siamkit.sdk.added_detectors import folders_of_family
from siamkit.sdk.detector_folder import DetectorCard, write_folder
from siamkit.types import Image, Prompt, Region
from siamkit_segments import Instances, Salient, Segments, windows
from siamkit_segments.network import MaskNetwork
from siamkit_segments.refine import refine
from siamkit_segments.u2net import SaliencyNetwork

WIDTH, HEIGHT = 200, 150
DISC = (70, 80, 40)  # x, y, radius
BOX = (28.0, 38.0, 112.0, 122.0)  # around the disc, 2 px wider


@pytest.fixture(scope="module")
def picture():
    """A red disc on a green meadow, with a blue square at the right."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(-12, 12, (HEIGHT, WIDTH, 3)) + np.array([70, 120, 60])
    pixels[disc_mask()] += (140, -80, -20)
    pixels[20:60, 150:190] += (-60, -60, 150)
    return Image(cv2.GaussianBlur(np.clip(pixels, 0, 255).astype(np.uint8), (0, 0), 1))


@pytest.fixture(scope="module")
def segments(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIAMKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield Segments()


def disc_mask():
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    x, y, radius = DISC
    return (columns - x) ** 2 + (rows - y) ** 2 < radius**2


def iou(region, truth):
    mask = masks.on_picture(region, truth.shape[1], truth.shape[0])
    return (mask & truth).sum() / (mask | truth).sum()


def test_the_salient_thing_is_cut_out(picture):
    regions = Salient().find(picture)
    assert max(iou(region, disc_mask()) for region in regions) > 0.8
    assert [r.score for r in regions] == sorted((r.score for r in regions), reverse=True)


@pytest.mark.parametrize("shape", [(1, 1), (1, 60), (40, 50)])
def test_a_picture_of_one_colour_has_no_region(shape, segments):
    medium = Image(np.full((*shape, 3), 200, np.uint8))
    assert segments.find(medium) == []
    prompt = Prompt(points=((shape[1], shape[0]),), box=(0, 0, shape[1], shape[0]))
    for region in segments.find_prompted(medium, prompt):
        assert region.mask.any()
        assert masks.on_picture(region, shape[1], shape[0])[-1, -1]


def test_a_box_gives_the_object_inside(picture, segments):
    (region,) = segments.find_prompted(picture, Prompt(box=BOX))
    assert iou(region, disc_mask()) > 0.75
    left, top, right, bottom = region.where
    assert BOX[0] <= left < right <= BOX[2]
    assert BOX[1] <= top < bottom <= BOX[3]
    assert 0 <= region.score <= 1


def test_points_are_in_the_mask_and_other_points_are_not(picture, segments):
    prompt = Prompt(points=((70, 80), (75, 90)), not_points=((60, 60), (170, 40)))
    (region,) = segments.find_prompted(picture, prompt)
    mask = masks.on_picture(region, WIDTH, HEIGHT)
    assert [bool(mask[y, x]) for x, y in ((70, 80), (75, 90), (60, 60), (170, 40))] == [
        True,
        True,
        False,
        False,
    ]


def test_a_prompt_outside_the_picture_is_refused(picture, segments):
    for detector in (segments, Instances()):
        with pytest.raises(BadInput, match="outside the picture of 200 x 150 px"):
            detector.find_prompted(picture, Prompt(points=((201, 5),)))


class Stub:
    """Stands in for a detector with one region."""

    labels, min_score = ("ball",), 0.3

    def find(self, medium):
        return [Region(BOX, 0.7, label="ball")]

    def with_min_score(self, score):
        return self

    def find_prompted(self, medium, prompt):
        return [Region((0, 0, 1, 1), mask=np.ones((1, 1), bool), label="sam")]


def test_an_instance_keeps_its_label_and_score(picture):
    instances = Instances()
    instances.__dict__["_objects"] = Stub()
    (region,) = instances.find(picture)
    assert (region.label, region.score) == ("ball", 0.7)
    assert iou(region, disc_mask()) > 0.75


def test_everything_names_a_thing_once(picture, segments, monkeypatch):
    monkeypatch.setattr(siamkit_objects.Objects, "with_min_score", lambda self, score: Stub())
    regions = Segments().find(picture)
    near = [region for region in regions if iou(region, disc_mask()) > 0.6]
    assert [region.label for region in near] == ["ball"]


def test_an_added_sam_network_takes_over(picture, tmp_path, monkeypatch):
    monkeypatch.setenv("SIAMKIT_CACHE", str(tmp_path))
    card = DetectorCard("s", "objects", "sam", (), {}, {}, 0.5, None, 100, "MIT", "a test")
    for name in ("b", "a"):
        folder = tmp_path / "detectors" / name
        folder.mkdir(parents=True)
        write_folder(folder, b"graph", card)
    (tmp_path / "detectors" / "damaged").mkdir()
    (tmp_path / "detectors" / "damaged" / "detector.json").write_text("{")
    assert [folder.name for folder in folders_of_family("sam")] == ["a", "b"]
    monkeypatch.setattr(siamkit_objects.Objects, "open", lambda self, folder: Stub())
    detector = Segments()
    (region,) = detector.find_prompted(picture, Prompt(points=((3, 3),)))
    assert region.label == "sam"
    assert detector.find(picture)[0].label == "ball"


def test_a_large_object_is_sharpened(picture):
    soft = MaskNetwork().in_box(picture.pixels, BOX)
    sharp = refine(picture.pixels, soft, BOX, SaliencyNetwork())
    region = windows.draw(sharp.probabilities, sharp.window, WIDTH, HEIGHT, within=BOX)
    assert iou(region, disc_mask()) > 0.9


def test_a_window_is_drawn_back_where_it_was_cut():
    truth = np.zeros((90, 120), bool)
    truth[20:50, 100:115] = True
    shown = np.repeat(truth[:, :, None], 3, axis=2) * np.uint8(255)
    window = (85.5, -10.25, 135.5, 70.25)  # reaches beyond the picture
    cut = windows.cut(shown, window, 192, (0, 0, 0))[:, :, 0] / np.float32(255)
    region = windows.draw(cut, window, 120, 90)
    assert region.where == (100, 20, 115, 50)
    assert region.mask.all()
    assert windows.draw(cut * 0, window, 120, 90) is None
    assert windows.draw(cut, window, 120, 90, within=(0, 60, 50, 90)) is None


def test_a_window_of_a_panorama_is_cut_without_a_copy_of_it():
    panorama = np.broadcast_to(np.uint8(90), (2_000, 40_000, 3))  # 240 MB if it were copied
    cut = windows.cut(panorama, (-100, -100, 40_100, 2_100), 192)
    assert cut[96, 96].tolist() == [90, 90, 90]
    assert cut[0, 0].tolist() == list(windows.GREY)
