"""Diarise: tell apart the speakers of a recording of any length, whoever they are.

After H. Bredin, "pyannote.audio 2.1 speaker diarization pipeline", Interspeech 2023: windows are
separated into speakers, whose pieces are embedded and clustered; where windows overlap, they vote.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamkit.embed.pipeline import Pipeline
from siamkit.flows.voices import (
    FRAME,
    STEP,
    WINDOW,
    Voice,
    cut_windows,
    hear,
    hear_window,
    separate,
    to_spans,
)
from siamkit.io import sources
from siamkit.io.sources import Content
from siamkit.protocols import Separates, Streams
from siamkit.sdk.sound import find_runs
from siamkit.types import Clip, Progress, Span, Vectors, ignore_progress

JOIN = 1.0  # s of silence, at most, within one turn
SHORTEST = 0.1  # s of a turn
# Chosen on half of the development speakers, and measured on the other: docs/voices.md.
CLUSTERED = 1.5  # s that a voice says alone, at least, to be clustered; others join the nearest
APART = 0.65  # cosine distance at which two clusters are two speakers
OTHER = 0.3  # more of it between two speakers of one window
SMALLEST = 2.0  # s that a speaker says alone, in all windows; most moments are in four of them
SAMPLED = 12  # windows, at least, in which speakers are only counted: 50 ms each
MOST = 2_000  # voices clustered, of a longer recording evenly spread: they take 80 MB


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

    They are counted only if two are heard within a window: most recordings have one speaker. Of a
    long recording, up to 2 * SAMPLED windows are heard, so it may have more speakers.
    """
    modality = pipeline.modality
    if not isinstance(modality, Separates) or not isinstance(modality, Streams):
        return 1
    content = Content(sources.to_text(source), b"")
    windows = _spread(cut_windows(pipeline.stream(source, content)))
    if all(len(separate(pipeline, window)) < 2 for window in windows):
        return 1
    voices = [
        voice
        for number, window in enumerate(windows)
        for voice in hear_window(pipeline, window, content, number)
    ]
    return len(find_centres(voices, None)) if voices else 1


def _spread(windows: Iterator[Clip]) -> list[Clip]:
    """Return up to 2 * SAMPLED windows of a recording, evenly spread over it."""
    spread: list[Clip] = []
    stride = 1
    for number, window in enumerate(windows):
        if number % stride == 0:
            spread.append(window)
        if len(spread) > 2 * SAMPLED:
            spread, stride = spread[::2], 2 * stride
    return spread


def group(voices: Sequence[Voice], seconds: float, speakers: int | None) -> list[Speaker]:
    """Cluster the voices of a recording, and let its windows vote on who is heard when."""
    if not voices:
        return []
    centres = find_centres(voices, speakers)
    owners = (np.stack([voice.vector for voice in voices]) @ centres.T).argmax(axis=1)
    is_heard = _vote(voices, owners, len(centres), seconds)
    is_silent: NDArray[np.bool_] = np.logical_not(is_heard.any(axis=0))
    clusters = [
        Speaker(spans, centre)
        for row, centre in zip(is_heard, centres, strict=True)
        if (spans := _join(row, is_silent))
    ]
    return sorted(clusters, key=lambda speaker: speaker.spans[0])


def find_centres(voices: Sequence[Voice], speakers: int | None) -> Vectors:
    """Return one unit vector a speaker: (k, dim)."""
    from scipy.cluster.hierarchy import fcluster, linkage

    longest = max(voice.seconds for voice in voices)
    usable = [voice for voice in voices if voice.seconds >= min(CLUSTERED, longest)]
    # Every moment is heard in several windows, so a part of the voices has all speakers.
    stride = ceil(len(usable) / MOST)
    usable = usable[::stride]
    vectors = np.stack([voice.vector for voice in usable])
    if len(usable) == 1:
        return vectors
    lengths = stride * np.array([voice.seconds for voice in usable])
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
        clusters = next((groups for groups in fitting if len(groups) == speakers), by_number)
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
    spans = to_spans(joined)
    return [(start, stop) for start, stop in spans if stop - start >= SHORTEST]
