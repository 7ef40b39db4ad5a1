"""Boxes where anything might be: selective search, and weak objects in a picture and its parts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import cv2
import numpy as np

from siamkit.sdk import boxes as sdk_boxes
from siamkit.types import Image
from siamkit_objects import selective_search

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit_objects.folder import FolderDetector

MOST = 150  # proposals of a picture
CANDIDATES = 1000  # of each method, to choose from
VIEWS = (1, 2, 3)  # the whole picture, 2 x 2 and 3 x 3 overlapping parts
OVERLAP = 0.25  # of a part's side
MIN_PART = 96  # px of a part's shorter side: below, the network would see a blur
SEARCHED = 256  # px of the longer side at which selective search works
SEGMENT_SCALE = 50.0  # at that size; of six settings, this one met the most boxes of logos
MIN_SEGMENT = 20  # px at that size
MIN_SIDE = 0.03  # of the longer side: shorter boxes are seldom objects
IOU = 0.6  # above it, a proposal repeats a better one


def find_boxes(detector: FolderDetector, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return at most 150 boxes of a picture, (n, 4) in px, best first.

    detector: of objects, however weak. Only the whole of a picture that is of one colour.
    """
    segments = search_segments(pixels)
    return segments if len(segments) == 1 else join(segments, find_objects(detector, pixels))


def join(segments: NDArray[np.float32], objects: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the first 150 boxes of two ranked lists that take turns, without repeated ones."""
    joined = np.concatenate([segments, objects])
    ranks = np.concatenate([np.arange(len(segments)), np.arange(len(objects)) + 0.5])
    return joined[sdk_boxes.suppress(joined, -ranks, IOU)[:MOST]]


def search_segments(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the boxes of selective search, (n, 4) in px of the picture, best first."""
    height, width = pixels.shape[:2]
    scale = min(1.0, SEARCHED / max(height, width))
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    if scale < 1:
        pixels = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA).astype(np.uint8)
    segments = selective_search.cut_into_segments(pixels, SEGMENT_SCALE, MIN_SEGMENT)
    # The last to come about are first: large ones, and those unlike all around them.
    boxes = selective_search.group(segments)[::-1]
    boxes = (boxes * np.array((width, height) * 2, np.float64) / (small * 2)).astype(np.float32)
    is_large = (boxes[:, 2:] - boxes[:, :2]).min(axis=1) >= MIN_SIDE * max(height, width)
    is_large[0] = True  # the whole picture
    return _distinct(boxes[is_large])


def find_objects(detector: FolderDetector, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the boxes of weak objects in all views, (n, 4) in px of the picture, best first."""
    height, width = pixels.shape[:2]
    views = [
        (detector.find(Image(pixels[top:bottom, left:right])), left, top)
        for left, top, right, bottom in _views(width, height)
    ]
    shifts = [np.full((len(regions), 4), [left, top] * 2) for regions, left, top in views]
    boxes = np.concatenate([sdk_boxes.array(regions) for regions, _, _ in views])
    scores = np.array([region.score for regions, _, _ in views for region in regions])
    order = np.argsort(-scores, kind="stable")
    return _distinct((boxes + np.concatenate(shifts)).astype(np.float32)[order])


def _views(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield the picture and its overlapping parts, in px, unless they would be too small."""
    for count in VIEWS:
        shrink = count - (count - 1) * OVERLAP
        across, down = round(width / shrink), round(height / shrink)
        if count > 1 and min(across, down) < MIN_PART:
            return
        for top in np.linspace(0, height - down, count).round().astype(int).tolist():
            for left in np.linspace(0, width - across, count).round().astype(int).tolist():
                yield left, top, left + across, top + down


def _distinct(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the first 150 boxes of a ranked list that do not repeat better ones."""
    boxes = boxes[:CANDIDATES]
    chosen = sdk_boxes.suppress(boxes, -np.arange(len(boxes)), IOU)
    return boxes[chosen[:MOST]]
