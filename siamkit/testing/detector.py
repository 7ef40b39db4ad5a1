"""Rules of region detectors: regions lie inside the medium, best first."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import isfinite
from typing import Any

import numpy as np

from siamkit.testing.blank_media import blank_media
from siamkit.testing.equality import same_value
from siamkit.testing.modality import check_kind_is_a_word
from siamkit.testing.outcome import Failure, NotRun
from siamkit.testing.region_types import region_fault
from siamkit.testing.run import needs
from siamkit.testing.subjects import DetectorSubject
from siamkit.types import Clip, Image, Region

SLACK = 0.01  # seconds: what rounding may add


def check_find_gives_regions(subject: DetectorSubject) -> None:
    """find gives a list of siamkit.types.Region, whose attributes have their declared types."""
    for medium in subject.fresh_media():
        regions = subject.plugin.find(medium)
        if not isinstance(regions, list) or not all(isinstance(r, Region) for r in regions):
            raise Failure(
                "a list of Region", f"{regions!r:.80}", "return [Region(where=…, score=…)]"
            )
        for region in regions:
            if fault := region_fault(region, subject.plugin.kind):
                raise Failure(
                    "a Region that the store can keep",
                    fault,
                    "turn arrays into tuples, and numpy's numbers into float()",
                )


def check_nothing_is_an_empty_list(subject: DetectorSubject) -> None:
    """A blank or tiny medium gives a list, never an exception or None."""
    needs(subject, check_find_gives_regions)
    classes = {type(medium) for medium in subject.media}
    fix = "check the size first, and return [] where nothing can be found"
    for medium in blank_media(subject.plugin.kind):
        if type(medium) not in classes:
            raise NotRun("the kit has no blank medium of its class")
        try:
            regions = subject.plugin.find(medium)
        except Exception as error:
            raise Failure("a list", f"{type(error).__name__}: {error}", fix) from error
        if not isinstance(regions, list):
            raise Failure("a list", repr(regions), fix)


def check_regions_in_bounds(subject: DetectorSubject) -> None:
    """Boxes and spans lie inside the medium and are not empty."""
    fix = "clip it: left, top, right, bottom in px of the source; seconds for sounds"
    for medium, region in _regions(subject):
        if (where := region.where) is None:
            continue
        width, height = _width(medium), _height(medium)
        if len(where) == 4:
            left, top, right, bottom = where
            if not (0 <= left < right <= width and 0 <= top < bottom <= height):
                raise Failure(f"a region within {width:g} x {height:g} px", f"{where}", fix)
        elif not 0 <= where[0] < where[1] <= width:
            raise Failure(f"a span within {width:g} s", f"{where}", fix)


def check_regions_best_first(subject: DetectorSubject) -> None:
    """Scores do not rise along the list."""
    for regions in subject.regions:
        scores = [region.score for region in regions]
        if any(left < right for left, right in pairwise(scores)):
            raise Failure(
                "regions best first",
                f"scores {scores}",
                "return sorted(regions, key=lambda region: -region.score)",
            )


def check_scores_in_range(subject: DetectorSubject) -> None:
    """Every score is in [0, 1]."""
    scores = [region.score for _, region in _regions(subject)]
    if not all(0 <= score <= 1 for score in scores):
        raise Failure("scores in [0, 1]", f"{scores}", "scale, or clip, the score")


def check_mask_fits_box(subject: DetectorSubject) -> None:
    """A mask is bool, as large as its box, and not empty."""
    for medium, region in _regions(subject):
        if (mask := region.mask) is None:
            continue
        box = (0.0, 0.0, _width(medium), _height(medium))
        if region.where is not None and len(region.where) == 4:
            box = region.where
        left, top, right, bottom = box
        if not isfinite(right):
            raise NotRun("the kit does not know how large its media are")
        shape = (round(bottom) - round(top), round(right) - round(left))
        if mask.shape != shape or mask.dtype != np.bool_ or not mask.any():
            raise Failure(
                f"a bool mask of {shape}, the box's height and width, with a pixel set",
                f"{mask.dtype} {mask.shape}, {int(mask.sum())} pixels set",
                "cut the mask to the box",
            )


def check_landmarks_are_points(subject: DetectorSubject) -> None:
    """Landmarks are (k, 2) float32 numbers."""
    for _, region in _regions(subject):
        if (points := region.landmarks) is None:
            continue
        fits = points.ndim == 2 and points.shape[1] == 2 and points.dtype == np.float32
        if not fits or not np.isfinite(points).all():
            raise Failure(
                "landmarks (k, 2) float32",
                f"{points.dtype} {points.shape}",
                "np.asarray(points, np.float32), x and y in px of the source",
            )


def check_parts_in_order(subject: DetectorSubject) -> None:
    """The parts of a span lie inside it, one after another."""
    for _, region in _regions(subject):
        if not region.parts or region.where is None:
            continue
        edges = [edge for part in region.parts for edge in part]
        rising = all(left <= right for left, right in pairwise(edges))
        rising &= all(start < stop for start, stop in region.parts)
        if not rising or edges[0] < region.where[0] - SLACK or edges[-1] > region.where[1] + SLACK:
            raise Failure(
                f"parts in order within {region.where}", f"{region.parts}", "sort and clip them"
            )


def check_find_is_repeatable(subject: DetectorSubject) -> None:
    """The same medium gives the same regions, whatever came before it."""
    regions = subject.regions
    backwards = [subject.plugin.find(medium) for medium in subject.fresh_media()[::-1]]
    if not same_value(regions, backwards[::-1]):
        raise Failure(
            "the same regions each time",
            "other ones",
            "seed what is random; keep no state between calls",
        )


def check_find_leaves_its_input_alone(subject: DetectorSubject) -> None:
    """find does not change the medium."""
    for medium, before in zip(subject.fresh_media(), subject.media, strict=True):
        subject.plugin.find(medium)
        if not same_value(medium, before):
            raise Failure("an unchanged medium", "find changed it", "work on a copy")


def _regions(subject: DetectorSubject) -> Iterator[tuple[Any, Region]]:
    """Every region with its medium. Raises NotRun if there is none."""
    if not any(subject.regions):
        raise NotRun("it finds nothing in its examples: give it some with something to find")
    for medium, regions in zip(subject.media, subject.regions, strict=True):
        yield from ((medium, region) for region in regions)


def _width(medium: Any) -> float:
    """Pixels of a picture, seconds of a sound."""
    if isinstance(medium, Image):
        return float(medium.pixels.shape[1])
    return medium.seconds + SLACK if isinstance(medium, Clip) else float("inf")


def _height(medium: Any) -> float:
    return float(medium.pixels.shape[0]) if isinstance(medium, Image) else float("inf")


CHECKS = (
    check_kind_is_a_word,
    check_find_gives_regions,
    check_nothing_is_an_empty_list,
    check_regions_in_bounds,
    check_regions_best_first,
    check_scores_in_range,
    check_mask_fits_box,
    check_landmarks_are_points,
    check_parts_in_order,
    check_find_is_repeatable,
    check_find_leaves_its_input_alone,
)
