"""Timeline: which enrolled identities speak when, in a recording of any length.

It names the enrolled; everybody else is `unknown`. It does not tell unknown speakers apart, as
diarisation does, and where several speak at once it names one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from siamkit.embed.pipeline import Pipeline
from siamkit.errors import BadInput, NothingFound, StoreError, Uncalibrated
from siamkit.flows.decide import DEFAULT_RULE, DecisionRule
from siamkit.flows.nearest import find_nearest
from siamkit.io import sources
from siamkit.io.sources import Content
from siamkit.protocols import Streams
from siamkit.sdk.regions import spans
from siamkit.stats.scoring import Fusion, fusion_of, mated_cosine_of
from siamkit.store import galleries
from siamkit.store.live_index import LiveIndex
from siamkit.types import Clip, Progress, Region, Span, Threshold, ignore_progress

WINDOW = 3.0  # s of speech that are compared at once
STEP = 1.0  # s from one window to the next
ENOUGH = 2.5  # s of speech without a pause that are compared alone
MARGIN = 3.0  # s of either neighbour that a block is heard with
JOIN = 0.5  # s of silence, at most, within one turn


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch of speech of one identity, or of unknown speakers, pauses up to JOIN included."""

    start: float  # s
    stop: float
    identity: str | None  # None if unknown
    score: float  # cosine to the nearest identity, averaged over the stretch


@dataclass(frozen=True, slots=True)
class Timeline:
    """The turns of one recording."""

    source: str
    seconds: float  # of the recording
    turns: list[Turn]  # in order; nobody speaks between them
    threshold: Threshold

    def spoken(self) -> dict[str | None, float]:
        """Return the seconds of speech by identity, None for unknown; the longest first."""
        total: dict[str | None, float] = {}
        for turn in self.turns:
            total[turn.identity] = total.get(turn.identity, 0) + turn.stop - turn.start
        return dict(sorted(total.items(), key=lambda pair: -pair[1]))


def timeline(
    live: LiveIndex,
    pipeline: Pipeline,
    source: Path,
    *,
    rule: DecisionRule = DEFAULT_RULE,
    fusion: Fusion | None = None,
    progress: Progress = ignore_progress,
) -> Timeline:
    """Compare every WINDOW of speech with the gallery, a minute of the recording at a time.

    Progress counts seconds. Raises BadInput if the modality is not a sound or has no detector, or
    for a rule with more than a threshold; Uncalibrated without a threshold, NothingFound if nobody
    speaks.
    """
    threshold = _require_threshold(live, pipeline, rule)
    fusion = fusion or fusion_of(pipeline.modality)
    mated_cosine = mated_cosine_of(pipeline.encoder)
    content = Content(sources.to_text(source), b"")
    sources.require_file(source)
    turns: list[Turn] = []
    end = 0.0
    for piece in _pieces(pipeline, source, content):
        end = piece.begin + piece.stop
        if cells := list(_cells(pipeline, piece, content)):
            windows = [_window(cell, speech) for cell, speech in cells]
            crops = [pipeline.crop(piece.clip, window, content) for window in windows]
            vectors, valid = pipeline.embed(crops)
            if not valid.all():
                raise pipeline.row_error(vectors[~valid][0])
            rows = find_nearest(live, vectors, 1, fusion, mated_cosine)
            for (cell, _), matches in zip(cells, rows, strict=True):
                best = matches[0] if matches else None
                score = best.score if best else -1.0
                identity = best.identity if best and score >= threshold.value else None
                start, stop = piece.begin + cell[0], piece.begin + cell[1]
                _append(turns, Turn(start, stop, identity, score))
        progress("listening (s)", round(end), 0)
    if not turns:
        raise NothingFound(f"{content.name}: nobody speaks in its {end:.0f} s")
    rounded = [
        replace(turn, start=round(turn.start, 2), stop=round(turn.stop, 2)) for turn in turns
    ]
    return Timeline(content.name, round(end, 2), rounded, threshold)


