"""Diarise: tell apart the speakers of a recording of any length, whoever they are.

After H. Bredin, "pyannote.audio 2.1 speaker diarization pipeline", Interspeech 2023: windows are
separated into speakers, whose pieces are embedded and clustered; where windows overlap, they vote.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamkit.embed.pipeline import Pipeline
from siamkit.errors import NothingFound
from siamkit.host import registry
from siamkit.io import sources
from siamkit.io.sources import Content
from siamkit.protocols import Separates, Streams
from siamkit.sdk.sound import find_runs
from siamkit.types import Clip, Progress, Region, Span, Vectors, ignore_progress

WINDOW, STEP = 10.0, 2.5  # s that are heard at once, and from one window to the next
FRAME = 0.02  # s, the grid on which windows vote
PIECE = 4.0  # s, at most, that are embedded at once
GAP = 0.2  # s of silence at which a piece ends
LEAST = 0.3  # s alone that are embedded without what others say at the same time
DOUBLED = 0.7  # of the time that either of two speaks, they speak at once: they are one
JOIN = 1.0  # s of silence, at most, within one turn
SHORTEST = 0.1  # s of a turn
# Chosen on half of the development speakers, and measured on the other: docs/voices.md.
CLUSTERED = 1.5  # s that a voice says alone, at least, to be clustered; others join the nearest
APART = 0.65  # cosine distance at which two clusters are two speakers
OTHER = 0.3  # more of it between two speakers of one window
SMALLEST = 2.0  # s that a speaker says alone, in all windows; most moments are in four of them
MOST = 2_000  # voices clustered, of a longer recording evenly spread: they take 80 MB


@dataclass(frozen=True, slots=True, eq=False)
class Voice:
    """Some seconds of one speaker in one window."""

    window: int
    speaker: int  # of the window
    is_heard: NDArray[np.bool_]  # (frames of a window,)
    seconds: float  # of them alone
    vector: Vectors  # (dim,) of norm 1


@dataclass(frozen=True, slots=True, eq=False)
class Speaker:
    """One speaker of a recording."""

    spans: list[Span]  # s of the recording, in order; those of two speakers may overlap
    vector: Vectors  # (dim,) of norm 1


def diarise(
    pipeline: Pipeline,
    clips: Iterator[Clip],
    content: Content,
    *,
    speakers: int | None = None,
    progress: Progress = ignore_progress,
) -> tuple[list[Speaker], float]:
    """Return the speakers in the order of their first words, and the seconds of the recording.

    clips: the recording in pieces. speakers: how many there are, None if unknown. Progress counts
    seconds. An empty list if nobody speaks.
    """
    voices, seconds = hear(pipeline, clips, content, progress)
    return group(voices, seconds, speakers), seconds


def count_speakers(pipeline: Pipeline, source: Path) -> int:
    """Return how many people speak in a recording; 1 if a modality cannot tell, or nobody does.

    They are counted only if two are heard within a window: most recordings have one speaker.
    """
    modality = pipeline.modality
    if not isinstance(modality, Separates) or not isinstance(modality, Streams):
        return 1
    content = Content(sources.to_text(source), b"")

    def clips() -> Iterator[Clip]:
        return pipeline.stream(source, content)

    if all(len(separate(pipeline, window)) < 2 for window in _windows(clips())):
        return 1
    return max(1, len(diarise(pipeline, clips(), content)[0]))


def hear(
    pipeline: Pipeline, clips: Iterator[Clip], content: Content, progress: Progress
) -> tuple[list[Voice], float]:
    """Separate and embed the voices of each window."""
    voices: list[Voice] = []
    end = 0.0
    for number, clip in enumerate(_windows(clips)):
        end = number * STEP + clip.seconds
        voices += _hear_window(pipeline, clip, content, number)
        progress("listening (s)", round(end), 0)
    return voices, end


def _hear_window(pipeline: Pipeline, clip: Clip, content: Content, number: int) -> list[Voice]:
    """Return the voices of one window; one that is nothing but zeros is none."""
    heard = _merge_doubles([_to_frames(spans) for spans in separate(pipeline, clip)])
    is_single = np.sum(heard, axis=0) == 1
    crops, voices = [], []
    for speaker, is_heard in enumerate(heard):
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


def _merge_doubles(heard: list[NDArray[np.bool_]]) -> list[NDArray[np.bool_]]:
    """Count two who nearly always speak at once as one: some voices are heard as two."""
    merged: list[NDArray[np.bool_]] = []
    for row in heard:
        for number, other in enumerate(merged):
            if (row & other).sum() >= DOUBLED * (row | other).sum():
                merged[number] = row | other
                break
        else:
            merged.append(row)
    return merged


def _units(is_heard: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    """Split a speaker's stretches at pauses, and long ones into pieces of up to PIECE."""
    for start, stop in merge(_to_spans(is_heard), GAP):
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
    return [each for each in spans if each]


def _windows(clips: Iterator[Clip]) -> Iterator[Clip]:
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
    heard = (WINDOW - STEP) * rate if count else 0  # by the window before
    if len(buffer) > heard:
        yield Clip(buffer, rate)


