"""The region detector `speech`: from the first word of a clip to its last, without the pauses."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from siamkit.types import Clip, Region

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from siamkit.types import Span
    from siamkit_speech.silero import Silero

SPEECH = 0.5  # probability from which a frame counts, as the model's authors set it
LEAST = 3  # frames in a row that count, or else they are a click: 96 ms
AROUND = 3  # frames that are kept on either side: the network misses soft beginnings and ends


class Speech:
    """Where somebody speaks, by the network Silero VAD: one region a recording.

    The region reaches from the first speech to the last, and its parts are what lies between the
    pauses. Who speaks, and how many, it does not tell.
    """

    name = "speech"
    kind = "audio"

    @cached_property
    def _network(self) -> Silero:
        from siamkit_speech.silero import Silero

        return Silero()

    def find(self, medium: Clip) -> list[Region]:
        """One region with its parts, in seconds; [] if nobody speaks."""
        from siamkit_speech.silero import FRAME, RATE

        heard = self._network.probabilities(medium)
        parts = [
            (round(start * FRAME / RATE, 2), round(min(stop * FRAME / RATE, medium.seconds), 2))
            for start, stop in stretches(heard)
        ]
        if not parts:
            return []
        return [
            Region(
                where=(parts[0][0], parts[-1][1]),
                score=float(heard[heard >= SPEECH].mean()),
                parts=tuple(parts),
            )
        ]


def stretches(heard: NDArray[np.float32]) -> list[Span]:
    """(start, stop) in frames of the stretches that (n,) probabilities of speech make."""
    import numpy as np

    runs = _runs(heard >= SPEECH)
    speech = np.zeros(len(heard), dtype=bool)
    for start, stop in runs[runs[:, 1] - runs[:, 0] >= LEAST]:
        speech[max(0, start - AROUND) : stop + AROUND] = True
    return [(start, stop) for start, stop in _runs(speech).tolist()]


def _runs(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(k, 2) begin and end of every run of True."""
    import numpy as np

    steps = np.diff(flags.astype(np.int8), prepend=0, append=0)
    return np.stack([np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)], axis=1)
