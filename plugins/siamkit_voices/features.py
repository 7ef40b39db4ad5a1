"""The speech of a clip, and the networks' inputs: log filter banks of pieces, mel power of windows.

Each follows the recipe that its network was trained with, down to the constants.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamkit.sdk.regions import spans
from siamkit.types import Clip, Region

Samples = NDArray[np.float32]
Frames = NDArray[np.float32]  # (frames, bands)

RATE = 16_000  # Hz
FRAME, HOP = 400, 160  # samples: 25 and 10 ms
LEVEL = -25.0  # dB of full scale, root mean square: mel power is linear, so the level matters
SHORTEST = RATE // 4  # samples; shorter clips are padded with silence

BANDS, LOWEST_HZ = 80, 20.0  # log filter banks; Hz of the lowest edge (the highest is RATE / 2)
FFT, EMPHASIS = 512, 0.97  # samples of the transform; pre-emphasis
PIECE, PIECES = 3 * RATE, 2  # samples per piece and pieces per clip, at most

MELS = 40
ROWS = 8  # of a matrix product small enough for BLAS to use one thread
WINDOW, STEP, WINDOWS = 160, 80, 3  # frames per window, from one to the next; windows per clip


def cut(clip: Clip, region: Region) -> Samples:
    """Return the (n,) samples of a region; all of them if it has neither parts nor span."""
    return np.concatenate(
        [
            clip.samples[max(0, round(start * clip.rate)) : max(0, round(stop * clip.rate))]
            for start, stop in spans(region, clip.seconds)
        ]
    )


def constants() -> dict[str, Any]:
    """Return every constant that changes the arrays: JSON values, for the fingerprint."""
    return {
        "rate": RATE,
        "frame": [FRAME, HOP],
        "level": LEVEL,
        "shortest": SHORTEST,
        "fbank": ["povey", BANDS, LOWEST_HZ, FFT, EMPHASIS, "mean of the clip taken away"],
        "pieces": [PIECE, PIECES],
        "mel": ["hann", MELS, "slaney", "power"],
        "windows": [WINDOW, STEP, WINDOWS],
    }


def arrays(samples: Samples) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Convert (n,) samples at RATE to (pieces, frames, BANDS) and (windows, frames, MELS) float32.

    A clip of up to PIECE samples is one piece, a longer one is cut into several of equal length.
    From a clip longer than PIECES of them, that many are taken, evenly spread; so are the windows.
    """
    samples = normalise_level(pad_short(samples))
    return pieces(samples), windows(samples)


