"""Generated voices to try the modality with: a pulse train through formants (after Klatt 1980).

They prove that the parts work together, and no more: nobody ever spoke like this.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from siamkit_voices.features import RATE

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK = 80  # samples, 5 ms, for which the formants stand still
PAUSE = 0.3  # s of silence before and after
# F1, F2, F3 in Hz of vowels, means of men (Peterson & Barney 1952, table II)
VOWELS = (
    (270, 2290, 3010), (390, 1990, 2550), (530, 1840, 2480), (660, 1720, 2410), (730, 1090, 2440),
    (570, 840, 2410), (440, 1020, 2240), (300, 870, 2240), (640, 1190, 2390), (490, 1350, 1690),
)  # fmt: skip
WIDTHS = (60, 90, 150, 200)  # Hz of the formants
FOURTH = 3500  # Hz, of the fourth formant


@dataclass(frozen=True, slots=True)
class Speaker:
    """What tells one generated voice from another."""

    pitch: float  # Hz, mean
    tract: float  # all formants are so many times those of VOWELS
    breath: float = 0.02  # of noise in the voice
    tempo: float = 5.0  # syllables a second


SPEAKERS = {"low": Speaker(85, 0.88, 0.01, 5.5), "high": Speaker(260, 1.28, 0.15, 4.0)}


def examples() -> list[tuple[str, bytes]]:
    """WAV files of two generated voices, two clips each."""
    return [(name, wav(speak(SPEAKERS[name], 4.0, seed))) for name in SPEAKERS for seed in (1, 2)]


def wav(samples: NDArray[np.float32]) -> bytes:
    """A WAV file of 16 bits at RATE."""
    import soundfile

    content = io.BytesIO()
    soundfile.write(content, samples, RATE, format="WAV", subtype="PCM_16")
    return content.getvalue()


def speak(speaker: Speaker, seconds: float, seed: int) -> NDArray[np.float32]:
    """(n,) float32 in [-1, 1] at RATE: syllables that mean nothing, another row of them a seed."""
    from scipy.signal import lfilter

    rng = np.random.default_rng(seed)
    count = max(2, round(seconds * speaker.tempo))
    length = round(seconds * RATE / CHUNK) * CHUNK
    at = np.arange(length) / length * count  # in syllables
    targets = np.array(VOWELS)[rng.integers(0, len(VOWELS), count + 1)] * speaker.tract
    loud = (
        np.clip(1.6 * np.sin(np.pi * (at % 1)) ** 0.7, 0, 1)
        * (0.6 + 0.4 * rng.random(count))[at.astype(int)]
    )
    melody = (
        1 - 0.15 * at / count + 0.12 * np.interp(at, range(count + 1), rng.normal(0, 1, count + 1))
    )
    phase = np.cumsum(speaker.pitch * melody * (1 + 0.01 * rng.normal(0, 1, length))) / RATE
    pulses = np.diff(np.floor(phase), prepend=0) + speaker.breath * rng.normal(0, 1, length)
    sound = lfilter([1], [1, -0.95], pulses) * loud
    for number, width in enumerate(WIDTHS):
        path = (
            np.interp(at, np.arange(count + 1), targets[:, number])
            if number < len(VOWELS[0])
            else np.full(length, FOURTH * speaker.tract)
        )
        sound = _resonated(sound, path, width)
    onsets = rng.random(count)[at.astype(int)] < 0.5
    hiss = lfilter([1, -0.9], [1], rng.normal(0, 0.15, length))
    burst = np.exp(-(((at % 1) / 0.12) ** 2)) * onsets
    sound = sound / np.abs(sound).max() + hiss * burst
    silence = np.zeros(round(PAUSE * RATE))
    whole = np.concatenate([silence, sound, silence]) + rng.normal(
        0, 3e-4, length + 2 * len(silence)
    )
    made: NDArray[np.float32] = (0.6 * whole / np.abs(whole).max()).astype(np.float32)
    return made


def _resonated(
    sound: NDArray[np.float64], path: NDArray[np.float64], width: float
) -> NDArray[np.float64]:
    """The sound through a resonator whose frequency moves along a path (n,) in Hz."""
    from scipy.signal import lfilter

    out, state = np.empty_like(sound), np.zeros(2)
    radius = np.exp(-np.pi * width / RATE)
    for start in range(0, len(sound), CHUNK):
        second = -2 * radius * np.cos(2 * np.pi * path[start] / RATE)
        chunk = slice(start, start + CHUNK)
        out[chunk], state = lfilter(
            [1 + second + radius**2], [1, second, radius**2], sound[chunk], zi=state
        )
    return out
