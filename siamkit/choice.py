"""Which of the regions that a detector found are meant: one rule a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from siamkit.errors import LowQuality, NothingFound, SeveralFound, SiamkitError
from siamkit.pipeline import Seen
from siamkit.types import Box, Quality, Region

Chosen: TypeAlias = list[tuple[Region, Quality | None]]
Chooser: TypeAlias = Callable[[Seen], Chosen]

SAME_REGION = 0.3  # intersection over union from which a given box means a detected region


def everything(seen: Seen) -> Chosen:
    """Every region, fit for enrolment or not: what a query looks at."""
    if not seen.regions:
        raise NothingFound("nothing found in it", hint=_NOTHING_HINT)
    return list(zip(seen.regions, seen.qualities, strict=True))


def largest(seen: Seen) -> Chosen:
    """The largest region, fit for enrolment or not."""
    return [max(everything(seen), key=lambda pair: area(pair[0]))]


def only_usable(seen: Seen) -> Chosen:
    """The one region fit for enrolment; anything else is an error that says what there is."""
    usable = all_usable(seen)
    if len(usable) > 1:
        boxes = "; ".join(_shown(region) for region, _ in usable)
        raise SeveralFound(
            f"{len(usable)} usable regions in it: {boxes}",
            hint="name one with --box LEFT,TOP,RIGHT,BOTTOM, or use --largest or --all-regions",
        )
    return usable


def largest_usable(seen: Seen) -> Chosen:
    """The largest of the regions fit for enrolment."""
    return [max(all_usable(seen), key=lambda pair: area(pair[0]))]


def all_usable(seen: Seen) -> Chosen:
    """Every region fit for enrolment. Raises NothingFound or LowQuality if there is none."""
    pairs = everything(seen)
    usable = [pair for pair in pairs if not _problems(pair[1])]
    if not usable:
        raise LowQuality(
            "; ".join(p for _, quality in pairs for p in _problems(quality)),
            hint="use a better picture or recording, or --any-quality to enrol it all the same",
        )
    return usable


def within_box(box: Box) -> Chooser:
    """The detected region that a box given by the caller means, else the box itself."""

    def choose(seen: Seen) -> Chosen:
        pairs = [
            (region, quality)
            for region, quality in zip(seen.regions, seen.qualities, strict=True)
            if overlap(region, box) >= SAME_REGION
        ]
        if not pairs:
            return [(Region(where=box), None)]
        return all_usable(Seen(seen.medium, *map(list, zip(*pairs, strict=True))))[:1]

    return choose


def of_any_quality(choose: Chooser) -> Chooser:
    """The same choice, blind to quality."""

    def blind(seen: Seen) -> Chosen:
        chosen = choose(Seen(seen.medium, seen.regions, [None] * len(seen.regions)))
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


def error_for(name: str, error: SiamkitError) -> SiamkitError:
    """The same error, naming the sample it is about."""
    return type(error)(f"{name}: {error}", hint=error.hint)


def _problems(quality: Quality | None) -> tuple[str, ...]:
    return quality.problems if quality else ()


def _shown(region: Region) -> str:
    return ",".join(f"{v:.0f}" for v in region.where) if region.where else "whole sample"


_NOTHING_HINT = "if it is cropped already, use --detector none; or give another picture"
