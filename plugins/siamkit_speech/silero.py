"""The network Silero VAD (Silero Team 2024, MIT), written anew so that it takes many frames a run.

`tools/speech_network.py` writes the graph out of the published one, and compares the two.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from siamkit.errors import UnreadableSample
from siamkit.sdk.onnx import session

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Clip

GRAPH = Path(__file__).parent / "silero.onnx"
RATE = 16_000  # Hz
FRAME, CONTEXT = 512, 64  # samples: what a step takes, and what it sees again of the one before
STATE = (2, 1, 128)  # of the LSTM
AT_ONCE = 1_000  # frames a run, 32 s
PEAK, PERCENT = 0.3, 99.5  # what so many percent of the samples lie below


class Silero:
    """How likely it is, frame by frame, that somebody speaks."""

    def __init__(self) -> None:
        # One thread: the batches of several clips are a better use of the others.
        self._session = session(GRAPH, intra=1)

    def probabilities(self, clip: Clip) -> NDArray[np.float32]:
        """(ceil(n / FRAME),) float32 in [0, 1]. Raises UnreadableSample for another rate."""
        if clip.rate != RATE:
            raise UnreadableSample(f"a clip of {clip.rate} Hz, and not {RATE}")
        if not len(clip.samples):
            return np.empty(0, np.float32)
        count = -(-len(clip.samples) // FRAME)
        padded = np.zeros(CONTEXT + count * FRAME, np.float32)
        padded[CONTEXT : CONTEXT + len(clip.samples)] = _audible(clip.samples)
        frames = np.lib.stride_tricks.sliding_window_view(padded, CONTEXT + FRAME)[::FRAME]
        state = np.zeros(STATE, np.float32)
        heard = []
        for start in range(0, count, AT_ONCE):
            seen = np.ascontiguousarray(frames[start : start + AT_ONCE])
            said, state = self._session.run(None, {"frames": seen, "state": state})
            heard.append(said)
        return np.concatenate(heard)


def _audible(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Quiet sound made louder: the network misses speech whose peaks are below some 0.03."""
    peak = float(np.percentile(np.abs(samples), PERCENT, overwrite_input=True))
    return samples * np.float32(PEAK / peak) if 0 < peak < PEAK else samples
