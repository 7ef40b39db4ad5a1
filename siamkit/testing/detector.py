"""Rules of region detectors: regions lie inside the medium, best first; masks, labels, prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from typing import Any

import numpy as np

from siamkit.errors import BadInput
from siamkit.protocols import Prompted, ScoreLimited
from siamkit.sdk.boxes import pixel_box
from siamkit.testing.media import blank_media, same_value
from siamkit.testing.rule import NotRun, attempt, require, rule
from siamkit.testing.subjects import DetectorSubject
from siamkit.types import Clip, Image, Prompt, Region

SLACK = 0.01  # seconds: what rounding may add
EDGES = {"image": (4,), "audio": (2,)}  # numbers of a region by kind; else a box or a span


@rule(
    "[Region(where=…, score=…)]; tuples, not arrays; float(), not numpy's numbers; landmarks (k, 2)"
    " float32, x and y in px of the source"
)
def find_gives_regions(subject: DetectorSubject) -> None:
    """find gives a list of siamkit.types.Region, whose attributes have their declared types."""
    for medium in subject.fresh_media():
        regions = subject.plugin.find(medium)
        is_list = isinstance(regions, list) and all(isinstance(r, Region) for r in regions)
        require(is_list, f"{regions!r:.80}")
        for region in regions:
            fault = _type_fault(region, subject.plugin.kind)
            require(not fault, fault)


@rule("check the size first, and return [] where nothing can be found", find_gives_regions)
def nothing_is_an_empty_list(subject: DetectorSubject) -> None:
    """A blank or tiny medium gives a list, never an exception or None."""
    for medium in blank_media(subject.plugin.kind, subject.media):
        with attempt("a blank medium"):
            regions = subject.plugin.find(medium)
            require(isinstance(regions, list), repr(regions))


@rule(
    "clip it: left, top, right, bottom in px of the source; seconds for sounds",
    find_gives_regions,
)
def regions_in_bounds(subject: DetectorSubject) -> None:
    """Boxes and spans lie inside the medium and are not empty."""
    for medium, region in _regions(subject):
        if (where := region.where) is None:
            continue
        width, height = _size(medium)
        if len(where) == 4:
            left, top, right, bottom = where
            inside = 0 <= left < right <= width and 0 <= top < bottom <= height
            require(inside, f"{where} of {width:g} x {height:g} px")
        else:
            require(0 <= where[0] < where[1] <= width, f"{where} of {width:g} s")


@rule("return sorted(regions, key=lambda region: -region.score)", find_gives_regions)
def regions_best_first(subject: DetectorSubject) -> None:
    """Scores do not rise along the list."""
    for regions in subject.regions:
        scores = [region.score for region in regions]
        require(scores == sorted(scores, reverse=True), f"scores {scores}")


@rule("scale, or clip, the score", find_gives_regions)
def scores_in_range(subject: DetectorSubject) -> None:
    """Every score is in [0, 1]."""
    scores = [region.score for _, region in _regions(subject)]
    require(all(0 <= score <= 1 for score in scores), f"{scores}")


@rule("siamkit.sdk.masks.of_picture(mask) gives the region of a mask", find_gives_regions)
def mask_fits_box(subject: DetectorSubject) -> None:
    """A mask is bool, of the pixels that its box touches, and not empty."""
    for medium, region in _regions(subject):
        _require_mask_fits(region, medium)


@rule("add the label to `labels`; a label is a text, and stands there once", find_gives_regions)
def labels_are_declared(subject: DetectorSubject) -> None:
    """No region has a label that `labels` does not name."""
    if (labels := getattr(subject.plugin, "labels", None)) is None:
        raise NotRun("it declares no labels")
    are_texts = all(isinstance(label, str) and label for label in labels)
    require(are_texts and len(set(labels)) == len(labels), f"labels {labels!r:.80}")
    for _, region in _regions(subject):
        require(region.label in labels, f"label {region.label!r}")


@rule("leave out what scores less than min_score, and nothing else", find_gives_regions)
def min_score_is_kept(subject: DetectorSubject) -> None:
    """with_min_score gives a detector that finds nothing weaker."""
    plugin: Any = subject.plugin
    if not isinstance(plugin, ScoreLimited):
        raise NotRun("it has no min_score")
    weakest = min(region.score for _, region in _regions(subject))
    require(plugin.min_score <= weakest, f"score {weakest} below min_score {plugin.min_score}")
    limit = (1 + max(region.score for _, region in _regions(subject))) / 2
    stricter = plugin.with_min_score(limit)
    for medium in subject.fresh_media():
        scores = [region.score for region in stricter.find(medium) or ()]
        require(all(score >= limit for score in scores), f"scores {scores} of at least {limit}")


@rule(
    "find_prompted(medium, prompt) gives regions, best first, with a mask each; [] where there is"
    " nothing; BadInput for a prompt outside the picture",
    find_gives_regions,
)
def prompts_are_followed(subject: DetectorSubject) -> None:
    """A box or a point gives regions with masks, and one outside the picture is refused."""
    plugin: Any = subject.plugin
    if not isinstance(plugin, Prompted):
        raise NotRun("it takes no prompts")
    for medium, region in _regions(subject):
        if region.where is None or len(region.where) != 4:
            raise NotRun("it finds no boxes to prompt it with")
        left, top, right, bottom = region.where
        centre = ((left + right) / 2, (top + bottom) / 2)
        for prompt in (Prompt(box=region.where), Prompt(points=(centre,))):
            prompted = plugin.find_prompted(medium, prompt)
            require(isinstance(prompted, list), repr(prompted)[:80])
            scores = [region.score for region in prompted]
            require(scores == sorted(scores, reverse=True), f"scores {scores}")
            for answer in prompted:
                fault = _type_fault(answer, subject.plugin.kind)
                require(not fault, fault)
                require(answer.mask is not None, f"a region without a mask for {prompt}")
                _require_mask_fits(answer, medium)
    width, height = _size(subject.media[0])
    try:
        plugin.find_prompted(subject.media[0], Prompt(points=((2 * width, 2 * height),)))
    except BadInput:
        return
    require(False, "an answer to a point outside the picture")


@rule("sort and clip them", find_gives_regions)
def parts_in_order(subject: DetectorSubject) -> None:
    """The parts of a span lie inside it, one after another."""
    for _, region in _regions(subject):
        if region.parts and region.where is not None:
            first, last = region.where[0] - SLACK, region.where[-1] + SLACK
            edges = [first, *(edge for part in region.parts for edge in part), last]
            in_order = edges == sorted(edges) and all(start < stop for start, stop in region.parts)
            require(in_order, f"{region.parts} within {region.where}")


@rule("seed what is random; keep no state between calls", find_gives_regions)
def find_is_repeatable(subject: DetectorSubject) -> None:
    """The same medium gives the same regions, whatever came before it."""
    backwards = [subject.plugin.find(medium) for medium in subject.fresh_media()[::-1]]
    require(same_value(subject.regions, backwards[::-1]), "other regions the next time")


@rule("work on a copy")
def find_leaves_its_input_alone(subject: DetectorSubject) -> None:
    """find does not change the medium."""
    for medium, before in zip(subject.fresh_media(), subject.media, strict=True):
        subject.plugin.find(medium)
        require(same_value(medium, before), "find changed it")


def _require_mask_fits(region: Region, medium: Any) -> None:
    """Fail unless a region's mask, if it has one, is that of its box."""
    if (mask := region.mask) is None:
        return
    width, height = _size(medium)
    if not isfinite(height):
        raise NotRun("the kit does not know how large its media are")
    where = region.where if region.where and len(region.where) == 4 else (0, 0, width, height)
    left, top, right, bottom = pixel_box(where, int(width), int(height))
    shape = (bottom - top, right - left)
    require(
        mask.shape == shape and mask.dtype == np.bool_ and bool(mask.any()),
        f"{mask.dtype} {mask.shape}, {int(mask.sum())} pixels set, of a box {shape}",
    )


