"""Hear the voices of a recording, window by window: separated into speakers, in embedded pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

import numpy as np
from numpy.typing import NDArray

from siamkit.embed.pipeline import Pipeline
from siamkit.errors import NothingFound
from siamkit.host import registry
from siamkit.io.sources import Content
from siamkit.protocols import Separates
from siamkit.sdk.sound import find_runs
from siamkit.types import Clip, Progress, Region, Span, Vectors

WINDOW, STEP = 10.0, 2.5  # s that are heard at once, and from one window to the next
FRAME = 0.02  # s, the grid on which windows vote
PIECE = 4.0  # s, at most, that are embedded at once
GAP = 0.2  # s of silence at which a piece ends
LEAST = 0.3  # s alone that are embedded without what others say at the same time
DOUBLED = 0.7  # of the time that either of two speaks, they speak at once: they are one


@dataclass(frozen=True, slots=True, eq=False)
class Voice:
    """Some seconds of one speaker in one window."""

    window: int
    speaker: int  # of the window
    is_heard: NDArray[np.bool_]  # (frames of a window,)
    seconds: float  # of them alone
    vector: Vectors  # (dim,) of norm 1


def hear(
    pipeline: Pipeline, clips: Iterator[Clip], content: Content, progress: Progress
) -> tuple[list[Voice], float]:
    """Separate and embed the voices of each window."""
    voices: list[Voice] = []
    end = 0.0
    for number, clip in enumerate(cut_windows(clips)):
        end = number * STEP + clip.seconds
        voices += hear_window(pipeline, clip, content, number)
        progress("listening (s)", round(end), 0)
    return voices, end


def hear_window(pipeline: Pipeline, clip: Clip, content: Content, number: int) -> list[Voice]:
    """Return the voices of one window; zeros alone are not a voice."""
    frames = _merge_doubles([_to_frames(spans) for spans in separate(pipeline, clip)])
    is_single = np.sum(frames, axis=0) == 1
    crops, voices = [], []
    for speaker, is_heard in enumerate(frames):
        for unit in _units(is_heard):
            alone = unit & is_single
            with suppress(NothingFound):
                part = alone if alone.sum() * FRAME >= LEAST else unit
                crops.append(pipeline.crop(clip, _to_region(part), content))
                voices.append((speaker, unit, float(alone.sum() * FRAME)))
    if not crops:
        return []
    vectors, valid = pipeline.embed(crops)
    if not valid.all():
        raise pipeline.row_error(vectors[~valid][0])
    return [Voice(number, *voice, vector) for voice, vector in zip(voices, vectors, strict=True)]


def _merge_doubles(frames: list[NDArray[np.bool_]]) -> list[NDArray[np.bool_]]:
    """Count two who nearly always speak at once as one: some voices are heard as two."""
    merged: list[NDArray[np.bool_]] = []
    for row in frames:
        for number, voice in enumerate(merged):
            if (row & voice).sum() >= DOUBLED * (row | voice).sum():
                merged[number] = row | voice
                break
        else:
            merged.append(row)
    return merged


def _units(is_heard: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    """Split a speaker's stretches at pauses, and long ones into pieces of up to PIECE."""
    for start, stop in merge(to_spans(is_heard), GAP):
        count = max(1, ceil((stop - start) / PIECE))
        edges = np.rint(np.linspace(start, stop, count + 1) / FRAME).astype(int)
        for a, b in pairwise(edges):
            unit = np.zeros_like(is_heard)
            unit[a:b] = is_heard[a:b]
            if unit.any():
                yield unit


def separate(pipeline: Pipeline, clip: Clip) -> list[list[Span]]:
    """Return the stretches of each speaker in a clip of up to WINDOW."""
    modality = pipeline.modality
    assert isinstance(modality, Separates)
    with registry.calling(modality, "separate"):
        spans: list[list[Span]] = modality.separate(clip)
    return [turns for turns in spans if turns]


def cut_windows(clips: Iterator[Clip]) -> Iterator[Clip]:
    """Cut a recording into clips of WINDOW, one every STEP; the last may be shorter."""
    buffer, rate, count = np.empty(0, np.float32), 1, 0
    for block in clips:
        rate = block.rate
        size, step = round(WINDOW * rate), round(STEP * rate)
        buffer = np.concatenate([buffer, block.samples])
        while len(buffer) >= size:
            yield Clip(buffer[:size], rate)
            buffer = buffer[step:]
            count += 1
    covered = (WINDOW - STEP) * rate if count else 0  # by the window before
    if len(buffer) > covered:
        yield Clip(buffer, rate)


def _to_frames(spans: Sequence[Span]) -> NDArray[np.bool_]:
    is_heard = np.zeros(round(WINDOW / FRAME), dtype=bool)
    for start, stop in spans:
        is_heard[round(start / FRAME) : round(stop / FRAME)] = True
    return is_heard


def _to_region(is_heard: NDArray[np.bool_]) -> Region:
    parts = tuple(to_spans(is_heard))
    return Region(where=(parts[0][0], parts[-1][1]), parts=parts)


def to_spans(is_heard: NDArray[np.bool_]) -> list[Span]:
    return [(start * FRAME, stop * FRAME) for start, stop in find_runs(is_heard).tolist()]


def merge(spans: Sequence[Span], gap: float = 0.0) -> list[Span]:
    """Return the union of spans, in order; those at most `gap` seconds apart become one."""
    merged: list[Span] = []
    for start, stop in sorted(spans):
        if merged and start - merged[-1][1] <= gap:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged
