"""The region detector `speech`: from the first word of a clip to its last, without the pauses."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from siamkit.types import Clip, Region, Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from siamkit_speech.silero import Silero

SPEECH = 0.5  # least probability of a frame of speech, as set by the model's authors
MIN_FRAMES = 3  # frames, 96 ms: shorter sounds are clicks
AROUND = 3  # frames added on either side: the network misses soft beginnings and ends
WORD_SECONDS = 1.5  # s; a clip shorter than this may be a word that the network cannot hear
UNHEARD = 0.4  # the highest score of such a word: less than SPEECH


class Speech:
    """Speech in a recording, found by the network Silero VAD: one region for all of it.

    The region reaches from the first speech to the last; its parts leave out the pauses. It says
    nothing about who speaks, or how many. A clip shorter than WORD_SECONDS in which the network
    hears nothing is a region without parts, and with a score below SPEECH, unless it holds
    silence, noise or a tone.
    """

    name = "speech"
    sought = "speech"
    kind = "audio"

    @cached_property
    def _network(self) -> Silero:
        from siamkit_speech.silero import Silero

        return Silero()

    def find(self, medium: Clip) -> list[Region]:
        """Return one region with its parts, in seconds; [] if nobody speaks."""
        from siamkit_speech.silero import FRAME, RATE

        probabilities = self._network.probabilities(medium)
        parts = [
            (round(start * FRAME / RATE, 2), round(min(stop * FRAME / RATE, medium.seconds), 2))
            for start, stop in find_stretches(probabilities)
        ]
        if not parts:
            return _find_word(medium, probabilities)
        return [
            Region(
                where=(parts[0][0], parts[-1][1]),
                score=float(probabilities[probabilities >= SPEECH].mean()),
                parts=tuple(parts),
            )
        ]


def _find_word(clip: Clip, probabilities: NDArray[np.float32]) -> list[Region]:
    """Return a short clip as one region, if it could be a word; else []."""
    from siamkit_speech.words import could_be_word

    if clip.seconds >= WORD_SECONDS or not len(probabilities):
        return []
    if not could_be_word(clip.samples, float(probabilities.max())):
        return []
    return [Region(where=(0.0, clip.seconds), score=min(float(probabilities.mean()), UNHEARD))]


def find_stretches(probabilities: NDArray[np.float32]) -> list[Span]:
    """Return the stretches of speech, (start, stop) in frames, given (n,) probabilities."""
    import numpy as np

    from siamkit.sdk.sound import find_runs

    runs = find_runs(probabilities >= SPEECH)
    is_speech = np.zeros(len(probabilities), dtype=bool)
    for start, stop in runs[runs[:, 1] - runs[:, 0] >= MIN_FRAMES]:
        is_speech[max(0, start - AROUND) : stop + AROUND] = True
    return [(start, stop) for start, stop in find_runs(is_speech).tolist()]
