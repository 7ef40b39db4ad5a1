"""Media with nothing in them: what cameras and microphones give now and then."""

from __future__ import annotations

from typing import Any

import numpy as np

from siamkit.testing.outcome import NotRun
from siamkit.types import Clip, Image

SIZES = ((64, 48), (48, 64), (1, 1), (1, 64), (64, 1))  # height, width


def blank_media(kind: str) -> list[Any]:
    """White and black pictures of several shapes, silences, or an empty text.

    Raises NotRun for a kind that the kit does not know.
    """
    if kind == "image":
        return [Image(np.full((*size, 3), level, np.uint8)) for level in (255, 0) for size in SIZES]
    if kind == "audio":
        return [Clip(np.zeros(count, np.float32), 16_000) for count in (16_000, 1)]
    if kind == "text":
        return [""]
    raise NotRun(f"the kit has no blank medium of the kind {kind}")
