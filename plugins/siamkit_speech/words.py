"""Tell a short word from silence, noise and tones, where the network has too little to hear.

Whoever speaks moves: the spectrum of a word changes within a tenth of a second. That of noise and
of tones stays, whatever their colour and however loud they get; a whistle moves, but is one line.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FRAME, HOP = 512, 128  # samples at 16 kHz: 32 ms, 8 ms
TOGETHER = 8  # frames averaged, 88 ms: noise evens out, and a syllable does not
SHORTEST = 1_600  # samples, 0.1 s: in less, noise changes as much as speech
FAINTEST = 1e-4  # root mean square; the rounding to 16 bits has a tenth of it
LOUD = 25.0  # dB below the loudest frame, at most: quieter ones are pauses
LOWEST, BANDS, WIDTH = 3, 8, 16  # bins of 31 Hz: bands of 500 Hz from 94 to 4,094 Hz
FLOOR = 1e-3  # of a frame's power, added to each band: empty bands do not count
LINE = 2  # bins beside the strongest that belong to its line
# Chosen on 42 kinds of noise, 105 of tones, and 150 development words cut to 0.15 to 0.3 s.
LEAST_CHANGE = 0.95  # dB, deviation of a band over time
HALF_HEARD, LESS_CHANGE = 0.35, 0.4  # a probability of speech, and the dB that suffice from there
MAX_LINE = 0.93  # share of the power that one line holds


def could_be_word(samples: NDArray[np.float32], probability: float) -> bool:
    """Return False for (n,) samples at 16 kHz of silence, noise or a tone.

    probability: the highest that the network gives to speech in a frame.
    """
    if len(samples) < SHORTEST:
        return False
    if np.sqrt(np.square(samples, dtype=np.float64).mean()) < FAINTEST:
        return False
    change, line = measure(samples)
    return (
        change >= (LESS_CHANGE if probability >= HALF_HEARD else LEAST_CHANGE) and line <= MAX_LINE
    )


def measure(samples: NDArray[np.float32]) -> tuple[float, float]:
    """Return how much the spectrum changes, in dB, and the share of power in its strongest line.

    samples: at least FRAME of them, not all of them 0.
    """
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP]
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(FRAME))))
    power = power[:, LOWEST : LOWEST + BANDS * WIDTH]
    total = power.sum(axis=1)
    is_loud = total > total.max() * 10 ** (-LOUD / 10)
    if not is_loud.any():
        return 0.0, 1.0  # nothing between the lowest and the highest band
    spectra = power[is_loud] / total[is_loud, None]
    bins = np.arange(BANDS * WIDTH)
    is_line = np.abs(bins - spectra.argmax(axis=1)[:, None]) <= LINE
    line = np.median(np.where(is_line, spectra, 0).sum(axis=1))
    count = min(TOGETHER, max(1, len(spectra) // 3))
    averaged = np.lib.stride_tricks.sliding_window_view(spectra, count, axis=0).mean(axis=-1)
    levels = 10 * np.log10(averaged.reshape(-1, BANDS, WIDTH).sum(axis=2) + FLOOR)
    levels -= levels.mean(axis=1, keepdims=True)
    return float(levels.std(axis=0).mean()), float(line)
