"""Resemblyzer as published, for comparison: preprocess_wav, then embed_utterance."""

from __future__ import annotations

import sys
import types
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np


def open_peer() -> Callable[[Path], np.ndarray]:
    """A function that embeds a file: (256,) float32 of norm 1."""
    import scipy.ndimage

    # Resemblyzer 0.1.4 imports a name that scipy has dropped since.
    module = types.ModuleType("scipy.ndimage.morphology")
    module.binary_dilation = scipy.ndimage.binary_dilation  # type: ignore[attr-defined]
    sys.modules.setdefault(module.__name__, module)
    warnings.simplefilter("ignore")
    from resemblyzer import VoiceEncoder, preprocess_wav

    encoder = VoiceEncoder("cpu", verbose=False)
    return lambda file: encoder.embed_utterance(preprocess_wav(file))


if __name__ == "__main__":  # two files, as `siamkit verify` takes them
    embed = open_peer()
    left, right = (embed(Path(file)) for file in sys.argv[1:])
    print(f"score {left @ right:.3f}")
