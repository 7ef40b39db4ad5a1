"""YOLOX: a box per cell of each grid, in units of its stride, still to be decoded.

Z. Ge et al., "YOLOX: Exceeding YOLO Series in 2021" (arXiv 2107.08430). The graph has one output of
interest, (1, n, 5 + classes): x, y, width, height, objectness, and a score per class, the last two
after the sigmoid. The centre is (x, y) plus the cell's column and row, times the stride; the sides
are exp(width) and exp(height) times it. The card's `decode` has `strides`, in the order of the
output, and `prediction`, the number of the output.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.errors import MissingWeights
from siamkit_objects.candidates import select, to_regions
from siamkit_objects.families.yolo import likeliest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.sdk.detector_folder import DetectorCard
    from siamkit.types import Region
    from siamkit_objects.inputs import Frame


def require_fit(shapes: list[tuple[int, ...]], card: DetectorCard) -> None:
    """Raise MissingWeights unless there is a row per cell, with the columns of the labels."""
    (height, width), width_of_row = card.input["size"], 5 + len(card.labels)
    cells = len(_grid(height, width, tuple(card.decode["strides"]))[1])
    prediction = card.decode["prediction"]
    shape = shapes[prediction] if prediction < len(shapes) else ()
    if shape != (1, cells, width_of_row):
        raise MissingWeights(
            f"the graph gives {shapes}, but YOLOX of {len(card.labels)} labels gives"
            f" {(1, cells, width_of_row)}"
        )


def decode(outputs: list[NDArray[Any]], card: DetectorCard, frame: Frame) -> list[Region]:
    """Read the predictions."""
    rows = outputs[card.decode["prediction"]][0]
    grid, strides = _grid(*frame.input, tuple(card.decode["strides"]))
    is_likely = rows[:, 4] >= card.min_score  # no class is likelier than its box
    columns, grid, strides = rows[is_likely].T, grid[is_likely], strides[is_likely]
    with np.errstate(over="ignore"):
        middles = (columns[:2] + grid.T) * strides
        sides = np.exp(columns[2:4]) * strides
    boxes, scores, classes, _ = likeliest(np.concatenate([middles, sides, columns[4:]]), card)
    return to_regions(select(boxes, scores, classes, card, frame), card)


@lru_cache(maxsize=8)
def _grid(
    height: int, width: int, strides: tuple[int, ...]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the column and row, (n, 2), and the stride, (n,), of every cell."""
    cells, steps = [], []
    for stride in strides:
        rows, columns = np.mgrid[: height // stride, : width // stride]
        cells.append(np.stack([columns, rows], axis=-1).reshape(-1, 2))
        steps.append(np.full(rows.size, stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(steps).astype(np.float32)
