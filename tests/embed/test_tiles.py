"""Detection in tiles: objects are found whole, once, and where they are in the picture."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import cv2
import numpy as np
import pytest

from siamkit.embed import tiles
from siamkit.embed.tiles import Tiled
from siamkit.errors import BadInput
from siamkit.sdk import boxes, masks
from siamkit.types import Image, Region

INK = 255


class Blobs:
    """White patches of a black picture, if they are large enough in it: box, mask, middle."""

    name = "blobs"
    kind = "image"
    labels = ("blob",)

    def __init__(self, share: float = 0.0) -> None:
        self.share = share  # of the picture's longer side that the smallest patch has
        self.sizes: list[tuple[int, ...]] = []

    def find(self, medium: Image) -> list[Region]:
        self.sizes.append(medium.pixels.shape[:2])
        white = (medium.pixels[..., 0] > INK // 2).astype(np.uint8)
        _, _, stats, middles = cv2.connectedComponentsWithStats(white)
        least = self.share * max(white.shape)
        return [
            Region(
                where=(float(x), float(y), float(x + w), float(y + h)),
                score=0.5 + 0.5 * min(1.0, size / 4000),
                mask=white[y : y + h, x : x + w].astype(bool),
                landmarks=np.array([middle], np.float32),
                label="blob",
            )
            for (x, y, w, h, size), middle in zip(stats[1:], middles[1:], strict=True)
            if max(w, h) >= least
        ]


def picture(width: int, height: int, *patches: tuple[int, int, int, int]) -> Image:
    pixels = np.zeros((height, width, 3), np.uint8)
    for left, top, right, bottom in patches:
        centre = ((left + right - 1) // 2, (top + bottom - 1) // 2)
        axes = ((right - left - 1) // 2, (bottom - top - 1) // 2)
        cv2.ellipse(pixels, centre, axes, 0, 0, 360, (INK, INK, INK), -1)
    return Image(pixels)


PATCHES = (
    (3, 5, 24, 26),  # in a corner
    (140, 40, 161, 71),  # across the seam of two tiles
    (300, 250, 321, 281),
    (200, 90, 341, 231),  # larger than the overlap of tiles
)


def test_each_object_is_reported_once_where_it_is_in_the_picture() -> None:
    scene = picture(400, 300, *PATCHES)
    regions = Tiled(Blobs(share=0.1), 160).find(scene)
    expected = {region.where: region for region in Blobs().find(scene)}
    assert {region.where for region in regions} == set(expected)
    assert len(regions) == len(PATCHES)
    assert [region.score for region in regions] == sorted((r.score for r in regions), reverse=True)
    for region in regions:
        original = expected[region.where]
        assert np.allclose(region.landmarks, original.landmarks, atol=1e-3)
        assert (masks.on_picture(region, 400, 300) == masks.on_picture(original, 400, 300)).all()


def test_tiles_find_what_the_whole_picture_is_too_large_for() -> None:
    scene = picture(400, 300, *PATCHES)
    detector = Blobs(share=0.1)
    assert len(detector.find(scene)) == 1
    assert len(Tiled(detector, 160).find(scene)) == len(PATCHES)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (64, 64), (63, 2), (65, 64), (1000, 70)])
def test_tiles_cover_the_picture_and_overlap(width: int, height: int) -> None:
    windows = list(tiles.tiles(width, height, 64))
    seen = np.zeros((height, width), int)
    for left, top, right, bottom in windows:
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        assert max(right - left, bottom - top) <= 64
        seen[top:bottom, left:right] += 1
    assert (len(windows) == 0) == (max(width, height) <= 64)
    assert len(windows) == 0 or seen.min() == 1
    assert all(
        after[0] - before[0] <= 48 for before, after in pairwise(windows) if before[1] == after[1]
    )


def test_a_small_picture_is_looked_at_once() -> None:
    detector = Blobs()
    assert Tiled(detector, 64).find(picture(1, 1)) == []
    assert detector.sizes == [(1, 1)]


def test_whole_objects_take_precedence_over_cut_ones() -> None:
    whole, part = (10.0, 10.0, 110.0, 110.0), (10.0, 10.0, 64.0, 110.0)
    regions = [Region(part, 0.9, label="cup"), Region(whole, 0.6, label="cup")]
    assert tiles.merge(regions, [True, False], 200, 200) == [1]
    assert tiles.merge(regions, [False, False], 200, 200) == [0]  # IoU 0.54
    other = [Region(part, 0.9, label="lid"), regions[1]]
    assert tiles.merge(other, [True, False], 200, 200) == [0, 1]


def test_a_detector_that_leaves_boxes_out_reports_whole_tiles() -> None:
    class Whole(Blobs):
        def find(self, medium: Image) -> list[Region]:
            return [Region()] if medium.pixels.min() == INK else []

    scene = picture(128, 64)
    scene.pixels[:, 64:] = INK
    assert Tiled(Whole(), 64).find(scene)[0].where == (64, 0, 128, 64)


def test_a_box_beyond_its_tile_is_cut_to_it_as_its_mask_is() -> None:
    class Beyond(Blobs):
        def find(self, medium: Image) -> list[Region]:
            height, width = medium.pixels.shape[:2]
            box = (-5.5, 10.5, width + 8.0, 20.5)
            left, top, right, bottom = boxes.pixel_box(box, width, height)
            return [Region(box, 0.7, np.ones((bottom - top, right - left), bool))]

    for region in Tiled(Beyond(), 64).find(picture(160, 100)):
        assert masks.on_picture(region, 160, 100).any()


def test_memory_is_bounded_on_a_panorama(monkeypatch: pytest.MonkeyPatch) -> None:
    class Crowd(Blobs):
        def find(self, medium: Image) -> list[Region]:
            mask = np.ones((40, 40), bool)
            places = np.arange(0, 600, 40.0)
            return [
                Region((x, y, x + 40, y + 40), 0.5, mask.copy()) for x in places for y in places
            ]

    monkeypatch.setattr(tiles, "MOST_REGIONS", 300)
    monkeypatch.setattr(tiles, "MOST_MASK_BYTES", 1600 * 200)
    scene = Image(np.zeros((600, 20_000, 3), np.uint8))
    tracemalloc.start()
    try:
        regions = Tiled(Crowd(), 640).find(scene)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 0 < len(regions) <= 300
    assert peak < 8 << 20


@pytest.mark.parametrize("size", [0, -640, 63])
def test_tiles_have_a_least_size(size: int) -> None:
    with pytest.raises(BadInput, match="too small"):
        Tiled(Blobs(), size)


def test_sounds_have_no_tiles() -> None:
    class Voice(Blobs):
        kind = "audio"

    with pytest.raises(BadInput, match="takes audio"):
        Tiled(Voice(), 640)
