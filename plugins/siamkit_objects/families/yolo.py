"""YOLO, as v5 to v11 export it: boxes in px of the input, and scores after the sigmoid.

The card's `decode`:

* `layout` of the predictions: "rows" (1, n, k); "columns" (1, k, n); "final" (1, n, k), whose boxes
  are suppressed already; or "listed" (n, 7), likewise, as v7 exports it.
* `objectness`: true if a score for "an object" stands between box and classes, and is multiplied
  with them.
* `prediction` and, for masks, `prototypes`: the numbers of the outputs.

A row has x, y, width, height; the objectness; a score per class; and a coefficient per prototype.
A final row has left, top, right, bottom, score, class, and the coefficients. A listed one has the
number of the picture, left, top, right, bottom, class, score.

The mask of a region is where the sum of the prototypes, times its coefficients, is above 0:
D. Bolya et al., "YOLACT: Real-time Instance Segmentation", ICCV 2019 (arXiv 1904.02689).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.errors import MissingWeights
from siamkit_objects.candidates import Candidates, select, to_regions
from siamkit_objects.masks import sample_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.sdk.detector_folder import DetectorCard
    from siamkit.types import Mask, Region
    from siamkit_objects.inputs import Frame

FINAL = ("final", "listed")  # layouts without boxes that repeat others


def require_fit(shapes: list[tuple[int, ...]], card: DetectorCard) -> None:
    """Raise MissingWeights unless the predictions have the columns that the card states."""
    layout, prototypes = card.decode["layout"], card.decode["prototypes"]
    shape = _shape(shapes, card.decode["prediction"])
    masks = 0 if prototypes is None else _shape(shapes, prototypes)[1]
    width = {"final": 6, "listed": 7}.get(layout, 4 + card.decode["objectness"] + len(card.labels))
    fits = (
        len(shape) == (2 if layout == "listed" else 3)
        and shape[1 if layout == "columns" else -1] == width + masks
        and (prototypes is None) == (masks == 0)
    )
    if not fits:
        raise MissingWeights(
            f"the graph gives {shapes}, but the card states {width} numbers a box, of"
            f" {len(card.labels)} labels"
        )


def _shape(shapes: list[tuple[int, ...]], number: int) -> tuple[int, ...]:
    """Return the shape of an output; zeros if there is none of that number, or it has no sides."""
    return shapes[number] if number < len(shapes) and len(shapes[number]) > 1 else (0, 0)


def decode(outputs: list[NDArray[Any]], card: DetectorCard, frame: Frame) -> list[Region]:
    """Read the predictions, and the prototypes if there are masks."""
    predictions = outputs[card.decode["prediction"]]
    layout, prototypes = card.decode["layout"], card.decode["prototypes"]
    if layout in FINAL:
        rows = predictions[:, 1:] if layout == "listed" else predictions[0]
        boxes = rows[:, :4]
        score, label = (5, 4) if layout == "listed" else (4, 5)
        scores, classes = rows[:, score], rows[:, label]
        coefficients = rows[:, 6:]
        # Rows that stand for nothing are zeros, or hold a class of -1.
        is_used = (scores >= max(card.min_score, 1e-9)) & (classes >= 0)
        boxes, scores, coefficients = boxes[is_used], scores[is_used], coefficients[is_used]
        classes = _require_known(classes[is_used].round().astype(np.int64), card)
    else:
        columns = predictions[0] if layout == "columns" else predictions[0].T
        boxes, scores, classes, rows = likeliest(columns, card)
        coefficients = columns[4 + card.decode["objectness"] + len(card.labels) :, rows].T
    candidates = select(boxes, scores, classes, card, frame)
    masks = None
    if prototypes is not None:
        picked = coefficients[candidates.rows]
        masks = _masks(candidates, picked, outputs[prototypes][0], frame)
    return to_regions(candidates, card, masks)


def likeliest(
    columns: NDArray[Any], card: DetectorCard
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.int64], NDArray[np.int64]]:
    """Return boxes, scores, classes, and the numbers of those that may reach the lowest score.

    columns: (k, n) x, y, width, height, [objectness], a score per class. The boxes are (m, 4) left,
    top, right, bottom. A box gets its likeliest class alone.
    """
    start = 4
    rows = np.arange(columns.shape[1])
    if card.decode["objectness"]:  # no class is likelier than its box
        start = 5
        rows = np.flatnonzero(columns[4] >= card.min_score)
        columns = columns[:, rows]
    per_class = columns[start : start + len(card.labels)]
    best = per_class.max(axis=0)
    if card.decode["objectness"]:
        best = best * columns[4]
    picked = np.flatnonzero(best >= card.min_score)
    middle, half = columns[:2, picked], columns[2:4, picked] / 2
    boxes = np.concatenate([middle - half, middle + half]).T
    return boxes, best[picked], per_class[:, picked].argmax(axis=0), rows[picked]


def _require_known(classes: NDArray[np.int64], card: DetectorCard) -> NDArray[np.int64]:
    if len(classes) and classes.max() >= len(card.labels):
        raise MissingWeights(
            f"the graph reports class {classes.max()}, but the card has {len(card.labels)} labels"
        )
    return classes


def _masks(
    candidates: Candidates, coefficients: NDArray[Any], prototypes: NDArray[Any], frame: Frame
) -> list[Mask | None]:
    """Return a mask per candidate. prototypes: (k, h, w) of the whole input."""
    count, height, width = prototypes.shape
    maps = (coefficients @ prototypes.reshape(count, -1)).reshape(-1, height, width)
    return [
        sample_mask(values, 0.0, box, frame)
        for values, box in zip(maps, candidates.boxes.tolist(), strict=True)
    ]
