"""newname: tell which rows of numbers belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from siamkit.errors import MissingWeights, UnreadableSample
from siamkit.protocols import Source
from siamkit.sdk.model_folder import Card, projection, require_preprocessing, write_folder
from siamkit.sdk.onnx import OnnxEncoder
from siamkit.types import Region

Row: TypeAlias = np.ndarray[Any, Any]  # (FEATURES,) float32
FEATURES, DIM = 32, 32  # numbers per sample, and per vector
# Everything that changes what the network sees. Raise `version` when `load` or `features` changes:
# vectors of other constants are never compared.
CONSTANTS = {"version": 1, "features": FEATURES}


class NewNameModality:
    name = "newname"
    kind = "vector"
    detector: str | None = None  # rows are compared whole
    backbone = "encoder"  # `siamkit train` puts a new head on the encoder
    encoders: Mapping[str, str] = {"start": "a random projection, until one is trained"}

    def load(self, source: Source) -> Row:
        """Read a file of FEATURES numbers, separated by commas, or its content."""
        try:
            content = source.read_bytes() if isinstance(source, Path) else source
            text = content if isinstance(content, str) else content.decode()
            row = np.array([float(number) for number in text.split(",")], np.float32)
        except (ValueError, UnicodeDecodeError) as error:
            raise UnreadableSample(f"expected numbers separated by commas: {error}") from error
        if row.shape != (FEATURES,) or not np.isfinite(row).all() or not row.any():
            raise UnreadableSample(f"expected {FEATURES} finite numbers, not all 0; got {len(row)}")
        return row

    def crop(self, medium: Row, region: Region) -> Row:
        return medium

    def build(self, name: str, folder: Path) -> None:
        matrix = np.random.default_rng(0).standard_normal((FEATURES, DIM))
        card = Card(self.name, name, DIM, CONSTANTS, "CC0-1.0", "random numbers")
        write_folder(folder, projection(matrix, np.float32), card)

    def encoder(self, folder: Path | None = None) -> OnnxEncoder[Row]:
        if folder is None:
            raise MissingWeights(
                "there is no encoder here", hint="run `siamkit encoders build newname`"
            )
        opened = OnnxEncoder(folder, features)
        require_preprocessing(opened.card, folder, CONSTANTS, hint="train again")
        return opened

    def examples(self) -> Sequence[tuple[str, Source]]:
        return [(label, sample(identity, n)) for identity, label in enumerate("ab") for n in (0, 1)]


def features(medium: Row) -> Row:
    """(FEATURES,) float32: scale, choose or combine your numbers here."""
    return medium


def sample(identity: int, number: int) -> bytes:
    """A row of the identity's own, with a little noise each time."""
    row = np.random.default_rng(identity).normal(0, 1, FEATURES)
    row += np.random.default_rng([identity, number]).normal(0, 0.3, FEATURES)
    return ",".join(f"{value:.4f}" for value in row).encode()
