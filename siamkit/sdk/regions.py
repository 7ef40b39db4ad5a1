"""Regions as JSON in one canonical form, and the spans of a sound's region.

Coordinates are rounded to 0.1 px (0.01 s): enrolling the same file twice changes nothing, even if a
detector's last float bits differ from one machine to the next. A mask is in COCO's run-length code,
and its box is one of whole pixels.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

from siamkit.sdk import masks
from siamkit.types import Region, Span

SHOWN = 60  # characters of a text that is not a region


def snap(region: Region) -> Region:
    """Return a region with a mask in the box of whole pixels that the mask covers.

    So its crop is that of the stored region, to the pixel. Raises ValueError for a mask whose size
    is not that of the box, or without a box.
    """
    if region.mask is None:
        return region
    where = region.where
    height, width = region.mask.shape
    if where is None or len(where) != 4:
        raise ValueError("a mask needs a box")
    left, top = (max(math.floor(edge), 0) for edge in where[:2])
    right, bottom = (math.ceil(edge) for edge in where[2:])
    # A detector's box may reach beyond the picture, the mask does not.
    if not (0 < width <= right - left and 0 < height <= bottom - top):
        size = f"{right - left} x {bottom - top}"
        raise ValueError(f"a mask of {width} x {height} pixels in a box of {size}")
    return replace(
        region, where=(float(left), float(top), float(left + width), float(top + height))
    )


def position(region: Region) -> tuple[float, ...]:
    """Return what orders regions from left to right, or from the start: their left top corner."""
    return () if region.where is None else tuple(region.where[:2])


def to_dict(region: Region, *, digits: int = 1) -> dict[str, Any]:
    """Return a region as JSON values; a mask as COCO's run-length code.

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
    if region.mask is not None:
        fields["mask"] = masks.to_rle(region.mask)
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
    """Parse a stored region.

    Raises ValueError for anything that `to_json` cannot have written.
    """
    import numpy as np

    try:
        data = json.loads(text)
        where, landmarks, mask = data.get("where"), data.get("landmarks"), data.get("mask")
        region = Region(
            where=None if where is None else tuple(where),
            score=data["score"],
            mask=None if mask is None else masks.from_rle(mask),
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
        and (region.mask is None or region.mask.shape == _size(corners))
    )


def _size(corners: tuple[float, ...]) -> tuple[float, ...]:
    """Return the height and the width of a box; () for anything else."""
    if len(corners) != 4:
        return ()
    left, top, right, bottom = corners
    return bottom - top, right - left
