"""Masks as run lengths and polygons, as pycocotools reads them."""

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco

from siamkit.sdk import masks
from siamkit.types import Region


def blobs(count):
    rng = np.random.default_rng(5)
    for blur in rng.uniform(0.5, 8, count):
        noise = cv2.GaussianBlur(rng.random((60, 80)).astype(np.float32), (0, 0), blur)
        yield noise > np.quantile(noise, rng.uniform(0.2, 0.97))


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # of pycocotools' decoder
def test_run_lengths_and_polygons_keep_every_pixel():
    with_holes = 0
    for mask in blobs(60):
        assert (masks.from_rle(masks.to_rle(mask)) == mask).all()
        polygons = masks.to_polygons(mask)
        if polygons is None:
            with_holes += 1
            continue
        decoded = coco.decode(coco.merge(coco.frPyObjects(polygons, *mask.shape)))
        assert (decoded.astype(bool) == mask).all()
    assert 10 < with_holes < 50


def test_polygons_run_through_the_corners_of_pixels():
    mask = np.zeros((5, 6), bool)
    mask[1:3, 2:5] = True
    assert masks.to_polygons(mask) == [[2, 1, 2, 3, 5, 3, 5, 1]]


def test_counts_may_be_a_list():
    assert masks.from_rle({"size": [2, 2], "counts": [1, 2, 1]}).tolist() == [
        [False, True],
        [True, False],
    ]


@pytest.mark.parametrize(
    "rle",
    [
        {},
        {"size": [2, 2], "counts": [1, 2]},
        {"size": [2, 2], "counts": [9, -5]},
        {"size": [2, 2], "counts": "4444"},  # of more pixels: pycocotools writes out of bounds
        {"size": [2, 2], "counts": "o"},
        {"size": [2, 2], "counts": "~"},
        {"size": [2, 2], "counts": "é"},
        {"size": [2], "counts": "4"},
        {"size": [1 << 20, 1 << 20], "counts": [1 << 40]},
        {"size": [2, 2], "counts": None},
    ],
)
def test_what_is_no_run_length_code_is_refused(rle):
    with pytest.raises(ValueError, match=r"counts|code|unpack|large"):
        masks.from_rle(rle)


def test_a_mask_of_a_picture_becomes_a_region_and_comes_back():
    mask = next(blobs(1))
    mask[:10] = mask[:, 70:] = False
    region = masks.of_picture(mask, 0.5, "blob")
    assert (masks.on_picture(region, 80, 60) == mask).all()
    assert region.label == "blob"
    assert masks.of_picture(np.zeros((4, 4), bool)) is None
    box = masks.on_picture(Region(where=(1.5, 0.0, 3.0, 1.0)), 4, 2)
    assert box.tolist() == [[False, True, True, False], [False] * 4]
