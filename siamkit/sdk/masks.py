"""Masks of regions: COCO's run-length code and polygons, and masks of a whole picture.

A region's mask covers the pixels that its box touches, see siamkit.sdk.boxes.pixel_box.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from siamkit.sdk.boxes import pixel_box
from siamkit.types import Mask, Region

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_PIXELS = 1 << 28  # of a mask: a few bytes of a file may state any size


def to_rle(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Return a (h, w) mask in COCO's run-length code: {"size": [h, w], "counts": text}."""
    import numpy as np
    from pycocotools import mask as coco

    code = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(side) for side in code["size"]], "counts": code["counts"].decode("ascii")}


def from_rle(rle: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Decode COCO's run-length code, compressed or as a list of counts, to a (h, w) mask.

    Raises ValueError for anything else, as pycocotools does not: it would write out of bounds.
    """
    import numpy as np

    try:
        height, width = (int(side) for side in rle["size"])
        counts = rle["counts"]
        runs = counts if isinstance(counts, list) else _read_runs(counts)
        if height * width > MAX_PIXELS:
            raise ValueError(f"a mask of {height} x {width} pixels is too large")
        if min(height, width, *runs) < 0 or sum(runs) != height * width:
            raise ValueError(f"its counts do not add up to {height} x {width}")
    except (LookupError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"no run-length code: {error}") from error
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T


def _read_runs(counts: str | bytes) -> list[int]:
    """Return the lengths of a compressed code. Raises ValueError if it is cut off.

    Five bits a character, from 48, the least first; bit 32 announces more, bit 16 of the last is
    the sign. From the fourth on, it is the difference to the last but one of the runs
    (rleFrString in COCO's maskApi.c).
    """
    runs: list[int] = []
    value = shift = 0
    for character in counts.encode() if isinstance(counts, str) else counts:
        bits = character - 48
        if not 0 <= bits < 64:
            raise ValueError("its counts hold a strange character")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            if bits & 16:
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    if shift:
        raise ValueError("its counts are cut off")
    return runs


def on_picture(region: Region, width: int, height: int) -> NDArray[np.bool_]:
    """Return a region as a (height, width) mask of its picture; without a mask, its box."""
    import numpy as np

    picture = np.zeros((height, width), bool)
    where = region.where or (0, 0, width, height)
    left, top, right, bottom = pixel_box((*where, 0, 0)[:4], width, height)
    picture[top:bottom, left:right] = True if region.mask is None else region.mask
    return picture


def of_picture(mask: NDArray[np.bool_], score: float = 1.0, label: str = "") -> Region | None:
    """Return the region of a (height, width) mask of a picture, in a tight box; None if empty."""
    import numpy as np

    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    left, right = int(columns[0]), int(columns[-1]) + 1
    cut: Mask = np.ascontiguousarray(mask[top:bottom, left:right])
    return Region((left, top, right, bottom), score, mask=cut, label=label)


def to_polygons(mask: NDArray[np.bool_]) -> list[list[float]] | None:
    """Return the outlines of a (h, w) mask as COCO polygons; None if it has a hole.

    Each is [x, y, x, y, …] through the corners of pixels, clockwise or not. A polygon cannot hold a
    hole: use `to_rle` then.
    """
    import cv2
    import numpy as np

    # Twice the size, so that outlines run along the edges of pixels and not through their centres.
    grown = np.pad(np.repeat(np.repeat(mask.astype(np.uint8), 2, 0), 2, 1), 1)
    outlines, levels = cv2.findContours(grown, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if levels is not None and (levels[0, :, 3] >= 0).any():
        return None
    return [_corners(outline.reshape(-1, 2) - 1) for outline in outlines]


def _corners(outline: NDArray[Any]) -> list[float]:
    """Return an outline in half pixels as the corners of pixels, without repetitions."""
    import numpy as np

    corners = (outline + 1) // 2
    moved = (corners != np.roll(corners, 1, axis=0)).any(axis=1)
    return [float(edge) for edge in corners[moved].ravel()]
