"""Which of the regions that a detector found are meant: one rule a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from siamkit.embed.pipeline import DetectedSample
from siamkit.errors import BadInput, LowQuality, NothingFound, SeveralFound, SiamkitError
from siamkit.types import Box, Clip, Image, Quality, Region

ChosenRegions: TypeAlias = list[tuple[Region, Quality | None]]
Chooser: TypeAlias = Callable[[DetectedSample], ChosenRegions]

SAME_REGION = 0.3  # intersection over union from which a given box means a detected region


def all_regions(seen: DetectedSample) -> ChosenRegions:
    """Every region, fit for enrolment or not: what a query looks at."""
    if not seen.regions:
        raise NothingFound("nothing found in it", hint=_NOTHING_HINT)
    return list(zip(seen.regions, seen.qualities, strict=True))


def largest_region(seen: DetectedSample) -> ChosenRegions:
    """The largest region, fit for enrolment or not."""
    return [max(all_regions(seen), key=lambda pair: area(pair[0]))]


def only_usable(seen: DetectedSample) -> ChosenRegions:
    """The one region fit for enrolment; anything else is an error that says what there is."""
    return _single(all_usable(seen))


def largest_usable(seen: DetectedSample) -> ChosenRegions:
    """The largest of the regions fit for enrolment."""
    return [max(all_usable(seen), key=lambda pair: area(pair[0]))]


def all_usable(seen: DetectedSample) -> ChosenRegions:
    """Every region fit for enrolment. Raises NothingFound or LowQuality if there is none."""
    pairs = all_regions(seen)
    usable = [pair for pair in pairs if not _problems(pair[1])]
    if not usable:
        raise LowQuality(
            "; ".join(p for _, quality in pairs for p in _problems(quality)),
            hint="use a better picture or recording, or --any-quality to enrol it all the same",
        )
    return usable


def within_box(box: Box) -> Chooser:
    """The detected region that a box given by the caller means, else the box itself.

    Meant is the region that the box overlaps best; or, where a loose box is around several
    times its size, the only one whose centre lies inside. Raises BadInput for a box outside of
    the picture, LowQuality as for any other region.
    """

    def choose(seen: DetectedSample) -> ChosenRegions:
        pairs = list(zip(seen.regions, seen.qualities, strict=True))
        best = max(pairs, key=lambda pair: overlap(pair[0], box), default=None)
        inside = [pair for pair in pairs if _centred_in(pair[0], box)]
        if best is not None and overlap(best[0], box) >= SAME_REGION:
            meant = best
        elif inside:
            (meant,) = _single(inside)
        else:
            _require_inside(box, seen.medium)
            region = Region(where=box)
            meant = (region, seen.assess(region))
        region, quality = meant
        return all_usable(DetectedSample(seen.medium, [region], [quality], seen.assess))

    return choose


def ignoring_quality(choose: Chooser) -> Chooser:
    """The same choice, blind to quality."""

    def blind(seen: DetectedSample) -> ChosenRegions:
        unjudged: list[Quality | None] = [None] * len(seen.regions)
        chosen = choose(DetectedSample(seen.medium, seen.regions, unjudged, lambda region: None))
        by_region = {id(r): q for r, q in zip(seen.regions, seen.qualities, strict=True)}
        return [(region, by_region.get(id(region))) for region, _ in chosen]

    return blind


def area(region: Region) -> float:
    """Square pixels of a box, seconds of a span; the whole sample is larger than any part."""
    if region.where is None:
        return float("inf")
    if len(region.where) == 2:
        return region.where[1] - region.where[0]
    left, top, right, bottom = region.where
    return (right - left) * (bottom - top)


def overlap(region: Region, box: Box) -> float:
    """Intersection over union of a region's box with another, in [0, 1]."""
    if region.where is None or len(region.where) != 4:
        return 0.0
    left, top, right, bottom = region.where
    width = min(right, box[2]) - max(left, box[0])
    height = min(bottom, box[3]) - max(top, box[1])
    if width <= 0 or height <= 0:
        return 0.0
    common = width * height
    return common / (area(region) + area(Region(where=box)) - common)


def _single(chosen: ChosenRegions) -> ChosenRegions:
    if len(chosen) > 1:
        boxes = "; ".join(describe_region(region) for region, _ in chosen)
        raise SeveralFound(
            f"{len(chosen)} usable regions in it: {boxes}",
            hint="name one with --box LEFT,TOP,RIGHT,BOTTOM, or use --largest or --all-regions",
        )
    return chosen


def _centred_in(region: Region, box: Box) -> bool:
    if region.where is None or len(region.where) != 4:
        return False
    left, top, right, bottom = region.where
    return box[0] <= (left + right) / 2 < box[2] and box[1] <= (top + bottom) / 2 < box[3]


def _require_inside(box: Box, medium: object) -> None:
    if isinstance(medium, Clip):
        raise BadInput("a box is a place in a picture, and this is a sound")
    if isinstance(medium, Image):
        height, width = medium.pixels.shape[:2]
        if box[2] > width or box[3] > height:
            shown = describe_region(Region(where=box))
            raise BadInput(
                f"box {shown} is not inside of its {width} x {height} pixels",
                hint="give --box LEFT,TOP,RIGHT,BOTTOM in pixels of the picture",
            )


def name_sample(name: str, error: SiamkitError) -> SiamkitError:
    """The same error, naming the sample it is about."""
    return type(error)(f"{name}: {error}", hint=error.hint)


def _problems(quality: Quality | None) -> tuple[str, ...]:
    return quality.problems if quality else ()


def describe_region(region: Region) -> str:
    """LEFT,TOP,RIGHT,BOTTOM in px, or START-STOP in seconds, for people."""
    if region.where is None:
        return "whole sample"
    if len(region.where) == 2:
        return "{:.1f}-{:.1f} s".format(*region.where)
    return ",".join(f"{v:.0f}" for v in region.where)


_NOTHING_HINT = (
    "if it is cropped already, use --detector none; or give another picture or recording"
)
