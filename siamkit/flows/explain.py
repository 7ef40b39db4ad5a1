"""Explain (1:1): measure what each part of two samples contributes to their score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from siamkit.embed import batches, region_choosers
from siamkit.embed.batches import EmbeddedRegion, EmbeddedSource
from siamkit.embed.pipeline import Pipeline
from siamkit.embed.region_choosers import Chooser
from siamkit.errors import BadInput, NothingFound, Uncalibrated
from siamkit.flows import occlusion
from siamkit.flows.decide import DEFAULT_RULE, Basis
from siamkit.flows.occlusion import Pieces, Place
from siamkit.flows.verification import Verification
from siamkit.flows.verify import open_comparison
from siamkit.io import sources
from siamkit.io.presentable import Presentable
from siamkit.io.wording import OTHERS, Nouns, describe_pair, describe_score, nouns_of
from siamkit.protocols import Source
from siamkit.sdk import regions
from siamkit.types import Clip, Progress, Quality, Region, Span, Vectors, ignore_progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

TOLERANCE = 0.01  # s: spans are cut to whole samples


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a sample, and what the score loses when it is hidden."""

    where: Place  # in the crop: px of a picture, s of a clip, characters of a text
    contribution: float  # of the cosine; positive: the piece makes the samples alike
    text: str = ""  # of a text: the words themselves
    in_recording: Span | None = None  # of a clip: s of the recording that the crop was cut from


def _area(column: int, row: int) -> str:
    """Return the name of one of nine areas of a picture. column, row: 0, 1 or 2."""
    if (column, row) == (1, 1):
        return "middle"
    names = (("top", "", "bottom")[row], ("left", "", "right")[column])
    return " ".join(filter(None, names))


@dataclass(frozen=True, slots=True, eq=False)
class ExplainedSample:
    """One of the two samples. Its parts are in reading order."""

    source: str
    region: Region
    quality: Quality | None
    region_count: int  # of the source; one of them was compared
    crop: Any  # the compared Image, Clip or str
    parts: tuple[Part, ...]

    @property
    def shares(self) -> dict[Part, float]:
        """The share of each part in all that raises or lowers the score; below 0 if it lowers."""
        total = sum(abs(part.contribution) for part in self.parts) or 1.0
        return {part: part.contribution / total for part in self.parts}

    def areas(self) -> dict[str, float]:
        """Return the shares of nine areas of a picture's crop, by their names."""
        height, width = self.crop.pixels.shape[:2]
        totals = {_area(column, row): 0.0 for row in range(3) for column in range(3)}
        for part, share in self.shares.items():
            x, y = (sum(part.where[side::2]) / 2 for side in (0, 1))  # of its middle
            column, row = 3 * x // width, 3 * y // height
            totals[_area(int(column), int(row))] += share
        return totals

    @property
    def ranked_parts(self) -> list[Part]:
        """The parts, from the highest contribution to the lowest."""
        return sorted(self.parts, key=lambda part: -part.contribution)


@dataclass(frozen=True, slots=True, eq=False)
class Explanation(Presentable):
    """The contributions of both samples. A sample of one piece contributes the whole score.

    Examples:
        >>> explanation = ws.explain("questions", "How do I log in?", "Where do I log in?")
        >>> [part.text for part in explanation.right.parts]
        ['Where', 'do', 'I', 'log', 'in?']
    """

    score: float  # cosine in [-1, 1]
    left: ExplainedSample
    right: ExplainedSample
    verification: Verification | None = None  # of the two samples; None if there is no threshold
    nouns: Nouns = OTHERS  # for identities

    def __repr__(self) -> str:
        """The verdict in short: `<Explanation of a.jpg and b.jpg: same person>`."""
        left, right = (sources.shorten(side.source) for side in (self.left, self.right))
        return f"<Explanation of {left} and {right}: {self.lines[0]}>"

    @property
    def lines(self) -> tuple[str, str]:
        """The verdict for people, and then the score and where its threshold comes from."""
        if self.verification is None:
            detail = describe_score("cosine", self.score, None, None, self.nouns)
            return "no verdict", detail
        verdict = self.verification.verdict
        words = describe_pair(verdict.decision, self.nouns, verdict.probability)
        if verdict.objection:
            return words, f"{verdict.objection.reason} (score {self.score:.3f})"
        scale, limits = self.verification.decided_by, (verdict.threshold, verdict.different_below)
        score = self.verification.deciding_score
        detail = describe_score(scale, self.score if score is None else score, *limits, self.nouns)
        if scale != "cosine":
            detail += f"; the parts explain the cosine, {self.score:.3f}"
        return words, detail


