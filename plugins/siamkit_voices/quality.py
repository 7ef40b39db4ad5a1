"""Enrolment quality of a recording: seconds of speech, clipping, and speech over noise.

The limits were set so that development recordings are refused for their length only; see
docs/voices.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from siamkit.types import Clip, Quality, Region
from siamkit_voices.features import cut

MIN_SPEECH = 1.5  # s
GOOD_SPEECH = 5.0  # s, at or above: score 1
CLIPPED = 0.999  # of the largest value: two samples in a row there are clipped
MAX_CLIPPED = 0.05  # share of the samples of speech
MIN_RANGE, GOOD_RANGE = 6.0, 30.0  # dB between loud and quiet frames
CERTAIN = 0.5  # least score of a region in which speech was heard
STEADY = 3.0  # dB; less is a hiss or a tone: 160 development recordings have 16 or more
FRAME = 400  # samples, 25 ms, at 16 kHz


def assess(medium: Clip, region: Region) -> Quality:
    """Measure the speech of a region; each value past its limit is a problem."""
    speech = cut(medium, region)
    seconds = len(speech) / medium.rate
    clipped, spread = _clipped(speech), _range(medium.samples, speech)
    is_guess = region.score < CERTAIN
    problems = []
    if is_guess:
        problems.append("no speech was heard: the whole clip counts as one word")
    if seconds < MIN_SPEECH:
        problems.append(f"{seconds:.1f} s of speech; at least {MIN_SPEECH} s are needed")
    if clipped > MAX_CLIPPED:
        problems.append(f"{clipped:.0%} of the speech is clipped; {MAX_CLIPPED:.0%} is allowed")
    if spread < MIN_RANGE:
        problems.append(
            f"speech is {spread:.0f} dB above the noise; at least {MIN_RANGE:.0f} dB are needed"
        )
    score = min(seconds / GOOD_SPEECH, max(0.0, spread) / GOOD_RANGE, 1.0)
    score *= max(0.0, 1 - clipped / MAX_CLIPPED / 2)
    measures = {
        "speech_s": round(seconds, 2),
        "clipped": round(clipped, 4),
        "above_noise_db": round(spread, 1),
    }
    return Quality(
        round(score, 4), tuple(problems), measures, comparable=is_guess or spread >= STEADY
    )


def _clipped(samples: NDArray[np.float32]) -> float:
    """Return the share of samples in flat tops: at the largest value, two or more in a row."""
    loudest = np.abs(samples).max(initial=0)
    if loudest == 0:
        return 0.0
    flat = np.abs(samples) >= CLIPPED * loudest
    return float((flat[1:] & flat[:-1]).mean()) if len(flat) > 1 else 0.0


def _range(recording: NDArray[np.float32], speech: NDArray[np.float32]) -> float:
    """Return the dB between the loud frames of the speech and the quiet ones of the recording."""
    return float(np.percentile(_levels(speech), 75) - np.percentile(_levels(recording), 5))


def _levels(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (n,) dB of the frames, n at least 1; -100 is silence."""
    padded = np.pad(samples, (0, max(0, FRAME - len(samples))))
    frames = padded[: len(padded) // FRAME * FRAME].reshape(-1, FRAME)
    power: NDArray[np.float64] = np.square(frames).mean(axis=1, dtype=np.float64)
    return 10 * np.log10(power + 1e-10)
