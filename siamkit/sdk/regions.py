"""Regions as JSON, in one canonical form.

Coordinates are rounded to 0.1 pixel (0.01 s), so that enrolling the same file twice stays a no-op
though a detector's last float bits differ from one machine to the next.
"""

from __future__ import annotations

import json
from typing import Any

from siamkit.types import Region, Span


def to_dict(region: Region, *, digits: int = 1) -> dict[str, Any]:
    """What a person or a program wants to know of a region; the mask is left out."""
    out: dict[str, Any] = {}
    if region.where is not None:
        out["where"] = [
            round(float(v), digits if len(region.where) == 4 else 2) for v in region.where
        ]
    out["score"] = round(float(region.score), 3)
    if region.landmarks is not None:
        out["landmarks"] = [[round(float(v), digits) for v in point] for point in region.landmarks]
    if region.parts:
        out["parts"] = [[round(float(v), 2) for v in part] for part in region.parts]
    if region.label:
        out["label"] = region.label
    return out


def spans(region: Region, seconds: float) -> tuple[Span, ...]:
    """The stretches of a clip of so many seconds that a region means, in order."""
    if region.parts:
        return region.parts
    where = region.where
    return (where,) if where is not None and len(where) == 2 else ((0.0, seconds),)


def to_json(region: Region) -> str:
    """The canonical text that the store keeps and compares."""
    return json.dumps(to_dict(region), sort_keys=True, separators=(",", ":"))


def from_json(text: str) -> Region:
    """The region a stored text stands for. Without the mask, which is not stored."""
    import numpy as np

    data = json.loads(text)
    landmarks = data.get("landmarks")
    return Region(
        where=tuple(data["where"]) if "where" in data else None,
        score=data["score"],
        landmarks=None if landmarks is None else np.asarray(landmarks, dtype=np.float32),
        parts=tuple((start, stop) for start, stop in data.get("parts", ())),
        label=data.get("label", ""),
    )
