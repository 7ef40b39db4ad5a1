"""Timeline: who of a gallery is heard when in a recording of any length.

It names the enrolled; everybody else is one `unknown`. It does not tell unknown speakers apart, as
diarisation does, and where several speak at once it names one.
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
from siamkit.flows.nearest import nearest
from siamkit.io import sources
from siamkit.io.sources import Content
from siamkit.protocols import Streams
from siamkit.sdk.regions import spans
from siamkit.stats.scoring import Fusion, fusion_of, mated_cosine_of
from siamkit.store import galleries
from siamkit.store.live_index import LiveIndex
from siamkit.types import Clip, Progress, Region, Span, Threshold, ignore_progress

WINDOW, STEP = 3.0, 1.0  # s that are compared at once, and for how many of them that counts
ENOUGH = 2.5  # s of speech without a pause that are compared by themselves
MARGIN = 3.0  # s: what a block is heard with of its neighbours
JOIN = 0.5  # s of silence that do not part what one speaker says


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch of speech, pauses up to JOIN included, of one identity or of nobody enrolled."""

    start: float  # s
    stop: float
    identity: str | None  # None: unknown
    score: float  # of the nearest identity, the mean over the stretch


@dataclass(frozen=True, slots=True)
class Timeline:
    source: str
    seconds: float  # of the recording
    turns: list[Turn]  # in order; between them nobody speaks
    threshold: Threshold

    def spoken(self) -> dict[str | None, float]:
        """Seconds by identity, None for unknown; the longest first."""
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

    Progress counts seconds. Raises BadInput if the modality is no sound or
    has no detector, Uncalibrated without a threshold, NothingFound if nobody speaks.
    """
    rule.refuse("a timeline", "fmr", "fpir", "reranker")
    galleries.require_space(live.gallery, pipeline.encoder.fingerprint)
    name = live.gallery.name
    if not isinstance(pipeline.modality, Streams):
        raise BadInput(
            f"gallery {name!r} holds {pipeline.modality.name}, and a timeline is for sounds that"
            " a plugin reads piece by piece: it has no method stream"
        )
    if pipeline.detector is None:
        raise BadInput(
            f"gallery {name!r} has no detector, so it is not known where somebody speaks",
            hint="make a gallery without --detector none",
        )
    if not len(live.index):
        raise StoreError(f"nobody is enrolled in gallery {name!r}", hint="siamkit enrol")
    threshold = rule.fixed or live.gallery.threshold
    if threshold is None:
        raise Uncalibrated(
            f"gallery {name} has no default threshold",
            hint="give one: --threshold 0.5",
        )
    fusion = fusion or fusion_of(pipeline.modality)
    content = Content(sources.to_text(source), b"")
    sources.require_file(source)
    turns: list[Turn] = []
    end = 0.0
    for piece in _pieces(pipeline, source, content):
        end = piece.begin + piece.stop
        if cells := list(_cells(pipeline, piece, content)):
            crops = [
                pipeline.crop(piece.clip, _window(cell, heard), content) for cell, heard in cells
            ]
            vectors, good = pipeline.embed(crops)
            if not good.all():
                raise pipeline.row_error(vectors[~good][0])
            found = nearest(live, vectors, 1, fusion, mated_cosine_of(pipeline.encoder))
            for (cell, _), matches in zip(cells, found, strict=True):
                best = matches[0] if matches else None
                score = best.score if best else -1.0
                known = best.identity if best and score >= threshold.value else None
                _append(turns, Turn(piece.begin + cell[0], piece.begin + cell[1], known, score))
        progress("listening (s)", round(end), 0)
    if not turns:
        raise NothingFound(f"{content.name}: nobody speaks in its {end:.0f} s")
    rounded = [
        replace(turn, start=round(turn.start, 2), stop=round(turn.stop, 2)) for turn in turns
    ]
    return Timeline(content.name, round(end, 2), rounded, threshold)


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """A clip of the recording, of which the middle counts; the rest is there to hear it by."""

    clip: Clip
    begin: float  # s of the recording at which the clip begins
    start: float  # s of the clip
    stop: float


def _pieces(pipeline: Pipeline, source: Path, content: Content) -> Iterator[_Piece]:
    """The blocks of a recording, each with MARGIN of its neighbours on either side."""
    begin, clip = 0.0, None
    for block in pipeline.stream(source, content):
        if clip is None:
            clip = block
            continue
        joined = Clip(np.concatenate([clip.samples, block.samples]), clip.rate)
        size = len(clip.samples) + min(round(MARGIN * clip.rate), len(block.samples))
        first = MARGIN if begin else 0.0
        yield _Piece(Clip(joined.samples[:size], clip.rate), begin, first, clip.seconds)
        kept = max(0, len(clip.samples) - round(MARGIN * clip.rate))
        begin += kept / clip.rate
        clip = Clip(joined.samples[kept:], clip.rate)
    if clip is not None:
        yield _Piece(clip, begin, MARGIN if begin else 0.0, clip.seconds)


def _cells(
    pipeline: Pipeline, piece: _Piece, content: Content
) -> Iterator[tuple[Span, list[Span]]]:
    """Stretches of speech of about STEP, each with all the speech of its clip."""
    clip = piece.clip
    found = pipeline.find_regions(clip, content)
    heard: list[Span] = [span for region in found for span in spans(region, clip.seconds)]
    for span in heard:
        start, stop = max(span[0], piece.start), min(span[1], piece.stop)
        if start < stop:
            count = max(1, round((stop - start) / STEP))
            edges = [start + (stop - start) * number / count for number in range(count + 1)]
            for cell in pairwise(edges):
                yield cell, heard


def _window(cell: Span, heard: list[Span]) -> Region:
    """WINDOW of the speech around a cell, of its own stretch if that is ENOUGH.

    Whoever takes a turn mostly does so at a pause, so a window rather moves than crosses one.
    """
    middle = (cell[0] + cell[1]) / 2
    own = next(span for span in heard if span[0] <= middle < span[1])
    if own[1] - own[0] >= ENOUGH:
        first = min(max(own[0], middle - WINDOW / 2), max(own[0], own[1] - WINDOW))
        part = (first, min(own[1], first + WINDOW))
        return Region(where=part, parts=(part,))
    first, last = min(own[0], middle - WINDOW / 2), max(own[1], middle + WINDOW / 2)
    parts = tuple(
        (max(start, first), min(stop, last))
        for start, stop in heard
        if start < last and stop > first
    )
    return Region(where=(parts[0][0], parts[-1][1]), parts=parts)


def _append(turns: list[Turn], new: Turn) -> None:
    """Add a turn, or let the last one go on if the same identity speaks."""
    last = turns[-1] if turns else None
    if last is None or last.identity != new.identity or new.start - last.stop > JOIN:
        turns.append(new)
        return
    lasted, lasts = last.stop - last.start, new.stop - new.start
    score = (last.score * lasted + new.score * lasts) / (lasted + lasts)
    turns[-1] = replace(last, stop=new.stop, score=score)
