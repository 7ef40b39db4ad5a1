"""Explain (1:1): which parts of two samples make their score what it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit.embed import batches, region_choosers
from siamkit.embed.batches import EmbeddedRegion, EmbeddedSource
from siamkit.embed.pipeline import DetectedSample, Pipeline
from siamkit.embed.region_choosers import Chooser, ChosenRegions
from siamkit.errors import BadInput, NothingFound
from siamkit.flows import occlusion
from siamkit.flows.occlusion import Pieces, Place
from siamkit.io import sources
from siamkit.sdk import regions
from siamkit.types import Clip, Progress, Quality, Region, Span, ignore_progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from siamkit.types import Vectors

    Vector = NDArray[np.float32]

SLACK = 0.01  # s: spans are cut to whole samples


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of what was compared, and what hiding it takes from the score."""

    where: Place  # in the crop: px of a picture, s of a clip, characters of a text
    contribution: float  # cosine; positive: it makes the two alike, negative: it tells them apart
    text: str = ""  # of a text: the words themselves
    heard: Span | None = None  # of a clip: s of the recording that the crop was cut from


@dataclass(frozen=True, slots=True, eq=False)
class Explained:
    """One of the two samples. Its parts are in the order of reading."""

    source: str
    region: Region
    quality: Quality | None
    seen: int  # how many regions the source has, of which one was compared
    crop: Any  # what was compared: an Image, a Clip or a str
    parts: tuple[Part, ...]

    @property
    def best(self) -> list[Part]:
        """The parts, what raises the score most first."""
        return sorted(self.parts, key=lambda part: -part.contribution)


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Why two samples score as they do. A side of one piece carries the whole score."""

    score: float  # cosine in [-1, 1]
    left: Explained
    right: Explained


def explain(
    pipeline: Pipeline,
    a: Path | str | bytes,
    b: Path | str | bytes,
    *,
    choose: Chooser = region_choosers.largest_region,
    progress: Progress = ignore_progress,
) -> Explanation:
    """Hide each piece of one sample, and see what the cosine to the whole of the other loses.

    Pieces of a picture are cells of a grid, hidden several at once where windows overlap; of a
    sound, segments; of a text, words. See siamkit.flows.occlusion. A piece without which nothing is
    left to embed carries the whole score.
    choose: the region of `b`. Raises UnreadableSample or NothingFound for a sample that cannot be
    used, BadInput for one that cannot be taken apart, each naming it.
    """
    samples = [_embed(pipeline, a, region_choosers.largest_region), _embed(pipeline, b, choose)]
    taken = [_taken_apart(done, found) for done, found, _ in samples]
    one, other = (found.vector for _, found, _ in samples)
    assert one is not None
    assert other is not None
    score = float(one @ other)
    total = sum(len(pieces.windows) for pieces in taken)
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        progress("hiding parts", done, total)

    sides = []
    for (item, found, seen), pieces, against in zip(samples, taken, (other, one), strict=True):
        rows = _without_each(pipeline, item.name, pieces, advance)
        worth = pieces.contributions(score, rows @ against)
        parts = _parts(pieces, worth, found)
        sides.append(Explained(item.name, found.region, found.quality, seen, found.crop, parts))
    return Explanation(score, *sides)


def _embed(
    pipeline: Pipeline, source: Path | str | bytes, choose: Chooser
) -> tuple[EmbeddedSource, EmbeddedRegion, int]:
    """A source, what is compared of it, and how many regions it has."""
    seen = 1

    def counted(all_of_it: DetectedSample) -> ChosenRegions:
        nonlocal seen
        seen = len(all_of_it.regions)
        return choose(all_of_it)

    done = batches.embed_one(pipeline, pipeline.read(source), counted)
    return done, done.regions[0], seen


def _taken_apart(done: EmbeddedSource, found: EmbeddedRegion) -> Pieces:
    try:
        return occlusion.pieces(found.crop)
    except BadInput as error:
        raise region_choosers.name_sample(sources.shorten(done.name), error) from error


def _without_each(
    pipeline: Pipeline, name: str, pieces: Pieces, advance: Callable[[int], None]
) -> Vectors:
    """(w, dim) vectors of the sample without each window; zeros where nothing was left."""
    import numpy as np

    rows = np.zeros((len(pieces.windows), pipeline.encoder.dim), dtype=np.float32)
    if len(pieces.places) == 1:  # without it there is nothing
        return rows
    for start in range(0, len(rows), pieces.at_once):
        window = pieces.windows[start : start + pieces.at_once]
        media = [pieces.without(hidden) for hidden in window]
        rows[start : start + len(media)] = _rows(pipeline, name, media)
        advance(len(media))
    return rows


def _rows(pipeline: Pipeline, name: str, media: Sequence[Any]) -> Vectors:
    """As Pipeline.embed, but a medium with nothing in it is a row of zeros, alike to nothing."""
    import numpy as np

    try:
        rows, good = pipeline.embed(media)
    except NothingFound:
        if len(media) == 1:
            return np.zeros((1, pipeline.encoder.dim), dtype=np.float32)
        return np.concatenate([_rows(pipeline, name, [medium]) for medium in media])
    if not good.all():
        raise region_choosers.name_sample(
            f"{sources.shorten(name)} without a part of it", pipeline.row_error(rows[~good][0])
        )
    return rows


def _parts(pieces: Pieces, worth: NDArray[np.float64], found: EmbeddedRegion) -> tuple[Part, ...]:
    crop = found.crop
    return tuple(
        Part(
            where,
            float(value),
            text=crop[int(where[0]) : int(where[1])] if isinstance(crop, str) else "",
            heard=_heard(found.region, crop, where) if isinstance(crop, Clip) else None,
        )
        for where, value in zip(pieces.places, worth, strict=True)
    )


def _heard(region: Region, crop: Clip, where: Place) -> Span | None:
    """Where a stretch of a crop lies in the recording, if the crop is the region's parts in a row.

    One that reaches over a pause begins before the pause and ends behind it.
    """
    spans = regions.spans(region, crop.seconds)
    if abs(sum(stop - start for start, stop in spans) - crop.seconds) > SLACK:
        return None
    first, last = float(where[0]), float(where[1])
    begin = end = None
    before = 0.0  # s of the crop that lie before this span
    for start, stop in spans:
        after = before + stop - start
        if begin is None and first < after:
            begin = start + first - before
        if end is None and last <= after + SLACK:
            end = min(stop, start + last - before)
        before = after
    return None if begin is None or end is None else (begin, end)
