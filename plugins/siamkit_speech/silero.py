"""The network Silero VAD (Silero Team 2024, MIT), rewritten to take many frames per run.

`tools/speech_network.py` derives the graph from the published one, and compares the two.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import UnreadableSample
from siamkit.sdk.onnx import session
from siamkit.types import Clip

GRAPH = Path(__file__).parent / "silero.onnx"
RATE = 16_000  # Hz
FRAME, CONTEXT = 512, 64  # samples per step, and samples repeated from the step before
STATE = (2, 1, 128)  # of the LSTM
AT_ONCE = 1_000  # frames per run, 32 s
PEAK, PERCENT = 0.3, 99.5  # level that this percentile of the samples is raised to


class Silero:
    """The probability of speech, frame by frame."""

    def __init__(self) -> None:
        # One thread: the others are better used on other clips.
        self._session = session(GRAPH, intra=1)

    def probabilities(self, clip: Clip) -> NDArray[np.float32]:
        """Return (ceil(n / FRAME),) float32 in [0, 1] for n samples.

        Raises UnreadableSample unless the clip's rate is RATE.
        """
        if clip.rate != RATE:
            raise UnreadableSample(f"the clip has {clip.rate} Hz; expected {RATE}")
        if not len(clip.samples):
            return np.empty(0, np.float32)
        count = -(-len(clip.samples) // FRAME)
        padded = np.zeros(CONTEXT + count * FRAME, np.float32)
        padded[CONTEXT : CONTEXT + len(clip.samples)] = _amplify(clip.samples)
        frames = np.lib.stride_tricks.sliding_window_view(padded, CONTEXT + FRAME)[::FRAME]
        state = np.zeros(STATE, np.float32)
        parts = []
        for start in range(0, count, AT_ONCE):
            batch = np.ascontiguousarray(frames[start : start + AT_ONCE])
            probabilities, state = self._session.run(None, {"frames": batch, "state": state})
            parts.append(probabilities)
        return np.concatenate(parts)


def _amplify(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Amplify quiet sound: the network misses speech with peaks below about 0.03."""
    peak = float(np.percentile(np.abs(samples), PERCENT, overwrite_input=True))
    return samples * np.float32(PEAK / peak) if 0 < peak < PEAK else samples
