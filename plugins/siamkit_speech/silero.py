"""The network Silero VAD (Silero Team, MIT), read out of the package silero-vad by path.

The package itself is never imported: it would bring torch along.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from siamkit.errors import MissingWeights, UnreadableSample
from siamkit.runtime import session

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Clip

RATE = 16_000  # Hz
FRAME, CONTEXT = 512, 64  # samples: what one step takes, and what it sees again of the one before
STATE = (2, 1, 128)  # of the network's LSTM
GRAPH = "data/silero_vad_16k_op15.onnx"


class Silero:
    """How likely it is, frame by frame, that somebody speaks."""

    def __init__(self) -> None:
        # One thread: a step is so small that sharing it out costs more than it saves.
        self._session = session(_graph(), intra=1)

    def probabilities(self, clip: Clip) -> NDArray[np.float32]:
        """(ceil(n / FRAME),) float32 in [0, 1]. Raises UnreadableSample for another rate."""
        if clip.rate != RATE:
            raise UnreadableSample(f"a clip of {clip.rate} Hz, and not {RATE}")
        count = -(-len(clip.samples) // FRAME)
        padded = np.zeros(CONTEXT + count * FRAME, np.float32)
        padded[CONTEXT : CONTEXT + len(clip.samples)] = clip.samples
        heard = np.empty(count, np.float32)
        state, rate = np.zeros(STATE, np.float32), np.array(RATE)
        for number in range(count):
            start = number * FRAME
            seen = padded[None, start : start + CONTEXT + FRAME]
            said, state = self._session.run(None, {"input": seen, "state": state, "sr": rate})
            heard[number] = said[0, 0]
        return heard


def _graph() -> Path:
    spec = find_spec("silero_vad")
    graph = Path(spec.origin).parent / GRAPH if spec and spec.origin else None
    if graph is None or not graph.is_file():
        raise MissingWeights(
            "the weights of the speech detector are not installed",
            hint="pip install silero-vad, or --detector none for clips that are all speech",
        )
    return graph
