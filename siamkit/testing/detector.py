"""Rules of region detectors: what is found lies inside, best first."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import isfinite
from typing import Any

import numpy as np

from siamkit.testing.alike import alike
from siamkit.testing.blank import blank
from siamkit.testing.modality import check_kind_is_a_word
from siamkit.testing.outcome import Failure, NotRun
from siamkit.testing.run import needs
from siamkit.testing.subjects import DetectorSubject
from siamkit.testing.typed import ill_typed
from siamkit.types import Clip, Image, Region

SLACK = 0.01  # seconds: what rounding may add


def check_find_gives_regions(seen: DetectorSubject) -> None:
    """find gives a list of siamkit.types.Region, whose parts are what the class says."""
    for medium in seen.fresh():
        found = seen.plugin.find(medium)
        if not isinstance(found, list) or not all(isinstance(r, Region) for r in found):
            raise Failure("a list of Region", f"{found!r:.80}", "return [Region(where=…, score=…)]")
        for region in found:
            if fault := ill_typed(region, seen.plugin.kind):
                raise Failure(
                    "a Region that the store can keep", fault,
                    "turn arrays into tuples, and numbers of numpy's into float()",
                )  # fmt: skip


def check_nothing_is_an_empty_list(seen: DetectorSubject) -> None:
    """A blank or tiny medium gives a list, never an exception or None."""
    needs(seen, check_find_gives_regions)
    classes = {type(medium) for medium in seen.media}
    for medium in blank(seen.plugin.kind):
        if type(medium) not in classes:
            raise NotRun("the kit has no blank medium of its class")
        fix = "look at the size first, and return [] where nothing can be seen"
        try:
            found = seen.plugin.find(medium)
        except Exception as error:
            raise Failure("a list", f"{type(error).__name__}: {error}", fix) from error
        if not isinstance(found, list):
            raise Failure("a list", repr(found), fix)


def check_regions_in_bounds(seen: DetectorSubject) -> None:
    """Boxes and spans lie inside of the medium and are not empty."""
    for medium, region in _regions(seen):
        if (where := region.where) is None:
            continue
        low, high = (where[0], where[2]) if len(where) == 4 else where
        wrong = not 0 <= low < high <= _width(medium)
        if len(where) == 4:
            wrong |= not 0 <= where[1] < where[3] <= _height(medium)
        if wrong:
            raise Failure(
                f"a region within {_width(medium):g} x {_height(medium):g} px"
                if len(where) == 4
                else f"a span within {_width(medium):g} s",
                f"{where}",
                "clip it: left, top, right, bottom in px of the source; seconds for sounds",
            )


def check_regions_best_first(seen: DetectorSubject) -> None:
    """Scores do not rise along the list."""
    for regions in seen.found:
        scores = [region.score for region in regions]
        if any(left < right for left, right in pairwise(scores)):
            raise Failure(
                "regions best first", f"scores {scores}",
                "return sorted(found, key=lambda region: -region.score)",
            )  # fmt: skip


def check_scores_in_range(seen: DetectorSubject) -> None:
    """Every score is in [0, 1]."""
    scores = [region.score for _, region in _regions(seen)]
    if not all(0 <= score <= 1 for score in scores):
        raise Failure("scores in [0, 1]", f"{scores}", "scale, or clip, the score")


def check_mask_fits_box(seen: DetectorSubject) -> None:
    """A mask is bool and as large as its box."""
    for medium, region in _regions(seen):
        if region.mask is None:
            continue
        left, top, right, bottom = (
            region.where
            if region.where is not None and len(region.where) == 4
            else (0.0, 0.0, _width(medium), _height(medium))
        )
        if not isfinite(right):
            raise NotRun("the kit does not know how large its media are")
        wanted = (round(bottom) - round(top), round(right) - round(left))
        if region.mask.shape != wanted or region.mask.dtype != np.bool_ or not region.mask.any():
            raise Failure(
                f"a bool mask of {wanted}, the box's height and width, that keeps something",
                f"{region.mask.dtype} {region.mask.shape}, {int(region.mask.sum())} kept",
                "cut the mask to the box",
            )  # fmt: skip


def check_landmarks_are_points(seen: DetectorSubject) -> None:
    """Landmarks are (k, 2) float32 numbers."""
    for _, region in _regions(seen):
        points = region.landmarks
        if points is None:
            continue
        good = points.ndim == 2 and points.shape[1] == 2 and points.dtype == np.float32
        if not good or not np.isfinite(points).all():
            raise Failure(
                "landmarks (k, 2) float32", f"{points.dtype} {points.shape}",
                "np.asarray(points, np.float32), x and y in px of the source",
            )  # fmt: skip


def check_parts_in_order(seen: DetectorSubject) -> None:
    """The parts of a span lie inside of it, one after another."""
    for _, region in _regions(seen):
        if not region.parts or region.where is None:
            continue
        edges = [edge for part in region.parts for edge in part]
        rising = all(left <= right for left, right in pairwise(edges))
        rising &= all(start < stop for start, stop in region.parts)
        if not rising or edges[0] < region.where[0] - SLACK or edges[-1] > region.where[1] + SLACK:
            raise Failure(
                f"parts in order within {region.where}", f"{region.parts}", "sort and clip them"
            )


def check_find_is_repeatable(seen: DetectorSubject) -> None:
    """The same medium gives the same regions, whatever was looked at before."""
    found = seen.found
    again = [seen.plugin.find(medium) for medium in seen.fresh()[::-1]][::-1]
    if not alike(found, again):
        raise Failure(
            "the same regions each time", "other ones", "seed what is random; keep nothing"
        )


def check_find_leaves_its_input_alone(seen: DetectorSubject) -> None:
    """find does not change the medium."""
    for medium, before in zip(seen.fresh(), seen.media, strict=True):
        seen.plugin.find(medium)
        if not alike(medium, before):
            raise Failure("an unchanged medium", "find changed it", "work on a copy")


def _regions(seen: DetectorSubject) -> Iterator[tuple[Any, Region]]:
    some = False
    for medium, regions in zip(seen.media, seen.found, strict=True):
        for region in regions:
            some = True
            yield medium, region
    if not some:
        raise NotRun("it found nothing in its samples: give it some in which there is something")


def _width(medium: Any) -> float:
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
