"""The two networks, served as one graph: `pieces` and `windows` in, one unit vector out."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from siamkit.errors import PluginError
from siamkit.sdk.model_folder import CardedEncoder, read_folder, require_preprocessing
from siamkit.sdk.onnx import session, threads
from siamkit_voices.features import arrays, constants

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnxruntime import InferenceSession

    from siamkit.types import Clip, Vectors


HINT = "train a head anew: siamkit train DATA -m voices"


class VoiceEncoder(CardedEncoder):
    """An encoder folder of voices. Clips are of different lengths, so each is a run of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.card, graph = read_folder(folder)
        require_preprocessing(self.card, folder, constants(), hint=HINT)
        self._session = session(graph)
        self._narrow: InferenceSession | None = None

    @property
    def mated(self) -> float | None:
        return self.card.mated

    def embed(self, batch: Sequence[Clip]) -> Vectors:
        """(len(batch), dim) float32, rows of norm 1. Raises PluginError on a wrong shape."""
        if len(batch) < 2:
            found = [self._run(self._session, clip) for clip in batch]
        else:
            if self._narrow is None:
                # Clips side by side, a thread each, take two thirds of the time.
                self._narrow = session(read_folder(self.folder)[1], intra=1)
            run = partial(self._run, self._narrow)
            with ThreadPoolExecutor(threads() or os.cpu_count()) as pool:
                found = list(pool.map(run, batch))
        rows = np.concatenate([np.empty((0, self.dim), np.float32), *found])
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows

    def _run(self, graph: InferenceSession, clip: Clip) -> Vectors:
        pieces, windows = arrays(clip.samples)
        found: Vectors = graph.run(None, {"pieces": pieces, "windows": windows})[0]
        if found.shape != (1, self.dim):
            raise PluginError(f"encoder {self.fingerprint} gave {found.shape}")
        return found
