"""DETR and its descendants: a fixed number of queries, each an object or nothing.

N. Carion et al., "End-to-End Object Detection with Transformers", ECCV 2020 (arXiv 2005.12872). The
graph gives logits (1, q, classes) and boxes (1, q, 4): centre x, y, width, height as shares of the
input. The card's `decode` has `scores`: "softmax", whose last class is "nothing", or "sigmoid".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.errors import MissingWeights
from siamkit_objects.candidates import select, to_regions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.sdk.detector_folder import DetectorCard
    from siamkit.types import Region
    from siamkit_objects.inputs import Frame


def require_fit(shapes: list[tuple[int, ...]], card: DetectorCard) -> None:
    """Raise MissingWeights unless there is a score per query and label, and a box per query."""
    classes = len(card.labels) + (card.decode["scores"] == "softmax")
    queries = shapes[0][1] if shapes and len(shapes[0]) == 3 else 0
    if shapes != [(1, queries, classes), (1, queries, 4)]:
        raise MissingWeights(
            f"the graph of {card.name} gives {shapes}, not scores of {classes} classes and boxes"
        )


def decode(outputs: list[NDArray[Any]], card: DetectorCard, frame: Frame) -> list[Region]:
    """Read the two outputs."""
    logits, codes = outputs[0][0], outputs[1][0]
    if card.decode["scores"] == "softmax":
        shares = softmax(logits)[:, :-1]
        rows, classes = np.arange(len(shares)), shares.argmax(axis=1)
    else:  # a query may be several objects, and the best of all pairs are taken
        shares = (1 / (1 + np.exp(-logits.astype(np.float64)))).astype(np.float32)
        best = np.argsort(-shares.ravel(), kind="stable")[: len(shares)]
        rows, classes = np.divmod(best, shares.shape[1])
    half = codes[:, 2:] / 2
    corners = np.concatenate([codes[:, :2] - half, codes[:, :2] + half], axis=1)
    height, width = frame.input
    boxes = corners[rows] * np.array([width, height] * 2, np.float32)
    return to_regions(select(boxes, shares[rows, classes], classes, card, frame), card)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the softmax over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
