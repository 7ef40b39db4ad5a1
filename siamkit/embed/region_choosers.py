"""Choose among the regions that a detector found: one function per rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from siamkit.embed.pipeline import DetectedSample
from siamkit.errors import BadInput, LowQuality, NothingFound, SeveralFound, SiamkitError
from siamkit.sdk.regions import position
from siamkit.types import Box, Clip, Image, Quality, Region

ChosenRegions: TypeAlias = list[tuple[Region, Quality | None]]
Chooser: TypeAlias = Callable[[DetectedSample], ChosenRegions]

SAME_REGION = 0.3  # intersection over union at or above which a box means a detected region


def all_regions(detected: DetectedSample) -> ChosenRegions:
    """Return every region from left to right, fit for enrolment or not, as a query needs them."""
    if not detected.regions:
        medium = "recording" if isinstance(detected.medium, Clip) else "picture"
        hint = f"use another {medium}; if it is already cropped, `--detector none`"
        what = f"no {detected.sought}" if detected.sought else "nothing"
        raise NothingFound(f"{what} was found in it", hint=hint)
    pairs = zip(detected.regions, detected.qualities, strict=True)
    return sorted(pairs, key=lambda pair: position(pair[0]))


def largest_region(detected: DetectedSample) -> ChosenRegions:
    """Return the largest region, fit for enrolment or not."""
    return [max(all_regions(detected), key=lambda pair: area(pair[0]))]


def only_usable(detected: DetectedSample) -> ChosenRegions:
    """Return the one region fit for enrolment. Raises SeveralFound, NothingFound or LowQuality."""
    return _single(all_usable(detected))


def largest_usable(detected: DetectedSample) -> ChosenRegions:
    """Return the largest of the regions fit for enrolment."""
    return [max(all_usable(detected), key=lambda pair: area(pair[0]))]


def all_usable(detected: DetectedSample) -> ChosenRegions:
    """Return every region fit for enrolment. Raises NothingFound or LowQuality if there is none."""
    pairs = all_regions(detected)
    usable = [pair for pair in pairs if not _problems(pair[1])]
    if not usable:
        better = "use a better picture or recording"
        if not all(quality.comparable for _, quality in pairs if quality):
            better = "use another sample, or an encoder that can tell it from others"
        raise LowQuality(
            "; ".join(p for _, quality in pairs for p in _problems(quality)),
            hint=f"{better}, or enrol it anyway with `--any-quality`",
        )
    return usable


def within_box(box: Box, choose: Chooser = all_usable) -> Chooser:
    """Choose the detected region that a box marks, or else the box itself.

    choose: what then decides on that one region.
    A box means the region that it overlaps best; a box much larger than that, the only region
    whose centre is inside. The choice raises BadInput for a box outside the picture,
    SeveralFound if several centres are inside, LowQuality as for any other region.
    """

    def choose_marked(detected: DetectedSample) -> ChosenRegions:
        pairs = list(zip(detected.regions, detected.qualities, strict=True))
        best = max(pairs, key=lambda pair: overlap(pair[0], box), default=None)
        inside = [pair for pair in pairs if _centred_in(pair[0], box)]
        if best is not None and overlap(best[0], box) >= SAME_REGION:
            region, quality = best
        elif inside:
            ((region, quality),) = _single(inside)
        else:
            _require_inside(box, detected.medium)
            region = Region(where=box)
            quality = detected.assess(region)
        return choose(DetectedSample(detected.medium, [region], [quality], detected.assess))

    return choose_marked


def ignoring_quality(choose: Chooser) -> Chooser:
    """Make the same choice as if no quality were assessed."""

    def blind(detected: DetectedSample) -> ChosenRegions:
        regions = detected.regions
        unjudged: list[Quality | None] = [None] * len(regions)
        sought = detected.sought
        unassessed = DetectedSample(detected.medium, regions, unjudged, lambda _: None, sought)
        chosen = choose(unassessed)
        by_region = {id(r): q for r, q in zip(regions, detected.qualities, strict=True)}
        return [(region, by_region.get(id(region))) for region, _ in chosen]

    return blind


def area(region: Region) -> float:
    """Return a box's square pixels or a span's seconds; the whole sample is infinite."""
    if region.where is None:
        return float("inf")
    if len(region.where) == 2:
        return region.where[1] - region.where[0]
    left, top, right, bottom = region.where
    return (right - left) * (bottom - top)


def overlap(region: Region, box: Box) -> float:
    """Return the intersection over union of a region's box with another, in [0, 1]."""
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
        hint = "give `--box LEFT,TOP,RIGHT,BOTTOM`, `--largest` or `--all-regions`"
        raise SeveralFound(f"{len(chosen)} usable regions in it: {boxes}", hint=hint)
    return chosen


def _centred_in(region: Region, box: Box) -> bool:
    if region.where is None or len(region.where) != 4:
        return False
    left, top, right, bottom = region.where
    return box[0] <= (left + right) / 2 < box[2] and box[1] <= (top + bottom) / 2 < box[3]


def _require_inside(box: Box, medium: object) -> None:
    if isinstance(medium, Clip):
        raise BadInput("a sound has no box", hint="leave out `--box`, which is for pictures")
    if isinstance(medium, Image):
        height, width = medium.pixels.shape[:2]
        if box[2] > width or box[3] > height:
            described = describe_region(Region(where=box))
            raise BadInput(
                f"box {described} is not inside its {width} x {height} pixels",
                hint="give `--box LEFT,TOP,RIGHT,BOTTOM` in pixels of the picture",
            )


def name_sample(name: str, error: SiamkitError) -> SiamkitError:
    """Return the same error with the sample's name in front."""
    return type(error)(f"{name}: {error}", hint=error.hint)


def _problems(quality: Quality | None) -> tuple[str, ...]:
    return quality.problems if quality else ()


def describe_region(region: Region) -> str:
    """Return LEFT,TOP,RIGHT,BOTTOM in pixels, or START-STOP in seconds."""
    if region.where is None:
        return "whole sample"
    if len(region.where) == 2:
        return "{:.1f}-{:.1f} s".format(*region.where)
    return ",".join(f"{v:.0f}" for v in region.where)