def pad_short(samples: Samples) -> Samples:
    """Add silence on both sides of fewer than SHORTEST samples."""
    missing = max(0, SHORTEST - len(samples))
    return np.pad(samples, (missing // 2, missing - missing // 2))


def normalise_level(samples: Samples) -> Samples:
    """Scale the samples to LEVEL; silence stays silence."""
    power = float(np.square(samples).mean(dtype=np.float64))
    return samples if power == 0 else samples * np.float32(10 ** (LEVEL / 20) / np.sqrt(power))


def pieces(samples: Samples) -> NDArray[np.float32]:
    """Return (pieces, frames, BANDS) filter banks, less each band's mean over the clip."""
    count = min(-(-len(samples) // PIECE), PIECES)
    length = min(len(samples) // count, PIECE)
    starts = np.linspace(0, len(samples) - length, count).astype(int)
    banks = np.stack([fbank(samples[start : start + length]) for start in starts])
    centred: NDArray[np.float32] = banks - banks.mean(axis=(0, 1))
    return centred


def windows(samples: Samples) -> NDArray[np.float32]:
    """Return (windows, WINDOW frames or fewer, MELS), evenly spread, about STEP apart."""
    padded = np.pad(samples, FRAME // 2)
    frames = 1 + len(samples) // HOP
    last = max(0, frames - WINDOW)
    count = min(max(1 + round(last / STEP), 1 + (last > 0)), WINDOWS)
    length = FRAME + HOP * (min(frames, WINDOW) - 1)
    starts = HOP * np.linspace(0, last, count).astype(int)
    return np.stack([mel(padded[start : start + length]) for start in starts])


def fbank(samples: Samples) -> Frames:
    """Return (frames, BANDS) log filter banks as in Kaldi: `compute-fbank-feats --dither=0`.

    The samples are in [-1, 1], as in the training of 3D-Speaker
    (github.com/modelscope/3D-Speaker), not in 16 bits.
    """
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP]
    frames = frames - frames.mean(axis=1, keepdims=True)
    previous = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    power = _power(np.fft.rfft((frames - EMPHASIS * previous) * _povey(), FFT, axis=1))
    return np.log(np.maximum(_apply_bank(power, _kaldi_bank()), np.finfo(np.float32).eps))


def mel(padded: Samples) -> Frames:
    """Return (frames, MELS) mel power as Resemblyzer gets it from librosa's `melspectrogram`.

    padded: the samples, with FRAME / 2 more on either side, so that frames are centred.
    """
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    return _apply_bank(_power(np.fft.rfft(frames * _hann(), axis=1)), _slaney_bank())


def _power(spectrum: NDArray[np.complexfloating[Any, Any]]) -> Frames:
    power: Frames = np.square(spectrum.real) + np.square(spectrum.imag)
    return power


def _apply_bank(power: Frames, bank: NDArray[np.float32]) -> Frames:
    """Compute power @ bank a few rows at a time, so that BLAS uses one thread.

    BLAS threads keep spinning after their work, and slow down the network's: embedding measured
    1.6 x slower with them.
    """
    padded = np.pad(power, ((0, -len(power) % ROWS), (0, 0)))
    bands: Frames = (padded.reshape(-1, ROWS, power.shape[1]) @ bank).reshape(-1, bank.shape[1])
    return bands[: len(power)]


@cache
def _povey() -> NDArray[np.float32]:
    return (np.hanning(FRAME) ** 0.85).astype(np.float32)


@cache
def _hann() -> NDArray[np.float32]:
    return np.hanning(FRAME + 1)[:-1].astype(np.float32)


@cache
def _kaldi_bank() -> NDArray[np.float32]:
    """Return (FFT / 2 + 1, BANDS) triangles that are straight on O'Shaughnessy's mel scale."""

    def to_mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
        return 1127 * np.log1p(hertz / 700)

    low, high = to_mel(np.array([LOWEST_HZ, RATE / 2]))
    edges = np.linspace(low, high, BANDS + 2)
    bank = _triangles(to_mel(np.linspace(0, RATE / 2, FFT // 2 + 1)), edges)
    bank[-1] = 0  # Kaldi omits the Nyquist frequency
    return bank.astype(np.float32)


@cache
def _slaney_bank() -> NDArray[np.float32]:
    """Return (FRAME / 2 + 1, MELS) triangles that are straight in Hz, all of the same area.

    The mel scale of Slaney's Auditory Toolbox (1998): linear up to 1 kHz, then logarithmic.
    """
    linear, knee, octave = 200 / 3, 1000.0, np.log(6.4) / 27
    top = knee / linear + np.log(RATE / 2 / knee) / octave
    mels = np.linspace(0, top, MELS + 2)
    edges = np.where(
        mels < knee / linear, mels * linear, knee * np.exp(octave * (mels - knee / linear))
    )
    triangles = _triangles(np.linspace(0, RATE / 2, FRAME // 2 + 1), edges)
    bank: NDArray[np.float32] = (triangles * 2 / (edges[2:] - edges[:-2])).astype(np.float32)
    return bank


def _triangles(at: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (len(at), len(edges) - 2) weights; each rises from its edge to the next, and falls."""
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising = (at[:, None] - left) / (centre - left)
    falling = (right - at[:, None]) / (right - centre)
    return np.maximum(0, np.minimum(rising, falling))
