"""From the boxes that a network proposes to regions: suppressed, clipped, sorted and labelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.sdk import boxes as sdk_boxes
from siamkit.types import Region

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.sdk.detector_folder import DetectorCard
    from siamkit.types import Mask
    from siamkit_objects.inputs import Frame

MOST = 4096  # candidates that are suppressed; of more, the best. The time grows with their square


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """n boxes of a network, in px of the picture, inside it and not empty."""

    boxes: NDArray[np.float32]  # (n, 4) left, top, right, bottom
    scores: NDArray[np.float32]  # (n,)
    classes: NDArray[np.int64]  # (n,) indices into the card's labels
    rows: NDArray[np.int64]  # (n,) indices into the arrays that `select` was given


def select(
    boxes: NDArray[Any],
    scores: NDArray[Any],
    classes: NDArray[Any],
    card: DetectorCard,
    frame: Frame,
) -> Candidates:
    """Drop weak, empty and repeated boxes, and sort the others, best first.

    boxes: (n, 4) left, top, right, bottom in px of the network's input; NaN and Inf are dropped.
    scores, classes: (n,). Boxes of a class that overlap by more than the card's `iou` repeat a
    better one; without an `iou`, none does.
    """
    height, width = frame.picture
    with np.errstate(invalid="ignore", over="ignore"):
        placed = np.clip(frame.to_picture(boxes), 0, np.array([width, height] * 2, np.float32))
        is_usable = (
            (scores >= card.min_score)
            & (placed[:, 2] > placed[:, 0])
            & (placed[:, 3] > placed[:, 1])
        )  # False for NaN
    rows = np.flatnonzero(is_usable)
    rows = rows[np.argsort(-scores[rows], kind="stable")][:MOST]
    if card.iou is not None:
        groups = classes[rows]
        rows = rows[sdk_boxes.suppress(placed[rows], scores[rows], card.iou, groups)]
    rows = rows[: card.max_regions]
    return Candidates(placed[rows], scores[rows], classes[rows], rows)


def to_regions(
    candidates: Candidates, card: DetectorCard, masks: Sequence[Mask | None] | None = None
) -> list[Region]:
    """Return candidates as regions, in their order. masks: one per candidate, of its box."""
    scores = np.clip(candidates.scores, 0, 1).tolist()
    rows = zip(candidates.boxes.tolist(), scores, candidates.classes.tolist(), strict=True)
    return [
        Region(
            where=(left, top, right, bottom),
            score=score,
            mask=masks[number] if masks else None,
            label=card.labels[index],
        )
        for number, ((left, top, right, bottom), score, index) in enumerate(rows)
    ]
