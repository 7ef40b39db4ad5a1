"""Localisers: one answer per picture, the textbook's y = [p, bx, by, bh, bw, c1 … ck].

The graph has one output, (1, 5 + k): the probability p that an object is there, its box's centre,
height and width as shares of the input's sides, and the probabilities of its k labels. The score
of the region is p times that of the likeliest label. `siamkit train --localise` makes them.
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
    """Raise MissingWeights unless the one output has five numbers and one per label."""
    if shapes != [(1, 5 + len(card.labels))]:
        raise MissingWeights(
            f"the graph gives {shapes}, but a localiser of {len(card.labels)} labels"
            f" gives {[(1, 5 + len(card.labels))]}"
        )


def decode(outputs: list[NDArray[Any]], card: DetectorCard, frame: Frame) -> list[Region]:
    """Read the one output."""
    presence, x, y, box_height, box_width = outputs[0][0, :5]
    labels = outputs[0][0, 5:]
    height, width = frame.input
    half = np.array([box_width, box_height]) / 2
    middle = np.array([x, y])
    box = np.concatenate([middle - half, middle + half]) * np.array([width, height] * 2)
    best = np.array([labels.argmax()])
    return to_regions(select(box[None], presence * labels[best], best, card, frame), card)
