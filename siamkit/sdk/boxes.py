"""Boxes as arrays: overlap, non-maximum suppression, and the pixels that a box touches.

A box is left, top, right, bottom in pixels of the picture, half open, from its left top corner.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from siamkit.types import Box, Region

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def array(regions: Sequence[Region], width: int = 0, height: int = 0) -> NDArray[np.float32]:
    """Return the boxes of n regions as (n, 4) float32; the whole picture is 0, 0, width, height."""
    import numpy as np

    picture_box = (0, 0, width, height)
    boxes = [(region.where or picture_box) for region in regions]
    return np.asarray(boxes, np.float32).reshape(-1, 4)


def areas(boxes: NDArray[Any]) -> NDArray[Any]:
    """Return the square pixels of (n, 4) boxes; 0 for one that is turned inside out."""
    import numpy as np

    sides = np.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    return sides[..., 0] * sides[..., 1]  # type: ignore[no-any-return]


def intersections(left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    """Return the square pixels that (n, 4) and (m, 4) boxes have in common, (n, m)."""
    import numpy as np

    corners = np.maximum(left[:, None, :2], right[None, :, :2])
    ends = np.minimum(left[:, None, 2:], right[None, :, 2:])
    return areas(np.concatenate([corners, ends], axis=2))


def iou(left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    """Return the intersections over unions of (n, 4) and (m, 4) boxes: (n, m) in [0, 1]."""
    import numpy as np

    common = intersections(left, right)
    union = areas(left)[:, None] + areas(right)[None] - common
    ratios: NDArray[Any] = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return ratios


def suppress(
    boxes: NDArray[Any],
    scores: NDArray[Any],
    iou: float,
    groups: NDArray[Any] | None = None,
) -> NDArray[np.intp]:
    """Return the rows that non-maximum suppression keeps, best first; ties by row.

    boxes: (n, 4). scores: (n,). iou: a box that overlaps a better one of its group by more is
    dropped. groups: (n,), classes say; None for one group.
    """
    import cv2
    import numpy as np

    order = np.argsort(-np.asarray(scores), kind="stable")
    corners = np.asarray(boxes, np.float64).reshape(-1, 4)[order]
    corners[:, 2:] -= corners[:, :2]  # OpenCV takes left, top, width, height
    filled = np.flatnonzero((corners[:, 2:] > 0).all(axis=1))  # empty ones are the same to it
    corners = corners[filled]
    corners[:, :2] -= corners[:, :2].min(axis=0, initial=0)  # it tells groups apart by position
    ranks = np.arange(len(filled), 0, -1, dtype=np.float32)  # for it drops scores of 0
    members = np.zeros(len(order), np.int32) if groups is None else np.asarray(groups)[order]
    batched: Any = cv2.dnn.NMSBoxesBatched  # its stubs know no arrays
    rows = batched(corners, ranks, members[filled].astype(np.int32), 0.0, iou)
    is_kept: NDArray[np.bool_] = np.ones(len(order), np.bool_)
    is_kept[filled] = False
    is_kept[filled[np.asarray(rows, np.intp)]] = True
    return order[is_kept]


def clip(box: Box, width: int, height: int) -> Box:
    """Return the part of a box that is inside a picture."""
    left, top, right, bottom = box
    left, right = (min(max(edge, 0.0), float(width)) for edge in (left, right))
    top, bottom = (min(max(edge, 0.0), float(height)) for edge in (top, bottom))
    return left, top, right, bottom


def pixel_box(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """Return the pixels of a picture that a box touches: left, top, right, bottom, half open."""
    left, top, right, bottom = clip(box, width, height)
    return math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom)
