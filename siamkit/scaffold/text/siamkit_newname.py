"""newname: tell which texts mean the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from siamkit.errors import MissingWeights, UnreadableSample
from siamkit.protocols import Source
from siamkit.sdk.model_folder import Card, projection, require_preprocessing, write_folder
from siamkit.sdk.onnx import OnnxEncoder
from siamkit.types import Region

FEATURES, DIM = 512, 64  # numbers per text as the network sees it, and per vector
# Everything that changes what the network sees. Raise `version` when `load` or `features` changes:
# vectors of other constants are never compared.
CONSTANTS = {"version": 1, "features": FEATURES}


class NewNameModality:
    name = "newname"
    kind = "text"
    detector: str | None = None  # texts are compared whole
    backbone = "encoder"  # `siamkit train` puts a new head on the encoder
    encoders: Mapping[str, str] = {"start": "a random projection, until one is trained"}

    def load(self, source: Source) -> str:
        try:
            content = source.read_bytes() if isinstance(source, Path) else source
            text = content if isinstance(content, str) else content.decode()
        except UnicodeDecodeError as error:
            raise UnreadableSample("it is not a text in UTF-8") from error
        return " ".join(text.lower().split())

    def crop(self, medium: str, region: Region) -> str:
        return medium

    def build(self, name: str, folder: Path) -> None:
        matrix = np.random.default_rng(0).standard_normal((FEATURES, DIM))
        card = Card(self.name, name, DIM, CONSTANTS, "CC0-1.0", "random numbers")
        write_folder(folder, projection(matrix, np.float32), card)

    def encoder(self, folder: Path | None = None) -> OnnxEncoder[str]:
        if folder is None:
            raise MissingWeights(
                "there is no encoder here", hint="run `siamkit encoders build newname`"
            )
        opened = OnnxEncoder(folder, features)
        require_preprocessing(opened.card, folder, CONSTANTS, hint="train again")
        return opened

    def examples(self) -> Sequence[tuple[str, Source]]:
        return [(label, sample(identity, n)) for identity, label in enumerate("ab") for n in (0, 1)]


def features(medium: str) -> np.ndarray[Any, Any]:
    """(FEATURES,) float32: counts of letter pairs, hashed."""
    counts = np.full(FEATURES, 1e-3, np.float32)
    for pair in pairwise(f" {medium} "):
        digest = hashlib.sha256("".join(pair).encode()).digest()
        counts[int.from_bytes(digest[:4]) % FEATURES] += 1
    return counts


def sample(identity: int, number: int) -> bytes:
    """A text: words of the identity's own, and a few different ones each time."""
    shared, new = np.random.default_rng(identity), np.random.default_rng([identity, number])

    def words(rng: np.random.Generator, count: int) -> list[str]:
        return ["".join(rng.choice(list("abdeiklmnorstu"), 5)) for _ in range(count)]

    return " ".join(words(shared, 6) + words(new, 2)).encode()
