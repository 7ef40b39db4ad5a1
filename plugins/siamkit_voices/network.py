"""The two networks, served as one graph: `pieces` and `windows` in, one unit vector out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from siamkit.encoders import Card, read_folder
from siamkit.errors import MissingWeights, PluginError
from siamkit.runtime import session
from siamkit_voices.features import arrays, constants

if TYPE_CHECKING:
    from collections.abc import Sequence

    from siamkit.types import Clip, Threshold, Vectors


class VoiceEncoder:
    """An encoder folder of voices. Clips are of different lengths, so each is a run of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.card: Card
        self.card, graph = read_folder(folder)
        made = dict(self.card.preprocessing)
        if differing := [name for name, value in constants().items() if made.get(name) != value]:
            raise MissingWeights(
                f"encoder folder {folder} was made by another version of the plugin:"
                f" its preprocessing differs in {', '.join(differing)}",
                hint="use that version, or train a head anew: siamkit train DATA -m voices",
            )
        self._session = session(graph)

    @property
    def dim(self) -> int:
        return self.card.dim

    @property
    def fingerprint(self) -> str:
        return self.card.fingerprint

    @property
    def threshold(self) -> Threshold | None:
        return self.card.threshold

    @property
    def mated(self) -> float | None:
        return self.card.mated

    def embed(self, batch: Sequence[Clip]) -> Vectors:
        """(len(batch), dim) float32, rows of norm 1. Raises PluginError on a wrong shape."""
        rows = np.empty((len(batch), self.dim), dtype=np.float32)
        for row, clip in zip(rows, batch, strict=True):
            pieces, windows = arrays(clip.samples)
            found = self._session.run(None, {"pieces": pieces, "windows": windows})[0]
            if found.shape != (1, self.dim):
                raise PluginError(f"encoder {self.fingerprint} gave {found.shape}")
            row[:] = found[0]
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows
