"""How fit a recording is for enrolment: seconds of speech, clipping, and speech over noise.

Limits were set so that of the development recordings none is refused but for its length; see
docs/voices.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from siamkit.types import Quality
from siamkit_voices.cut import cut

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Clip, Region

MIN_SPEECH = 1.5  # s
GOOD_SPEECH = 5.0  # s: from here on nothing is deducted
CLIPPED = 0.999  # of the largest value: a sample there, beside another, is cut off
MAX_CLIPPED = 0.05  # share of the samples of speech
MIN_RANGE, GOOD_RANGE = 6.0, 30.0  # dB between loud and quiet frames
FRAME = 400  # samples, 25 ms, at 16 kHz


def assess(medium: Clip, region: Region) -> Quality:
    """Measured values, and a problem for each that is past its limit."""
    speech = cut(medium, region)
    seconds = len(speech) / medium.rate
    clipped, spread = _clipped(speech), _range(medium.samples, speech)
    problems = []
    if seconds < MIN_SPEECH:
        problems.append(f"{seconds:.1f} s of speech; at least {MIN_SPEECH} s are needed")
    if clipped > MAX_CLIPPED:
        problems.append(f"{clipped:.0%} of the speech is clipped; at most {MAX_CLIPPED:.0%} may be")
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
    return Quality(score=round(score, 4), problems=tuple(problems), measures=measures)


def _clipped(samples: NDArray[np.float32]) -> float:
    """The share of samples in flat tops: at the very largest value, two or more in a row."""
    loudest = np.abs(samples).max(initial=0)
    if loudest == 0:
        return 0.0
    flat = np.abs(samples) >= CLIPPED * loudest
    return float((flat[1:] & flat[:-1]).mean()) if len(flat) > 1 else 0.0


def _range(whole: NDArray[np.float32], speech: NDArray[np.float32]) -> float:
    """dB between the loud frames of the speech and the quiet ones of the recording."""
    levels = [_levels(samples) for samples in (whole, speech)]
    return float(np.percentile(levels[1], 75) - np.percentile(levels[0], 5))


def _levels(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,) dB of the frames, n at least 1; -100 is silence."""
    whole = np.pad(samples, (0, max(0, FRAME - len(samples))))
    frames = whole[: len(whole) // FRAME * FRAME].reshape(-1, FRAME)
    power: NDArray[np.float64] = np.square(frames).mean(axis=1, dtype=np.float64)
    levels: NDArray[np.float64] = 10 * np.log10(power + 1e-10)
    return levels
