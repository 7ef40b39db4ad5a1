"""Generated voices for tests: what `siamkit_voices.examples` makes, as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from siamkit_voices.examples import RATE, SPEAKERS, speak


def clip(name: str, seed: int, seconds: float = 4.0) -> np.ndarray:
    """(n,) float32 of one of two generated speakers, `low` and `high`."""
    return speak(SPEAKERS[name], seconds, seed)


def write(path: Path, samples: np.ndarray, rate: int = RATE, **how: str) -> Path:
    soundfile.write(path, samples, rate, **how)
    return path
