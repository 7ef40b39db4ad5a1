"""Detectors whose graph ends with boxes: suppression is part of it, and perhaps a mask per box.

The graph takes `pixels` and `min_score`, (), and gives boxes (n, 4) left, top, right, bottom in px
of the input, labels (n,), indices into the card's, scores (n,), and perhaps masks (n, s, s): the
probability that a pixel of the box, divided into s x s, is part of the object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from siamkit.errors import MissingWeights
from siamkit.sdk.boxes import pixel_box
from siamkit_objects import inputs
from siamkit_objects.candidates import select, to_regions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.sdk.detector_folder import DetectorCard
    from siamkit.types import Box, Mask, Region
    from siamkit_objects.folder import Network
    from siamkit_objects.inputs import Frame

LEAST_SCORE = 1e-3  # below, thousands of boxes would be suppressed, and none is worth it
MASK_THRESHOLD = 0.5


def find(network: Network, card: DetectorCard, pixels: NDArray[np.uint8]) -> list[Region]:
    """Return the regions of a picture."""
    array, frame = inputs.prepare(pixels, card.input)
    least = np.array(max(card.min_score, LEAST_SCORE), np.float32)
    outputs = network.run({"pixels": array, "min_score": least})
    require_fit([output.shape for output in outputs], card)
    return decode(outputs, card, frame)


def require_fit(shapes: list[tuple[int, ...]], card: DetectorCard) -> None:
    """Raise MissingWeights unless there are boxes, labels, scores and perhaps masks."""
    count = shapes[0][0] if shapes and shapes[0] else 0
    expected = [(count, 4), (count,), (count,)]
    masks = shapes[3] if len(shapes) == 4 else (count, 1, 1)
    if shapes[:3] != expected or len(shapes) > 4 or len(masks) != 3 or masks[0] != count:
        raise MissingWeights(
            f"the graph of {card.name} gives {shapes}, not boxes, labels, scores and masks"
        )


def decode(outputs: list[NDArray[Any]], card: DetectorCard, frame: Frame) -> list[Region]:
    """Read the outputs."""
    boxes, labels, scores = outputs[:3]
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(card.labels):
        raise MissingWeights(
            f"the graph of {card.name} gives labels from {labels.min()} to {labels.max()}, its card"
            f" has {len(card.labels)}"
        )
    candidates = select(boxes, scores, labels, card, frame)
    if len(outputs) == 3:
        return to_regions(candidates, card)
    rows = zip(candidates.boxes.tolist(), outputs[3][candidates.rows], strict=True)
    masks = [paste(mask, box, *frame.picture) for box, mask in rows]
    return to_regions(candidates, card, masks)


def paste(mask: NDArray[np.float32], box: Box, height: int, width: int) -> Mask:
    """Enlarge a (s, s) mask to the pixels of its box in a picture, as torchvision does.

    torchvision.models.detection.roi_heads.paste_masks_in_image: with a border of one cell, on whole
    pixels. It may paint a pixel beyond the box, which is cut off here.
    """
    padded = np.pad(mask, 1)
    grown = np.float32(len(padded) / len(mask))
    corners = np.asarray(box, np.float32)
    middle, half = (corners[2:] + corners[:2]) * np.float32(0.5), corners[2:] - corners[:2]
    half = half * np.float32(0.5) * grown
    left, top = (middle - half).astype(int).tolist()
    right, bottom = (middle + half).astype(int).tolist()
    size = max(1, right - left + 1), max(1, bottom - top + 1)
    painted = cv2.resize(padded, size, interpolation=cv2.INTER_LINEAR) > MASK_THRESHOLD
    place = pixel_box(box, width, height)
    target = np.zeros((place[3] - place[1], place[2] - place[0]), bool)
    first, last = max(left, place[0]), min(left + size[0], place[2])
    upper, lower = max(top, place[1]), min(top + size[1], place[3])
    target[upper - place[1] : lower - place[1], first - place[0] : last - place[0]] = painted[
        upper - top : lower - top, first - left : last - left
    ]
    return target
