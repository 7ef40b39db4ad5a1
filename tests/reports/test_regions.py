"""Annotated pictures: labels that do not overlap, colours of labels, sizes."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from PIL import Image as pil

from siamkit.reports.fonts import NOT_A_CHARACTER, font_for
from siamkit.reports.label_places import Places
from siamkit.reports.regions import Mark, annotate, colour_of, cut, mark
from siamkit.types import Image, Region


def apart(left, right):
    return left[2] < right[0] or right[2] < left[0] or left[3] < right[1] or right[3] < left[1]


@pytest.mark.parametrize("boxes", ["random", "the same", "in the corners"])
def test_no_label_covers_another_one_or_leaves_the_picture(boxes):
    rng = np.random.default_rng(0)
    corners = {
        "random": rng.uniform(0, 1, (60, 2)) * (600, 380),
        "the same": np.full((60, 2), 300.0),
        "in the corners": rng.integers(0, 2, (60, 2)) * (639.0, 399.0),
    }[boxes]
    places = Places(640, 400)
    plates = [places.take((x, y, x + 30, y + 20), 70, 14) for x, y in corners]
    placed = [plate for plate in plates if plate]
    assert len(placed) >= 50
    assert all(apart(*pair) for pair in combinations(placed, 2))
    for left, top, right, bottom in placed:
        assert 0 <= left < right < 640
        assert 0 <= top < bottom < 400


def test_a_label_is_above_its_box_and_a_distant_one_has_a_line_to_it():
    places = Places(200, 100)
    box = (50.0, 40.0, 90.0, 60.0)
    plate = places.take(box, 60, 10)
    assert plate == (50, 30, 109, 39)
    assert places.leader(plate, box) is None
    assert places.leader((150, 0, 180, 9), box) == (165.0, 4.5, 90.0, 40.0)
    assert places.take(box, 201, 10) is None


def test_a_label_beside_its_box_covers_little_of_other_regions():
    regions = [(50.0, 40.0, 90.0, 60.0), (45.0, 20.0, 120.0, 40.0)]
    places = Places(200, 100, regions)
    assert places.take(regions[0], 60, 10) == (50, 60, 109, 69)  # below: another one is above
    crowded = Places(40, 20, regions)
    assert crowded.take((0, 0, 39, 19), 40, 20)
    assert crowded.take((0, 0, 39, 19), 10, 10, anywhere=False) is None


@pytest.mark.parametrize("name", ["José Ñandú", "Зоя", "李小龍", "मीरा"])
def test_names_in_any_script_are_written_or_lose_their_accents(name):
    font, text = font_for(name, 20)
    missing = bytes(font.getmask(NOT_A_CHARACTER))
    assert text == name or text.isascii()
    assert all(bytes(font.getmask(letter)) != missing for letter in text if letter != " ")


@pytest.mark.parametrize("short", [True, False])
def test_where_long_labels_do_not_fit_their_numbers_do(short):
    colours = [(200, 10 * number, 40) for number in range(12)]
    marks = [
        Mark(Region((0, 0, 479, 39)), f"{n} {'name ' * 9}", colour, (str(n),) if short else ())
        for n, colour in enumerate(colours)
    ]
    drawn = np.asarray(annotate(Image(np.full((40, 480, 3), 255, np.uint8)), marks))
    shown = [colour for colour in colours if (drawn == colour).all(axis=2).any()]
    assert (len(shown) == len(marks)) is short


def test_labels_have_one_colour_each():
    assert colour_of("person") == colour_of("person") == (102, 178, 255)
    assert len({colour_of(f"label {number}") for number in range(200)}) > 40


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (3, 400), (640, 480), (3000, 40)])
def test_pictures_of_any_size_can_be_annotated(size):
    width, height = size
    pixels = np.full((height, width, 3), 128, np.uint8)
    mask = np.ones((height, max(1, width // 2)), bool)
    regions = [
        Region((0, 0, max(1, width // 2), height), 0.9, mask, label="a label " * 9),
        Region((width / 3, 0, width, height), 0.5),
        Region(None, 0.1),
    ]
    picture = annotate(Image(pixels), [mark(region, n) for n, region in enumerate(regions, 1)])
    times = picture.width // width
    assert picture.size == (width * times, height * times)
    assert max(picture.size) >= 480
    assert (np.asarray(picture) != 128).any()
    assert (pixels == 128).all()


def test_a_mask_is_veiled_and_outlined_in_the_colour_of_its_label():
    pixels = np.full((400, 600, 3), 255, np.uint8)
    mask = np.zeros((100, 100), bool)
    mask[20:80, 20:80] = True
    region = Region((100, 100, 200, 200), 0.9, mask, label="person")
    drawn = np.asarray(annotate(Image(pixels), [mark(region, 1)]))
    veil = np.asarray(colour_of("person")) * 0.4 + 255 * 0.6
    np.testing.assert_allclose(drawn[150, 150], veil, atol=2)
    assert tuple(drawn[120, 150]) == colour_of("person")
    assert tuple(drawn[110, 150]) == (255, 255, 255)


def test_a_region_is_cut_to_the_pixels_that_it_touches():
    pixels = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    picture = cut(Image(pixels), Region((1.5, 2.0, 3.2, 99.0)))
    np.testing.assert_array_equal(np.asarray(picture), pixels[2:6, 1:4])
    mask = np.eye(4, 3, dtype=bool)
    picture = cut(Image(pixels), Region((1.5, 2.0, 3.2, 99.0), mask=mask))
    assert isinstance(picture, pil.Image)
    np.testing.assert_array_equal(np.asarray(picture)[..., 3] > 0, mask)
