"""SSD: each default box of several grids is moved and resized by the network, and scored.

W. Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016 (arXiv 1512.02325), in the form of
TensorFlow's object detection API: codes (ty, tx, th, tw), and a sigmoid per class.

The graph has two outputs: codes (1, n, 4) or (1, n, 1, 4), and logits (1, n, classes). The card's
`decode` has `grids`, from the first output row on: [rows, columns, [[height, width], …]], the
default boxes of each cell as shares of the input, and `variances`, what codes of centres and of
sizes are multiplied by.
"""

from __future__ import annotations

import json
from functools import lru_cache
from math import inf, log
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
    """Raise MissingWeights unless the outputs have one row per default box, one score per label."""
    count = len(_default_boxes(json.dumps(card.decode["grids"]))[0])
    fits = len(shapes) == 2 and shapes[0] in ((1, count, 4), (1, count, 1, 4))
    if not fits or shapes[1] != (1, count, len(card.labels)):
        raise MissingWeights(
            f"the graph gives {shapes}, but the card states {count} default boxes"
            f" and {len(card.labels)} labels"
        )


def decode(outputs: list[NDArray[Any]], card: DetectorCard, frame: Frame) -> list[Region]:
    """Read the two outputs."""
    codes, logits = outputs[0].reshape(-1, 4), outputs[1][0]
    centres, sizes = _default_boxes(json.dumps(card.decode["grids"]))
    centre_variance, size_variance = card.decode["variances"]
    # Logits are compared, so that the sigmoid is computed for what passes alone.
    rows, classes = np.nonzero(logits >= _logit(card.min_score))
    scores = 1 / (1 + np.exp(-logits[rows, classes]))
    with np.errstate(over="ignore"):
        middle = codes[rows, :2] * centre_variance * sizes[rows] + centres[rows]
        half = np.exp(codes[rows, 2:] * size_variance) * sizes[rows] / 2
    boxes = np.concatenate([middle - half, middle + half], axis=1)[:, [1, 0, 3, 2]]
    height, width = frame.input
    sides = np.array([width, height] * 2, np.float32)
    return to_regions(select(boxes * sides, scores, classes, card, frame), card)


def _logit(score: float) -> float:
    """Return the input of the sigmoid whose output is `score`."""
    return -inf if score <= 0 else inf if score >= 1 else log(score / (1 - score))


@lru_cache(maxsize=8)
def _default_boxes(grids: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the centres and the sizes of all default boxes, (n, 2) each: y, x as shares."""
    centres, sizes = [], []
    for rows, columns, shapes in json.loads(grids):
        y, x = np.mgrid[:rows, :columns]
        cells = np.stack([(y + 0.5) / rows, (x + 0.5) / columns], axis=-1).reshape(-1, 2)
        centres.append(np.repeat(cells, len(shapes), axis=0))
        sizes.append(np.tile(np.array(shapes), (rows * columns, 1)))
    return (
        np.concatenate(centres).astype(np.float32),
        np.concatenate(sizes).astype(np.float32),
    )
