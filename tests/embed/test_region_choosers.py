"""Which of several regions is meant."""

from __future__ import annotations

import numpy as np
import pytest

from siamkit import BadInput, LowQuality, NothingFound, SeveralFound
from siamkit.embed import region_choosers
from siamkit.embed.pipeline import DetectedSample
from siamkit.types import Image, Quality, Region

PICTURE = Image(np.zeros((200, 300, 3), np.uint8))
LEFT, RIGHT = Region((0, 0, 100, 100), 0.99), Region((40, 0, 140, 100), 0.7)
FAR, TINY = Region((200, 0, 260, 60), 0.8), Region((150, 150, 154, 154), 0.9)


def assess(region: Region) -> Quality:
    size = region.where[2] - region.where[0]
    return Quality(0.5, () if size >= 10 else (f"{size:.0f} px is too small",))


def detected(*regions: Region) -> DetectedSample:
    return DetectedSample(PICTURE, list(regions), [assess(r) for r in regions], assess)


def chosen(choose, *regions: Region) -> list[Region]:
    return [region for region, _ in choose(detected(*regions))]


def test_exactly_one_usable_region():
    assert chosen(region_choosers.only_usable, LEFT, TINY) == [LEFT]
    with pytest.raises(SeveralFound, match="2 usable regions in it: 0,0,100,100; 200,0,260,60"):
        region_choosers.only_usable(detected(LEFT, FAR))
    with pytest.raises(LowQuality, match="4 px is too small"):
        region_choosers.only_usable(detected(TINY))
    with pytest.raises(NothingFound):
        region_choosers.only_usable(detected())


def test_the_largest():
    assert chosen(region_choosers.largest_usable, TINY, FAR, LEFT) == [LEFT]
    assert chosen(region_choosers.largest_region, TINY) == [TINY]
    with pytest.raises(LowQuality):
        region_choosers.largest_usable(detected(TINY))


def test_a_box_means_the_region_it_overlaps_best():
    assert chosen(region_choosers.within_box((45, 0, 145, 100)), LEFT, RIGHT) == [RIGHT]
    assert chosen(region_choosers.within_box((0, 0, 95, 100)), LEFT, RIGHT) == [LEFT]


def test_a_loose_box_means_the_one_region_inside():
    assert chosen(region_choosers.within_box((150, 0, 300, 200)), LEFT, FAR) == [FAR]


def test_a_box_around_several_is_no_choice():
    with pytest.raises(SeveralFound, match="200,0,260,60"):
        region_choosers.within_box((0, 0, 300, 200))(detected(TINY, FAR))


def test_a_box_where_nothing_was_found_is_taken_as_it_is():
    assert chosen(region_choosers.within_box((150, 120, 190, 160)), LEFT)[0].where == (
        150,
        120,
        190,
        160,
    )
    with pytest.raises(LowQuality):
        region_choosers.within_box((150, 120, 155, 125))(detected(LEFT))
    with pytest.raises(BadInput, match="not inside its 300 x 200 pixels"):
        region_choosers.within_box((290, 190, 310, 210))(detected(LEFT))


def test_any_quality():
    blind = region_choosers.ignoring_quality(region_choosers.only_usable)
    assert chosen(blind, TINY) == [TINY]
    ((_, quality),) = blind(detected(TINY))
    assert quality.problems
