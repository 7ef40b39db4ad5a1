"""Measure whether other crops of a clip, or altered copies, tell speakers apart better.

    python benchmarks/voice_crops.py VOICES

A clip's vector is the mean over its crops or copies. Printed: the EER on the listed trials of each
set; a clip in which nothing is found scores below all others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soxr
from voices import cosine, read, split, unit

from siamkit.embed.pipeline import open_pipeline
from siamkit.errors import NothingFound
from siamkit.stats.metrics import eer
from siamkit.types import Clip

RATE = 16_000
Samples = np.ndarray  # (n,) float32 at RATE
SETS = ("emodb", "fsdd", "librispeech_segments")


def cut(samples: Samples, seconds: float) -> Sequence[Samples]:
    """Cut overlapping crops, half as many again as fit one after another."""
    size = round(seconds * RATE)
    if len(samples) <= size:
        return [samples]
    count = max(2, int(np.ceil(1.5 * len(samples) / size)))
    starts = np.linspace(0, len(samples) - size, count).astype(int)
    return [samples[start : start + size] for start in starts]


def play(samples: Samples, *speeds: float) -> Sequence[Samples]:
    return [soxr.resample(samples, RATE * speed, RATE).astype(np.float32) for speed in speeds]


COPIES: dict[str, Callable[[Samples], Sequence[Samples]]] = {
    "as shipped": lambda samples: [samples],
    "crops of 1.5 s": lambda samples: cut(samples, 1.5),
    "crops of 1 s": lambda samples: cut(samples, 1.0),
    "the clip and crops of 1 s": lambda samples: [samples, *cut(samples, 1.0)],
    "played 10 % slower and faster": lambda samples: play(samples, 0.9, 1, 1.1),
    "played 5 % slower and faster": lambda samples: play(samples, 0.95, 1, 1.05),
    "played twice": lambda samples: [np.tile(samples, 2)],
    "also reversed": lambda samples: [samples, samples[::-1].copy()],
}


def main() -> None:
    data = Path(sys.argv[1])
    pipeline = open_pipeline("voices", encoder=None, detector="speech")
    rates: dict[str, list[str]] = {name: [] for name in COPIES}
    for name in SETS:
        trials = read(data / f"trials_{name}.csv")
        speech: dict[str, Samples | None] = {}
        for clip in sorted({clip for row in trials for clip in row[:2]}):
            content = pipeline.read(data / clip)
            reading = pipeline.detect(content)
            try:
                crop = pipeline.crop(reading.medium, reading.regions[0], content)
                speech[clip] = crop.samples
            except (NothingFound, IndexError):
                speech[clip] = None
        for copies_name, copies in COPIES.items():
            vectors = {
                clip: None
                if samples is None
                else unit(sum(pipeline.encoder.embed([Clip(c, RATE)])[0] for c in copies(samples)))
                for clip, samples in speech.items()
            }
            rates[copies_name].append(f"{eer(*split(trials, cosine(vectors)))[0]:.3f}")
    for name, row in {"EER": SETS, **rates}.items():
        print(f"{name:32}" + "".join(f"{value:>22}" for value in row))


if __name__ == "__main__":
    main()
