"""Regions as JSON in one canonical form, and the spans of a sound's region.

Coordinates are rounded to 0.1 px (0.01 s): enrolling the same file twice changes nothing, even if a
detector's last float bits differ from one machine to the next.
"""

from __future__ import annotations

import json
import math
from typing import Any

from siamkit.types import Region, Span

SHOWN = 60  # characters of a text that is no region


def to_dict(region: Region, *, digits: int = 1) -> dict[str, Any]:
    """Return a region as JSON values, without its mask.

    digits: decimals of px; seconds always have two.
    """
    fields: dict[str, Any] = {}
    if region.where is not None:
        decimals = digits if len(region.where) == 4 else 2
        fields["where"] = [round(float(v), decimals) for v in region.where]
    fields["score"] = round(float(region.score), 3)
    if region.landmarks is not None:
        fields["landmarks"] = [
            [round(float(v), digits) for v in point] for point in region.landmarks
        ]
    if region.parts:
        fields["parts"] = [[round(float(v), 2) for v in part] for part in region.parts]
    if region.label:
        fields["label"] = region.label
    return fields


def spans(region: Region, seconds: float) -> tuple[Span, ...]:
    """Return the (start, stop) seconds of a clip that a region covers, in order.

    seconds: the clip's length. A region without parts or span covers all of it.
    """
    if region.parts:
        return region.parts
    where = region.where
    return (where,) if where is not None and len(where) == 2 else ((0.0, seconds),)


def to_json(region: Region) -> str:
    """Return the canonical text that the store keeps and compares."""
    return json.dumps(to_dict(region), sort_keys=True, separators=(",", ":"))


def is_region(text: str) -> bool:
    """Return True if `from_json` can read a text."""
    try:
        from_json(text)
    except ValueError:
        return False
    return True


def from_json(text: str) -> Region:
    """Parse a stored region; its mask is None, for masks are not stored.

    Raises ValueError for anything that `to_json` cannot have written.
    """
    import numpy as np

    try:
        data = json.loads(text)
        where, landmarks = data.get("where"), data.get("landmarks")
        region = Region(
            where=None if where is None else tuple(where),
            score=data["score"],
            landmarks=None if landmarks is None else np.asarray(landmarks, dtype=np.float32),
            parts=tuple((start, stop) for start, stop in data.get("parts", ())),
            label=data.get("label", ""),
        )
        is_sound = _is_sound(region)
    except (LookupError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise ValueError(f"no region: {text[:SHOWN]}") from error
    if not is_sound:
        raise ValueError(f"no region: {text[:SHOWN]}")
    return region


def _is_sound(region: Region) -> bool:
    """Return True if a region's numbers are finite and in order."""
    import numpy as np

    corners, points = region.where or (), region.landmarks
    half = len(corners) // 2
    edges = (edge for part in region.parts for edge in part)
    return (
        len(corners) in (0, 2, 4)
        and all(math.isfinite(number) for number in (region.score, *corners, *edges))
        and all(low <= high for low, high in zip(corners[:half], corners[half:], strict=True))
        and (points is None or (points.shape[1:] == (2,) and bool(np.isfinite(points).all())))
        and isinstance(region.label, str)
    )