def _to_frames(spans: Sequence[Span]) -> NDArray[np.bool_]:
    is_heard = np.zeros(round(WINDOW / FRAME), dtype=bool)
    for start, stop in spans:
        is_heard[round(start / FRAME) : round(stop / FRAME)] = True
    return is_heard


def _to_region(is_heard: NDArray[np.bool_]) -> Region:
    parts = tuple(_to_spans(is_heard))
    return Region(where=(parts[0][0], parts[-1][1]), parts=parts)


def _to_spans(is_heard: NDArray[np.bool_]) -> list[Span]:
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


def group(voices: Sequence[Voice], seconds: float, speakers: int | None) -> list[Speaker]:
    """Cluster the voices of a recording, and let its windows vote on who is heard when."""
    if not voices:
        return []
    centres = find_centres(voices, speakers)
    owners = (np.stack([voice.vector for voice in voices]) @ centres.T).argmax(axis=1)
    is_heard = _vote(voices, owners, len(centres), seconds)
    is_silent: NDArray[np.bool_] = np.logical_not(is_heard.any(axis=0))
    found = [
        Speaker(spans, centre)
        for row, centre in zip(is_heard, centres, strict=True)
        if (spans := _join(row, is_silent))
    ]
    return sorted(found, key=lambda speaker: speaker.spans[0])


def find_centres(voices: Sequence[Voice], speakers: int | None) -> Vectors:
    """Return one unit vector a speaker: (k, dim)."""
    from scipy.cluster.hierarchy import fcluster, linkage

    longest = max(voice.seconds for voice in voices)
    usable = [voice for voice in voices if voice.seconds >= min(CLUSTERED, longest)]
    # Every moment is heard in several windows, so a part of the voices has all speakers.
    every = ceil(len(usable) / MOST)
    usable = usable[::every]
    vectors = np.stack([voice.vector for voice in usable])
    if len(usable) == 1:
        return vectors
    lengths = every * np.array([voice.seconds for voice in usable])
    tree = linkage(_distances(usable, vectors), "average")

    def cut(level: float) -> list[NDArray[np.bool_]]:
        """Return the clusters at a distance that say enough to be speakers; at least one."""
        labels = fcluster(tree, level, "distance")
        clusters = [labels == label for label in np.unique(labels)]
        large = [members for members in clusters if lengths[members].sum() >= SMALLEST]
        return large or [max(clusters, key=lambda members: float(lengths[members].sum()))]

    clusters = cut(APART)
    if speakers is not None:
        # The largest distance at which so many are large, where the most are merged.
        levels = sorted({0.0, *tree[:, 2].tolist()}, reverse=True)
        fitting = (cut(level) for level in levels)
        labels = fcluster(tree, speakers, "maxclust")
        by_number = [labels == label for label in np.unique(labels)]
        clusters = next((each for each in fitting if len(each) == speakers), by_number)
    sums = np.stack([(vectors * lengths[:, None])[members].sum(axis=0) for members in clusters])
    centres: Vectors = (sums / np.linalg.norm(sums, axis=1, keepdims=True)).astype(np.float32)
    return centres


def _distances(voices: Sequence[Voice], vectors: Vectors) -> NDArray[np.float32]:
    """Return the cosine distance of each pair, in scipy's order, and OTHER where it is due."""
    rows, columns = np.triu_indices(len(voices), k=1)
    windows = np.array([voice.window for voice in voices])
    speakers = np.array([voice.speaker for voice in voices])
    is_other = (windows[rows] == windows[columns]) & (speakers[rows] != speakers[columns])
    distances = 1 - (vectors @ vectors.T)[rows, columns] + OTHER * is_other
    positive: NDArray[np.float32] = np.maximum(distances, 0).astype(np.float32)  # but for rounding
    return positive


def _vote(
    voices: Sequence[Voice], owners: NDArray[np.int64], count: int, seconds: float
) -> NDArray[np.bool_]:
    """Return (count, frames): as many as the windows hear at a time, those heard by most."""
    size, step = round(WINDOW / FRAME), round(STEP / FRAME)
    count_windows = 1 + max(0, ceil((seconds - WINDOW) / STEP))
    frames = (count_windows - 1) * step + size
    weights = np.hamming(size)
    votes, at_once, total = np.zeros((count, frames)), np.zeros(frames), np.full(frames, 1e-9)
    for window in range(count_windows):
        total[window * step : window * step + size] += weights
    for voice, owner in zip(voices, owners, strict=True):
        at = slice(voice.window * step, voice.window * step + size)
        votes[owner, at] += voice.is_heard * weights
        at_once[at] += voice.is_heard * weights
    at_once = np.rint(at_once / total)
    rank = (-votes).argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    is_heard: NDArray[np.bool_] = (rank < at_once) & (votes > 0)
    return is_heard


def _join(is_heard: NDArray[np.bool_], is_silent: NDArray[np.bool_]) -> list[Span]:
    """Return a speaker's turns: joined over short silence, and none shorter than SHORTEST."""
    joined = is_heard.copy()
    for start, stop in find_runs(is_silent).tolist():
        around = is_heard[max(0, start - 1) : start].any() and is_heard[stop : stop + 1].any()
        if around and (stop - start) * FRAME <= JOIN:
            joined[start:stop] = True
    spans = _to_spans(joined)
    return [(start, stop) for start, stop in spans if stop - start >= SHORTEST]
