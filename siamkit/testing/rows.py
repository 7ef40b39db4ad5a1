"""Unit vectors and cursors for checking an index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from siamkit.types import Cursor

if TYPE_CHECKING:
    from siamkit.types import Vectors

DIM, KEY = 16, "g1-s1"


def rows(count: int, seed: int = 0) -> Vectors:
    """(count, DIM) unit rows, the same for the same seed; fewer of them are the first ones."""
    normal = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    return np.asarray(normal / np.linalg.norm(normal, axis=1, keepdims=True), np.float32)


def cursor(seq: int) -> Cursor:
    return Cursor(seq, f"{seq:016x}")