def explain(
    pipeline: Pipeline,
    a: Source,
    b: Source,
    *,
    choose: Chooser = region_choosers.largest_region,
    basis: Basis | None = None,
    progress: Progress = ignore_progress,
) -> Explanation:
    """Measure what the cosine to the whole of one sample loses without each piece of the other.

    Pieces of a picture are cells of a grid, hidden in overlapping windows; of a sound, segments; of
    a text, words: see siamkit.flows.occlusion. A piece without which nothing is left to embed
    contributes the whole score. choose: the region of `b`. basis: a gallery's calibration and
    default threshold; None for the encoder's own. Raises UnreadableSample or NothingFound
    for a sample that cannot be used, BadInput for one that cannot be split, each naming it.
    """
    sample_a = batches.embed_one(pipeline, pipeline.read(a), region_choosers.largest_region)
    sample_b = batches.embed_one(pipeline, pipeline.read(b), choose)
    samples = [(sample, sample.regions[0]) for sample in (sample_a, sample_b)]
    split = [_split(sample, region) for sample, region in samples]
    left, right = (region.vector for _, region in samples)
    score = float(left @ right)
    total = sum(len(pieces.windows) for pieces in split)
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        progress("hiding parts", done, total)

    explained = []
    for (sample, region), pieces, other in zip(samples, split, (right, left), strict=True):
        vectors = _embed_without_each(pipeline, sample.name, pieces, advance)
        parts = _parts(pieces, pieces.contributions(score, vectors @ other), region)
        facts = region.region, region.quality, sample.region_count, region.crop
        explained.append(ExplainedSample(sample.name, *facts, parts))
    verification = _verify(pipeline, basis, sample_a, sample_b)
    left_sample, right_sample = explained
    nouns = nouns_of(pipeline.modality)
    return Explanation(score, left_sample, right_sample, verification, nouns)


def _verify(
    pipeline: Pipeline, basis: Basis | None, a: EmbeddedSource, b: EmbeddedSource
) -> Verification | None:
    """Decide on two samples as `verify_pair` does; None if no threshold is known."""
    try:
        comparison = open_comparison(pipeline, DEFAULT_RULE, basis)
    except Uncalibrated:
        return None
    return comparison.compare(a, b)


def _split(sample: EmbeddedSource, region: EmbeddedRegion) -> Pieces:
    try:
        return occlusion.split(region.crop)
    except BadInput as error:
        raise region_choosers.name_sample(sources.shorten(sample.name), error) from error


def _embed_without_each(
    pipeline: Pipeline, name: str, pieces: Pieces, advance: Callable[[int], None]
) -> Vectors:
    """Return (w, dim) vectors of the sample without each window; zeros if nothing is left."""
    import numpy as np

    vectors = np.zeros((len(pieces.windows), pipeline.encoder.dim), dtype=np.float32)
    if len(pieces.places) == 1:  # nothing is left without it
        return vectors
    for start in range(0, len(vectors), pieces.batch):
        masks = pieces.windows[start : start + pieces.batch]
        media = [pieces.hide(mask) for mask in masks]
        vectors[start : start + len(media)] = _embed_media(pipeline, name, media)
        advance(len(media))
    return vectors


def _embed_media(pipeline: Pipeline, name: str, media: Sequence[Any]) -> Vectors:
    """As Pipeline.embed, but a medium in which nothing is found gives zeros."""
    import numpy as np

    try:
        vectors, usable = pipeline.embed(media)
    except NothingFound:
        if len(media) == 1:
            return np.zeros((1, pipeline.encoder.dim), dtype=np.float32)
        return np.concatenate([_embed_media(pipeline, name, [medium]) for medium in media])
    if not usable.all():
        raise region_choosers.name_sample(
            f"{sources.shorten(name)} with a part hidden", pipeline.row_error(vectors[~usable][0])
        )
    return vectors


def _parts(
    pieces: Pieces, contributions: NDArray[np.float64], compared: EmbeddedRegion
) -> tuple[Part, ...]:
    crop, region = compared.crop, compared.region
    return tuple(
        Part(
            where,
            float(contribution),
            text=crop[int(where[0]) : int(where[1])] if isinstance(crop, str) else "",
            in_recording=_in_recording(region, crop, where) if isinstance(crop, Clip) else None,
        )
        for where, contribution in zip(pieces.places, contributions, strict=True)
    )


def _in_recording(region: Region, crop: Clip, where: Place) -> Span | None:
    """Map a span of a crop to the recording; None unless the crop is the region's parts in a row.

    A span across a pause begins before the pause and ends after it.
    """
    spans = regions.spans(region, crop.seconds)
    if abs(sum(stop - start for start, stop in spans) - crop.seconds) > TOLERANCE:
        return None
    crop_start, crop_stop = float(where[0]), float(where[1])
    begin = end = None
    before = 0.0  # s of the crop before this span
    for start, stop in spans:
        after = before + stop - start
        if begin is None and crop_start < after:
            begin = start + crop_start - before
        if end is None and crop_stop <= after + TOLERANCE:
            end = min(stop, start + crop_stop - before)
        before = after
    return None if begin is None or end is None else (begin, end)
