"""Serve the two networks as one graph: `pieces` and `windows` in, one unit vector out."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from siamkit.sdk.model_folder import CardedEncoder, read_folder, require_preprocessing
from siamkit.sdk.onnx import encoder_session, run_encoder
from siamkit.sdk.threads import workers
from siamkit.types import Clip
from siamkit_voices.features import arrays, constants

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.sdk.onnx import Session
    from siamkit.types import Vectors


HINT = "train a new head: siamkit train DATA -m voices -o RUN"


class VoiceEncoder(CardedEncoder):
    """An encoder folder of voices. Clips differ in length, so each has a run of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.card, graph = read_folder(folder)
        require_preprocessing(self.card, folder, constants(), hint=HINT)
        self._session = encoder_session(graph)
        self._single_thread: Session | None = None

    def embed(self, batch: Sequence[Clip]) -> Vectors:
        """Return (len(batch), dim) float32, rows of norm 1.

        Raises PluginError if the graph's output does not have the shape that the card states.
        """
        if len(batch) < 2:
            vectors = [self._run(self._session, clip) for clip in batch]
        else:
            if self._single_thread is None:
                # Several clips at a time, one thread each, take two thirds of the time.
                self._single_thread = encoder_session(read_folder(self.folder)[1], intra=1)
            run = partial(self._run, self._single_thread)
            with ThreadPoolExecutor(workers()) as pool:
                vectors = list(pool.map(run, batch))
        rows = np.concatenate([np.empty((0, self.dim), np.float32), *vectors])
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows

    def inputs(self, batch: Sequence[Clip]) -> dict[str, NDArray[np.float32]]:
        """Return the graph's inputs for one clip, whose length decides on their shapes."""
        (clip,) = batch
        pieces, windows = arrays(clip.samples)
        return {"pieces": pieces, "windows": windows}

    def _run(self, graph: Session, clip: Clip) -> Vectors:
        vector: Vectors = run_encoder(graph, self.inputs([clip]))
        self.require_shape(vector, 1)
        return vector
