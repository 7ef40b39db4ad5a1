"""Measure how well the speakers of a meeting are told apart, beside naive windows.

    python benchmarks/diarisation.py DATA [--half 0|1] [--meetings N] [--noise DB] [--naive]

Needs: pip install pyannote.metrics. Meetings of 2 to 6 LibriSpeech speakers of one half of DATA are
made by `meetings.py`: turns of up to 8 s, gaps of up to 1.5 s, about 10 % of the speech at once.
The constants of siamkit.flows.diarise and voices were chosen on half 0; half 1 has other speakers.

DER: the diarisation error rate of pyannote.metrics, overlaps counted, without a collar and with one
of 0.25 s on either side; then its parts without: missed, false alarm, confusion. `speakers right`:
the meetings in which their number was. --naive: windows of 1.5 s, every 0.75 s, of the speech that
Silero VAD finds, clustered at a cosine distance of --apart, which was not tuned.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import meetings
import numpy as np
from pyannote.core import Annotation, Segment
from pyannote.metrics.diarization import DiarizationErrorRate
from scipy.cluster.hierarchy import fcluster, linkage

from siamkit.embed.pipeline import Pipeline, open_pipeline
from siamkit.flows.diarise import Speaker, group
from siamkit.flows.voices import hear
from siamkit.io.sources import Content
from siamkit.sdk.regions import spans
from siamkit.types import Clip, Region, ignore_progress

COLLARS = (0.0, 0.5)  # s around each boundary, half of it on either side
WINDOW, STEP = 1.5, 0.75  # s, naive
NAIVE_APART = 0.8  # cosine distance of naive clusters
PARTS = ("missed detection", "false alarm", "confusion")
NOTHING = Content("", b"")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--half", type=int, choices=(0, 1), default=1)
    parser.add_argument("--meetings", type=int, default=20)
    parser.add_argument("--noise", type=float, help="dB of pink noise below the speech")
    parser.add_argument("--naive", action="store_true", help="the naive windows beside it")
    parser.add_argument("--apart", type=float, default=NAIVE_APART, help="their distance")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", "'uem' was approximated")
    speakers = meetings.halves(meetings.read_speakers(options.data))[options.half]
    pipeline = open_pipeline("voices", encoder=None, detector="speech")
    tables = {name: Table() for name in ("estimated", "given", *["naive"] * options.naive)}
    seconds, overlaps = 0.0, []
    for number in range(options.meetings):
        count = 2 + number % 5
        meeting = meetings.make(speakers, count, max(10, 3 * count), 1000 * options.half + number)
        overlaps.append(meeting.overlap)
        if options.noise is not None:
            meeting = meetings.add_noise(meeting, options.noise, number)
        clip = Clip(meeting.samples, meetings.RATE)
        seconds += clip.seconds
        voices, length = hear(pipeline, iter([clip]), NOTHING, ignore_progress)
        tables["estimated"].add(meeting, turns_of(group(voices, length, None)), count)
        tables["given"].add(meeting, turns_of(group(voices, length, count)), count)
        if options.naive:
            tables["naive"].add(meeting, list(naive(pipeline, clip, options.apart)), count)
    print(f"{options.meetings} meetings, {seconds:.0f} s, {np.mean(overlaps):.1%} at once")
    for name, table in tables.items():
        print(f"{name:10}{table}")


class Table:
    """Errors of one system over all meetings."""

    def __init__(self) -> None:
        self.metrics = [DiarizationErrorRate(collar=collar) for collar in COLLARS]
        self.rates: list[float] = []
        self.right = 0

    def add(self, meeting: meetings.Meeting, turns: meetings.Spans, count: int) -> None:
        reference, answer = annotation(meeting.spans), annotation(turns)
        rates = [metric(reference, answer) for metric in self.metrics]
        self.rates.append(rates[0])
        self.right += len({name for *_, name in turns}) == count

    def __str__(self) -> str:
        strict, collar = self.metrics
        parts = ", ".join(f"{strict[part] / strict['total']:.1%} {part}" for part in PARTS)
        return (
            f"DER {abs(strict):.1%} ({parts}); with a collar {abs(collar):.1%}; worst meeting"
            f" {max(self.rates):.1%}; speakers right in {self.right} of {len(self.rates)}"
        )


def annotation(turns: Iterable[tuple[float, float, str]]) -> Annotation:
    rows = Annotation()
    for number, (start, stop, name) in enumerate(turns):
        rows[Segment(start, stop), number] = name
    return rows


def turns_of(speakers: Iterable[Speaker]) -> meetings.Spans:
    return [
        (start, stop, str(number))
        for number, speaker in enumerate(speakers)
        for start, stop in speaker.spans
    ]


def naive(pipeline: Pipeline, clip: Clip, apart: float) -> Iterator[tuple[float, float, str]]:
    """Cluster windows of the speech; each speaks for STEP around its middle."""
    windows = []
    for region in pipeline.find_regions(clip, NOTHING):
        for start, stop in spans(region, clip.seconds):
            steps = max(1, round((stop - start) / STEP))
            edges = np.linspace(start, stop, steps + 1)
            windows += list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    middles = [(start + stop) / 2 for start, stop in windows]
    regions = [
        Region(where=(max(0.0, m - WINDOW / 2), min(clip.seconds, m + WINDOW / 2))) for m in middles
    ]
    vectors, _ = pipeline.embed([pipeline.crop(clip, region, NOTHING) for region in regions])
    labels = fcluster(linkage(vectors, "average", metric="cosine"), apart, "distance")
    for (start, stop), label in zip(windows, labels.tolist(), strict=True):
        yield start, stop, str(label)


if __name__ == "__main__":
    main()