def _regions(subject: DetectorSubject) -> Iterator[tuple[Any, Region]]:
    """Every region with its medium. Raises NotRun if there is none."""
    if not any(subject.regions):
        raise NotRun("it finds nothing in its examples: give it some with something to find")
    for medium, regions in zip(subject.media, subject.regions, strict=True):
        yield from ((medium, region) for region in regions)


def _size(medium: Any) -> tuple[float, float]:
    """Width and height of a picture in pixels; of a sound its seconds."""
    if isinstance(medium, Image):
        height, width = medium.pixels.shape[:2]
        return float(width), float(height)
    return medium.seconds + SLACK if isinstance(medium, Clip) else float("inf"), float("inf")


def _type_fault(region: Region, kind: str) -> str:
    """The first attribute that the store cannot keep: "where=array([0., 0., 2., 1.])"; or ''."""
    tests: Mapping[str, Callable[[Any], bool]] = {
        "where": lambda v: v is None or (_are_numbers(v) and len(v) in EDGES.get(kind, (2, 4))),
        "score": lambda v: _are_numbers((v,)),
        "label": lambda v: isinstance(v, str),
        "parts": lambda v: isinstance(v, tuple) and all(_are_numbers(p) and len(p) == 2 for p in v),
        "mask": lambda v: v is None or isinstance(v, np.ndarray),
        "landmarks": lambda v: v is None or _are_points(v),
    }
    for name, fits in tests.items():
        if not fits(value := getattr(region, name)):
            return f"{name}={value!r:.60}"
    return ""


def _are_numbers(values: Any) -> bool:
    """True for a tuple of Python's own numbers; numpy's float64 is one of them."""
    return isinstance(values, tuple) and all(isinstance(v, int | float) for v in values)


def _are_points(values: Any) -> bool:
    """True for finite (k, 2) float32."""
    is_array = isinstance(values, np.ndarray) and values.dtype == np.float32
    return is_array and values.shape[1:] == (2,) and bool(np.isfinite(values).all())
