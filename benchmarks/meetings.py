"""Make meetings of single speakers' clips, with who is heard when, for `diarisation.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000
SETS = ("librispeech_test-other", "librispeech_train-clean-100_segments")
Spans = list[tuple[float, float, str]]  # start, stop, speaker
FRAME = RATE // 50  # samples, 20 ms
QUIET = 30  # dB below a clip's loudest frame: a pause
PAUSE = 1.0  # s; shorter pauses belong to a turn
CLICK = 0.1  # s; shorter sounds are not speech
LONGEST = 8.0  # s of a turn
OVERLAP = (0.5, 2.0)  # s that two speak at once
OVERLAPPING = 0.25  # share of the turns that begin before the last has ended
GAP = (0.1, 1.5)  # s between the others
ROOM = 1e-4  # of the peak: noise that is always there
LEVELS = (-4, 4)  # dB between speakers


@dataclass(frozen=True)
class Meeting:
    samples: np.ndarray  # (n,) float32 at RATE
    spans: Spans
    speakers: int

    @property
    def overlap(self) -> float:
        """Share of the spoken time in which several speak at once."""
        frames = np.zeros(len(self.samples) // FRAME + 2, int)
        for start, stop, _ in self.spans:
            frames[round(start * RATE / FRAME) : round(stop * RATE / FRAME)] += 1
        return float((frames > 1).sum() / (frames > 0).sum())


def read_speakers(data: Path) -> dict[str, list[Path]]:
    """Return the clips of every LibriSpeech speaker, by name."""
    folders = [folder for name in SETS for folder in sorted((data / name).iterdir())]
    return {folder.name: sorted(folder.glob("*.flac")) for folder in folders if folder.is_dir()}


def halves(speakers: Mapping[str, Sequence[Path]]) -> list[dict[str, Sequence[Path]]]:
    """Return two halves without a common speaker."""
    return [{name: speakers[name] for name in list(speakers)[part::2]} for part in (0, 1)]


def make(speakers: Mapping[str, Sequence[Path]], count: int, turns: int, seed: int) -> Meeting:
    """Let `count` random speakers take turns, each of them twice at least."""
    rng = np.random.default_rng(seed)
    names = rng.choice(sorted(speakers), count, replace=False).tolist()
    clips = {name: rng.permutation([str(clip) for clip in speakers[name]]) for name in names}
    gains = {name: 10 ** (rng.uniform(*LEVELS) / 20) for name in names}
    samples, spans, end, used, last = np.zeros(0, np.float32), [], 0.3, dict.fromkeys(names, 0), ""
    for _ in range(turns):
        others = [name for name in names if name != last]
        name = min(others, key=lambda other: (used[other] // 2, rng.random()))
        spoken = _cut(clips[name][used[name] % len(clips[name])], rng) * gains[name]
        overlaps = last and rng.random() < OVERLAPPING
        start = end - rng.uniform(*OVERLAP) if overlaps else end + rng.uniform(*GAP)
        begin = max(0, round(start * RATE))
        missing = begin + len(spoken) - len(samples)
        samples = np.pad(samples, (0, max(0, missing)))
        samples[begin : begin + len(spoken)] += spoken
        spans += [(begin / RATE + a, begin / RATE + b, name) for a, b in _parts(spoken)]
        end, last = max(end, (begin + len(spoken)) / RATE), name
        used[name] += 1
    samples = np.pad(samples, (0, RATE // 3))
    samples = samples + rng.normal(0, ROOM * np.abs(samples).max(), len(samples))
    return Meeting((0.5 * samples / np.abs(samples).max()).astype(np.float32), spans, count)


def add_noise(meeting: Meeting, decibels: float, seed: int) -> Meeting:
    """Add pink noise, so many dB below the speech."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(0, 1, len(meeting.samples)))
    spectrum /= np.sqrt(np.maximum(1, np.arange(len(spectrum))))
    noise = np.fft.irfft(spectrum, len(meeting.samples))
    level = np.sqrt(np.mean(meeting.samples**2)) / np.sqrt(np.mean(noise**2))
    noisy = meeting.samples + noise * level * 10 ** (-decibels / 20)
    return Meeting((0.5 * noisy / np.abs(noisy).max()).astype(np.float32), meeting.spans, 0)


def _cut(clip: str, rng: np.random.Generator) -> np.ndarray:
    """Return up to LONGEST of a clip, from its first loud frame to its last."""
    samples, rate = soundfile.read(clip, dtype="float32")
    assert rate == RATE
    parts = _parts(samples)
    samples = samples[round(parts[0][0] * RATE) : round(parts[-1][1] * RATE)]
    size = round(LONGEST * RATE)
    start = int(rng.integers(0, max(1, len(samples) - size)))
    spoken = samples[start : start + size]
    return spoken / np.sqrt(np.mean(spoken**2))


def _parts(samples: np.ndarray) -> list[tuple[float, float]]:
    """Return the stretches of a clip without pauses, in s."""
    power = np.square(samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)).mean(axis=1)
    loud = np.flatnonzero(10 * np.log10(power + 1e-12) > 10 * np.log10(power.max()) - QUIET)
    stops = np.flatnonzero(np.diff(loud) * FRAME / RATE > PAUSE)
    edges = zip([loud[0], *loud[stops + 1]], [*loud[stops], loud[-1]], strict=True)
    spans = [(a * FRAME / RATE, (b + 1) * FRAME / RATE) for a, b in edges]
    return [(start, stop) for start, stop in spans if stop - start >= CLICK]
