"""The reranker `strokes`: the probability that one hand wrote two signatures.

A vector sums up a signature, and a skilled forgery gets the sum right. This network sees both
signatures and compares them place by place: see tools/stroke_network.py. Its logit and the cosine
make a probability, for which a forgery is as likely as a genuine signature.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from siamkit.errors import MissingWeights, Uncalibrated
from siamkit.sdk.onnx import session
from siamkit.types import Image, Threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Vectors

    Cells: TypeAlias = tuple[NDArray[np.float32], NDArray[np.float32]]  # what is where, and keys

FOLDER = Path(__file__).parent / "strokes"
CHUNK = 32  # pairs at a time, each in 4 views: 40 MB
MOST_DESCRIBED = 256  # signatures whose cells are remembered during a call: 75 MB


@cache
def open_strokes(array: Callable[[Image], NDArray[np.uint8]], fingerprint: str) -> Strokes:
    """Open it once for each encoder. Raises as `Strokes` does."""
    return Strokes(array, fingerprint)


class Strokes:
    """See siamkit.protocols.Verifier. Safe to use from several threads: nothing in it changes."""

    name = "strokes"
    calibration = FOLDER / "calibration.json"

    def __init__(self, array: Callable[[Image], NDArray[np.uint8]], fingerprint: str) -> None:
        """Open the graphs. array: see Signatures. fingerprint: of the encoder of the vectors.

        Raises Uncalibrated for another encoder than the shipped one, MissingWeights.
        """
        try:
            facts = json.loads((FOLDER / "weights.json").read_text())
        except (OSError, ValueError) as error:
            raise MissingWeights(
                f"the weights of strokes cannot be read: {error}", hint="reinstall siamkit"
            ) from error
        if facts["encoder"] != fingerprint:
            raise Uncalibrated(
                f"strokes was not fitted to the encoder {fingerprint}",
                hint="use the encoder that comes with siamkit, or no reranker",
            )
        self._array = array
        self._describe = session(FOLDER / "describe.onnx")
        self._compare = session(FOLDER / "compare.onnx")
        # references -> weights of the score and of the network's logit, and a bias
        self._weights = {int(count): weights for count, weights in facts["weights"].items()}
        self.threshold = Threshold(**facts["threshold"])
        self.candidates = float(facts["candidates"])

    def score(
        self,
        left: Sequence[Image],
        right: Sequence[Image],
        left_vectors: Vectors,
        right_vectors: Vectors,
    ) -> NDArray[np.float32]:
        """Return (n,) probabilities that one hand wrote left[i] and right[i]."""
        cosines = np.einsum("nd,nd->n", left_vectors, right_vectors)
        return self._fuse(1, cosines, self.logits(left, right)).astype(np.float32)

    def against(self, probe: Image, references: Sequence[Image], score: float) -> float:
        """Return the probability that the hand of all references wrote the probe.

        score: the cosine to the one reference, or the score against the mean of them all.
        """
        logits = self.logits([probe] * len(references), references)
        return float(self._fuse(len(references), np.array(score), logits.mean()))

    def logits(self, left: Sequence[Image], right: Sequence[Image]) -> NDArray[np.float32]:
        """Return the network's (n,) logits for n pairs, the mean of all views."""
        described: dict[int, Cells] = {}
        logits = np.empty(len(left), np.float32)
        for start in range(0, len(left), CHUNK):
            part = slice(start, start + CHUNK)
            if len(described) > MOST_DESCRIBED:
                described.clear()
            for medium in (*left[part], *right[part]):
                if id(medium) not in described:
                    described[id(medium)] = self._describe_views(medium)
            sides = [[described[id(medium)] for medium in side[part]] for side in (left, right)]
            arrays = [np.concatenate([row[k] for row in side]) for side in sides for k in (0, 1)]
            names = "cells", "keys", "others", "other_keys"
            of_views: Any = self._compare.run(None, dict(zip(names, arrays, strict=True)))[0]
            logits[part] = of_views.reshape(len(sides[0]), -1).mean(axis=1)
        return logits

    def _describe_views(self, medium: Image) -> Cells:
        cells, keys = self._describe.run(None, {"arrays": views(self._array(medium))})
        return cells, keys

    def _fuse(
        self, references: int, scores: NDArray[Any], logits: NDArray[Any]
    ) -> NDArray[np.float64]:
        count = max(least for least in self._weights if least <= references)
        of_score, of_logit, bias = self._weights[count]
        probabilities: NDArray[np.float64] = 1 / (
            1 + np.exp(-(of_score * scores + of_logit * logits + bias))
        )
        return probabilities


def views(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a folded canvas in (4, height, width, 4): upright, mirrored, upside down, turned."""
    upright = array, array[:, ::-1][..., [1, 0, 3, 2]]
    return np.stack([*upright, *(side[::-1][..., [2, 3, 0, 1]] for side in upright)])
