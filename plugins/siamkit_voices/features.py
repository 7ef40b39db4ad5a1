"""What the two networks hear: a clip as log filter banks in pieces, and as mel power in windows.

Both follow the recipe that their network was trained with, to the constants.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]
    Frames = NDArray[np.float32]  # (frames, bands)

RATE = 16_000  # Hz
FRAME, HOP = 400, 160  # samples: 25 and 10 ms
LEVEL = -25.0  # dB of full scale, root mean square: the mel power is no logarithm, so level counts
SHORTEST = RATE // 4  # samples; a shorter clip is filled up with silence

BANDS, LOWEST = 80, 20.0  # log filter banks; Hz of the lowest edge, the highest is RATE / 2
FFT, EMPHASIS = 512, 0.97
PIECE, PIECES = 3 * RATE, 2  # samples of a piece at most; pieces of a clip at most

MELS = 40
ROWS = 8  # of a matrix product that is small enough for one thread
WINDOW, STEP, WINDOWS = 160, 80, 3  # frames of a window, and from one to the next; of a clip


def constants() -> dict[str, Any]:
    """Every number that changes the arrays: JSON values, for the encoder's fingerprint."""
    return {
        "rate": RATE,
        "frame": [FRAME, HOP],
        "level": LEVEL,
        "shortest": SHORTEST,
        "fbank": ["povey", BANDS, LOWEST, FFT, EMPHASIS, "mean of the clip taken away"],
        "pieces": [PIECE, PIECES],
        "mel": ["hann", MELS, "slaney", "power"],
        "windows": [WINDOW, STEP, WINDOWS],
    }


def arrays(samples: Samples) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(pieces, frames, BANDS) and (windows, frames, MELS) float32 of (n,) samples at RATE.

    A clip of up to PIECE is one piece, a longer one is several of equal length; of one that is
    longer than PIECES of them, as many are spread evenly over it. Windows are spread likewise.
    """
    samples = levelled(filled(samples))
    return pieces(samples), windows(samples)


def filled(samples: Samples) -> Samples:
    """The samples, with silence on both sides where they are fewer than SHORTEST."""
    lacking = max(0, SHORTEST - len(samples))
    return np.pad(samples, (lacking // 2, lacking - lacking // 2))


def levelled(samples: Samples) -> Samples:
    """The samples at LEVEL; silence stays silence."""
    power = float(np.square(samples).mean(dtype=np.float64))
    return samples if power == 0 else samples * np.float32(10 ** (LEVEL / 20) / np.sqrt(power))


def pieces(samples: Samples) -> NDArray[np.float32]:
    """(pieces, frames, BANDS) filter banks, each band's mean over the clip taken away."""
    count = min(-(-len(samples) // PIECE), PIECES)
    length = min(len(samples) // count, PIECE)
    starts = np.linspace(0, len(samples) - length, count).astype(int)
    banks = np.stack([fbank(samples[start : start + length]) for start in starts])
    centred: NDArray[np.float32] = banks - banks.mean(axis=(0, 1))
    return centred


def windows(samples: Samples) -> NDArray[np.float32]:
    """(windows, WINDOW or fewer, MELS): evenly spread, about STEP from one to the next."""
    padded = np.pad(samples, FRAME // 2)
    frames = 1 + len(samples) // HOP
    last = max(0, frames - WINDOW)
    count = min(max(1 + round(last / STEP), 1 + (last > 0)), WINDOWS)
    length = FRAME + HOP * (min(frames, WINDOW) - 1)
    starts = HOP * np.linspace(0, last, count).astype(int)
    return np.stack([mel(padded[start : start + length]) for start in starts])


def fbank(samples: Samples) -> Frames:
    """(frames, BANDS) log filter banks as Kaldi computes them: `compute-fbank-feats --dither=0`.

    Samples in [-1, 1], as 3D-Speaker trains (github.com/modelscope/3D-Speaker), not in 16 bits.
    """
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP]
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    power = _power(np.fft.rfft((frames - EMPHASIS * before) * _povey(), FFT, axis=1))
    banks: Frames = np.log(np.maximum(_summed(power, _kaldi_bank()), np.finfo(np.float32).eps))
    return banks


def mel(padded: Samples) -> Frames:
    """(frames, MELS) mel power as librosa's `melspectrogram` gives it to Resemblyzer.

    Of samples with FRAME / 2 more on either side: each frame lies around its time.
    """
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    return _summed(_power(np.fft.rfft(frames * _hann(), axis=1)), _slaney_bank())


def _power(spectrum: NDArray[np.complexfloating[Any, Any]]) -> Frames:
    made: Frames = np.square(spectrum.real) + np.square(spectrum.imag)
    return made


def _summed(power: Frames, bank: NDArray[np.float32]) -> Frames:
    """power @ bank, a few rows at a time, so that BLAS keeps to one thread.

    Its threads go on spinning when they are done, and the network's would wait for them: embedding
    measured 1.6 x slower.
    """
    whole = np.pad(power, ((0, -len(power) % ROWS), (0, 0)))
    made: Frames = (whole.reshape(-1, ROWS, power.shape[1]) @ bank).reshape(-1, bank.shape[1])
    return made[: len(power)]


@cache
def _povey() -> NDArray[np.float32]:
    made: NDArray[np.float32] = (np.hanning(FRAME) ** 0.85).astype(np.float32)
    return made


@cache
def _hann() -> NDArray[np.float32]:
    return np.hanning(FRAME + 1)[:-1].astype(np.float32)


@cache
def _kaldi_bank() -> NDArray[np.float32]:
    """(FFT / 2 + 1, BANDS) triangles that are straight on the mel scale of O'Shaughnessy."""

    def scale(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
        return 1127 * np.log1p(hertz / 700)

    low, high = scale(np.array([LOWEST, RATE / 2]))
    edges = np.linspace(low, high, BANDS + 2)
    bank = _triangles(scale(np.linspace(0, RATE / 2, FFT // 2 + 1)), edges)
    bank[-1] = 0  # Kaldi leaves the Nyquist frequency out
    return bank.astype(np.float32)


@cache
def _slaney_bank() -> NDArray[np.float32]:
    """(FRAME / 2 + 1, MELS) triangles that are straight in Hz, each of the same area.

    The mel scale of Slaney's Auditory Toolbox (1998): linear up to 1 kHz, then logarithmic.
    """
    linear, knee, octave = 200 / 3, 1000.0, np.log(6.4) / 27
    top = knee / linear + np.log(RATE / 2 / knee) / octave
    mels = np.linspace(0, top, MELS + 2)
    edges = np.where(
        mels < knee / linear, mels * linear, knee * np.exp(octave * (mels - knee / linear))
    )
    bank = _triangles(np.linspace(0, RATE / 2, FRAME // 2 + 1), edges)
    made: NDArray[np.float32] = (bank * 2 / (edges[2:] - edges[:-2])).astype(np.float32)
    return made


def _triangles(at: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """(len(at), len(edges) - 2) weights: each rises from its edge to the next, and falls again."""
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising = (at[:, None] - left) / (centre - left)
    falling = (right - at[:, None]) / (right - centre)
    made: NDArray[np.float64] = np.maximum(0, np.minimum(rising, falling))
    return made
