"""The turns of up to three speakers in ten seconds of sound, by pyannote's segmentation-3.0.

A. Plaquet and H. Bredin, "Powerset multi-class cross entropy loss for neural speaker diarization",
Interspeech 2023. `tools/speaker_network.py` derives the graph from the published weights.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import UnreadableSample
from siamkit.sdk.onnx import Session, session
from siamkit.sdk.sound import find_runs
from siamkit.types import Clip, Span
from siamkit_voices.features import RATE

GRAPH = Path(__file__).parent / "segmentation.onnx"
SECONDS = 10.0  # of a window, the length that the network was trained with
LONGEST = 60.0  # s, whose activations take 0.3 GB
STEP, FIRST = 270, 495  # samples: from frame to frame, and the centre of the first
# Which of the three speakers are heard in each of the network's seven classes.
CLASSES = np.array(
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], dtype=bool
)


class Segmentation:
    """The network, opened when it is first used."""

    @cached_property
    def _session(self) -> Session:
        return session(GRAPH, intra=1)

    def separate(self, clip: Clip) -> list[list[Span]]:
        """Return the stretches of each speaker, (start, stop) in s; [] if nobody speaks.

        Speakers may be heard at once. A clip shorter than SECONDS is heard with silence after it.
        Raises UnreadableSample unless the clip's rate is RATE, and if it exceeds LONGEST.
        """
        if clip.rate != RATE or clip.seconds > LONGEST:
            raise UnreadableSample(
                f"the clip has {clip.seconds:.0f} s at {clip.rate} Hz; expected up to"
                f" {LONGEST:.0f} s at {RATE} Hz"
            )
        missing = max(0, round(SECONDS * RATE) - len(clip.samples))
        wave = np.pad(clip.samples, (0, missing))[None, None]
        scores = self._session.run(None, {"wav": wave})[0][0]
        is_heard = CLASSES[scores.argmax(axis=1)]
        return [spans for column in is_heard.T if (spans := _spans(column, clip.seconds))]


def _spans(is_heard: NDArray[np.bool_], seconds: float) -> list[Span]:
    """Return the runs of True frames in s, within the clip."""
    runs = ((find_runs(is_heard) * STEP + FIRST - STEP / 2) / RATE).tolist()
    return [(start, min(stop, seconds)) for start, stop in runs if start < seconds]
