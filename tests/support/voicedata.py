"""Generated voices for tests, by siamkit_voices.examples, as arrays and files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from siamkit_voices.examples import RATE, SPEAKERS, speak


def clip(name: str, seed: int, seconds: float = 4.0) -> np.ndarray:
    """Return (n,) float32 of one of two generated speakers, `low` and `high`."""
    return speak(SPEAKERS[name], seconds, seed)


def write(path: Path, samples: np.ndarray, rate: int = RATE, **options: str) -> Path:
    soundfile.write(path, samples, rate, **options)
    return path
