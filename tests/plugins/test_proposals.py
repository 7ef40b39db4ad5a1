"""The region detectors proposals and sliding-window."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from siamkit.sdk import boxes
from siamkit.types import Image
from siamkit_objects import Proposals, SlidingWindow, graph_segments
from siamkit_objects.propose import search_segments

THINGS = ((40, 30, 120, 100), (200, 60, 310, 210), (60, 170, 100, 215), (330, 20, 380, 60))
INK = ((200, 40, 40), (30, 60, 190), (240, 220, 60), (20, 140, 70))


@pytest.fixture(scope="module")
def scene() -> Image:
    """Four shapes of two colours each, on noise and a gradient."""
    noise = np.random.default_rng(5).normal(0, 4, (240, 400, 3))
    pixels = (120 + np.linspace(0, 40, 400)[None, :, None] + noise).clip(0, 255).astype(np.uint8)
    for (left, top, right, bottom), ink in zip(THINGS, INK, strict=True):
        centre, axes = ((left + right) // 2, (top + bottom) // 2), ((right - left) // 2,) * 2
        axes = (axes[0], (bottom - top) // 2)
        cv2.ellipse(pixels, centre, axes, 0, 0, 360, ink, -1)
        inner = (axes[0] // 2, axes[1] // 3)
        cv2.ellipse(pixels, centre, inner, 0, 0, 360, (250, 250, 250), -1)
    return Image(pixels)


def plain(width: int, height: int) -> Image:
    return Image(np.full((height, width, 3), 90, np.uint8))


def noise(width: int, height: int) -> Image:
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    return Image(pixels)


def require_sound(regions, width, height):
    """Check that regions are distinct, inside the picture, few, and best first."""
    assert len({region.where for region in regions}) == len(regions) <= 150
    scores = [region.score for region in regions]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)
    for left, top, right, bottom in (region.where for region in regions):
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height


def test_proposals_meet_every_thing_and_repeat_exactly(scene):
    regions, again = (Proposals().find(scene) for _ in range(2))
    assert [(r.where, r.score) for r in regions] == [(r.where, r.score) for r in again]
    require_sound(regions, 400, 240)
    met = boxes.iou(np.array(THINGS, np.float32), boxes.array(regions)).max(axis=1)
    assert (met >= 0.75).all(), met
    assert boxes.array(regions[:1]).tolist() == [[0, 0, 400, 240]]


def test_selective_search_joins_the_parts_of_a_thing_before_its_surroundings(scene):
    answer = search_segments(scene.pixels)
    met = boxes.iou(np.array(THINGS, np.float32), answer).argmax(axis=1)
    assert met.max() < 30, met  # among the first


@pytest.mark.parametrize("detector", [Proposals(), SlidingWindow()], ids=lambda d: d.name)
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (300, 1), (3, 2000), (64, 48), (5000, 40)])
def test_small_and_thin_pictures_are_searched_too(detector, size):
    require_sound(detector.find(noise(*size)), *size)


@pytest.mark.parametrize("size", [(1, 1), (300, 200)])
def test_a_picture_of_one_colour_is_one_proposal(size):
    assert [region.where for region in Proposals().find(plain(*size))] == [(0, 0, *size)]


@pytest.mark.parametrize(("width", "height"), [(512, 384), (300, 300), (3000, 500)])
def test_windows_have_several_scales_and_shapes(width, height):
    regions = SlidingWindow().find(plain(width, height))
    require_sound(regions, width, height)
    corners = boxes.array(regions)
    assert (corners == corners.round()).all()
    sides = corners[:, 2:] - corners[:, :2]
    assert len({round(float(np.sqrt(w * h)) / 20) for w, h in sides}) >= 4
    assert {"wide", "tall", "square"} <= {
        "wide" if w > 1.3 * h else "tall" if h > 1.3 * w else "square" for w, h in sides
    }
    seen = np.zeros((height, width), bool)
    for left, top, right, bottom in corners.astype(int):
        seen[top:bottom, left:right] = True
    assert seen.mean() > 0.95


@pytest.mark.parametrize("scale", [50.0, 400.0])
def test_small_segments_are_those_of_scikit_image(scale):
    segmentation = pytest.importorskip("skimage.segmentation")
    rng = np.random.default_rng(0)
    blocks = np.kron(rng.integers(0, 256, (6, 8, 3)), np.ones((10, 10, 1)))
    pixels = np.clip(blocks + rng.normal(0, 4, blocks.shape), 0, 255).astype(np.uint8)
    for picture in (pixels, pixels[:1], pixels[:, :1], pixels * 0):
        theirs = segmentation.felzenszwalb(picture, scale=scale, sigma=0.8, min_size=20)
        assert np.array_equal(graph_segments.cut(picture, scale, 0.8, 20), theirs)