def _require_threshold(live: LiveIndex, pipeline: Pipeline, rule: DecisionRule) -> Threshold:
    """Return the threshold; raise whatever stands in the way of a timeline."""
    rule.refuse("a timeline", "fmr", "fpir", "reranker")
    galleries.require_space(live.gallery, pipeline.encoder.fingerprint)
    name = live.gallery.name
    if not isinstance(pipeline.modality, Streams):
        raise BadInput(
            f"modality {pipeline.modality.name!r} of gallery {name!r} does not support timelines"
        )
    if pipeline.detector is None:
        raise BadInput(
            f"gallery {name!r} has no detector, so it cannot tell where somebody speaks",
            hint="create a gallery without `--detector none`",
        )
    if not len(live):
        raise StoreError(
            f"nobody is enrolled in gallery {name!r}",
            hint=f"run `siamkit enrol {name} FILE --as LABEL`",
        )
    threshold = rule.fixed or live.gallery.threshold
    if threshold is None:
        raise Uncalibrated(
            f"gallery {name} has no default threshold", hint="give one: `--threshold 0.5`"
        )
    return threshold


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """A clip of the recording; its middle is analysed, and the margins give context."""

    clip: Clip
    begin: float  # s of the recording at which the clip begins
    start: float  # s of the clip at which the middle begins
    stop: float


def _pieces(pipeline: Pipeline, source: Path, content: Content) -> Iterator[_Piece]:
    """Yield the blocks of a recording, each with MARGIN of its neighbours on either side."""
    begin, clip = 0.0, None
    for block in pipeline.stream(source, content):
        if clip is None:
            clip = block
            continue
        joined = Clip(np.concatenate([clip.samples, block.samples]), clip.rate)
        size = len(clip.samples) + min(round(MARGIN * clip.rate), len(block.samples))
        first = MARGIN if begin else 0.0
        yield _Piece(Clip(joined.samples[:size], clip.rate), begin, first, clip.seconds)
        dropped = max(0, len(clip.samples) - round(MARGIN * clip.rate))
        begin += dropped / clip.rate
        clip = Clip(joined.samples[dropped:], clip.rate)
    if clip is not None:
        yield _Piece(clip, begin, MARGIN if begin else 0.0, clip.seconds)


def _cells(
    pipeline: Pipeline, piece: _Piece, content: Content
) -> Iterator[tuple[Span, list[Span]]]:
    """Yield stretches of speech of about STEP, each with all the speech of its clip."""
    clip = piece.clip
    regions = pipeline.find_regions(clip, content)
    speech: list[Span] = [span for region in regions for span in spans(region, clip.seconds)]
    for span in speech:
        start, stop = max(span[0], piece.start), min(span[1], piece.stop)
        if start < stop:
            count = max(1, round((stop - start) / STEP))
            edges = [start + (stop - start) * number / count for number in range(count + 1)]
            for cell in pairwise(edges):
                yield cell, speech


def _window(cell: Span, speech: list[Span]) -> Region:
    """Return WINDOW of the speech around a cell, within the cell's stretch if that is ENOUGH.

    Turns mostly change at pauses, so a window is shifted rather than cross one.
    """
    middle = (cell[0] + cell[1]) / 2
    stretch = next(span for span in speech if span[0] <= middle < span[1])
    if stretch[1] - stretch[0] >= ENOUGH:
        first = min(max(stretch[0], middle - WINDOW / 2), max(stretch[0], stretch[1] - WINDOW))
        part = (first, min(stretch[1], first + WINDOW))
        return Region(where=part, parts=(part,))
    first, last = min(stretch[0], middle - WINDOW / 2), max(stretch[1], middle + WINDOW / 2)
    parts = tuple(
        (max(start, first), min(stop, last))
        for start, stop in speech
        if start < last and stop > first
    )
    return Region(where=(parts[0][0], parts[-1][1]), parts=parts)


def _append(turns: list[Turn], new: Turn) -> None:
    """Add a turn, or extend the last one if the same identity keeps speaking."""
    last = turns[-1] if turns else None
    if last is None or last.identity != new.identity or new.start - last.stop > JOIN:
        turns.append(new)
        return
    last_length, new_length = last.stop - last.start, new.stop - new.start
    score = (last.score * last_length + new.score * new_length) / (last_length + new_length)
    turns[-1] = replace(last, stop=new.stop, score=score)
