"""Generated example voices: a pulse train through formants (after Klatt 1980).

They only show that the parts work together: nobody ever spoke like this.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siamkit_voices.features import RATE

CHUNK = 80  # samples, 5 ms, during which the formants are constant
PAUSE = 0.3  # s of silence before and after
# Formants in Hz of ten vowels, means of men (Peterson & Barney 1952, table II)
F1 = (270, 390, 530, 660, 730, 570, 440, 300, 640, 490)
F2 = (2290, 1990, 1840, 1720, 1090, 840, 1020, 870, 1190, 1350)
F3 = (3010, 2550, 2480, 2410, 2440, 2410, 2240, 2240, 2390, 1690)
VOWELS = np.array([F1, F2, F3]).T
WIDTHS = (60, 90, 150, 200)  # Hz, bandwidths of the formants
FOURTH = 3500  # Hz, of the fourth formant


@dataclass(frozen=True, slots=True)
class Speaker:
    """Parameters of a generated voice."""

    pitch: float  # Hz, mean
    tract: float  # factor on all formants
    breath: float = 0.02  # noise in the voice
    tempo: float = 5.0  # syllables per second


SPEAKERS = {"low": Speaker(85, 0.88, 0.01, 5.5), "high": Speaker(260, 1.28, 0.15, 4.0)}


def examples() -> list[tuple[str, bytes]]:
    """Return (name, WAV file) of two generated voices, two clips each."""
    return [(name, wav(speak(SPEAKERS[name], 4.0, seed))) for name in SPEAKERS for seed in (1, 2)]


def wav(samples: NDArray[np.float32]) -> bytes:
    """Encode (n,) samples at RATE as a WAV file of 16 bits."""
    import soundfile

    content = io.BytesIO()
    soundfile.write(content, samples, RATE, format="WAV", subtype="PCM_16")
    return content.getvalue()


def speak(speaker: Speaker, seconds: float, seed: int) -> NDArray[np.float32]:
    """Generate meaningless syllables, others for each seed: (n,) float32 in [-1, 1] at RATE."""
    from scipy.signal import lfilter

    rng = np.random.default_rng(seed)
    count = max(2, round(seconds * speaker.tempo))
    length = round(seconds * RATE / CHUNK) * CHUNK
    at = np.arange(length) / length * count  # in syllables
    targets = VOWELS[rng.integers(0, len(VOWELS), count + 1)] * speaker.tract
    stress = (0.6 + 0.4 * rng.random(count))[at.astype(int)]
    loudness = np.clip(1.6 * np.sin(np.pi * (at % 1)) ** 0.7, 0, 1) * stress
    accents = np.interp(at, range(count + 1), rng.normal(0, 1, count + 1))
    melody = 1 - 0.15 * at / count + 0.12 * accents
    phase = np.cumsum(speaker.pitch * melody * (1 + 0.01 * rng.normal(0, 1, length))) / RATE
    pulses = np.diff(np.floor(phase), prepend=0) + speaker.breath * rng.normal(0, 1, length)
    sound = lfilter([1], [1, -0.95], pulses) * loudness
    paths = [np.interp(at, np.arange(count + 1), formant) for formant in targets.T]
    paths.append(np.full(length, FOURTH * speaker.tract))
    for path, width in zip(paths, WIDTHS, strict=True):
        sound = _resonate(sound, path, width)
    onsets = rng.random(count)[at.astype(int)] < 0.5
    hiss = lfilter([1, -0.9], [1], rng.normal(0, 0.15, length))
    burst = np.exp(-(((at % 1) / 0.12) ** 2)) * onsets
    sound = sound / np.abs(sound).max() + hiss * burst
    silence = np.zeros(round(PAUSE * RATE))
    recording = np.concatenate([silence, sound, silence])
    recording += rng.normal(0, 3e-4, len(recording))
    samples: NDArray[np.float32] = (0.6 * recording / np.abs(recording).max()).astype(np.float32)
    return samples


def _resonate(
    sound: NDArray[np.float64], path: NDArray[np.float64], width: float
) -> NDArray[np.float64]:
    """Filter a sound by a resonator whose frequency moves along a path (n,) in Hz."""
    from scipy.signal import lfilter

    filtered, state = np.empty_like(sound), np.zeros(2)
    radius = np.exp(-np.pi * width / RATE)
    for start in range(0, len(sound), CHUNK):
        second = -2 * radius * np.cos(2 * np.pi * path[start] / RATE)
        chunk = slice(start, start + CHUNK)
        filtered[chunk], state = lfilter(
            [1 + second + radius**2], [1, second, radius**2], sound[chunk], zi=state
        )
    return filtered
