"""Candidate masks for the points of a prompt, at several scales, and the choice between them.

A point does not say how large the object is. It is looked at in windows of rising size; the extent
of some of the masks is then looked at as a box; large boxes of `objects` compete, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from siamkit.sdk import boxes
from siamkit.types import Box, Region
from siamkit_segments import windows
from siamkit_segments.network import MaskNetwork, SoftMask

if TYPE_CHECKING:
    from numpy.typing import NDArray

Point = tuple[float, float]

LARGEST = 1.5  # of the picture's longer side: the largest window; each next is smaller by 2 ** 0.5
WINDOWS = 11  # so that the smallest is a twentieth of the picture
LEAST = 16.0  # px: a smaller window shows nothing
PROPOSED = 0.2  # of the longer side: root of the area of the boxes of `objects` that compete
# The value of a candidate is its quality, and so much of its mean overlap with the others, and of
# the score of `objects`: set on half of COCO's pictures in benchmarks/masks.py.
OVERLAP, SCORE = 0.5, 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """An object that a point may mean."""

    soft: SoftMask
    box: Box  # around it
    bonus: float = 0.0
    label: str = ""


def list_candidates(
    network: MaskNetwork, pixels: NDArray[np.uint8], point: Point, proposals: Sequence[Region]
) -> list[Candidate]:
    """Return the candidates whose mask holds a point. proposals: what `objects` found."""
    height, width = pixels.shape[:2]
    longer = max(height, width)
    sides = [side for k in range(WINDOWS) if (side := LARGEST * longer / 2 ** (k / 2)) >= LEAST]
    candidates = []
    for number, soft in enumerate(network.at_point(pixels, *point, sides or [LEAST])):
        if (extent := soft.extent()) is None:
            continue
        candidates.append(Candidate(soft, extent))
        if number % 2 == 0:
            candidates.append(Candidate(network.in_box(pixels, extent), extent))
    for region in proposals:
        box = boxes.clip(region.where, width, height)  # type: ignore[arg-type]  # of a picture
        if _is_large(box, longer) and _holds(box, point):
            soft = network.in_box(pixels, box)
            candidates.append(Candidate(soft, box, SCORE * region.score, region.label))
    return [candidate for candidate in candidates if candidate.soft.at(*point) >= windows.LEVEL]


def rank(
    candidates: Sequence[Candidate], points: Sequence[Point], not_points: Sequence[Point]
) -> list[Candidate]:
    """Return candidates, best first: most points, fewest of the others, then the highest value."""
    extents = np.array([candidate.box for candidate in candidates], np.float32).reshape(-1, 4)
    qualities = np.array([candidate.soft.quality for candidate in candidates])
    support = boxes.iou(extents, extents) @ qualities / max(float(qualities.sum()), 1e-6)

    def value(row: int) -> tuple[int, float]:
        soft = candidates[row].soft
        errors = sum(soft.at(*point) < windows.LEVEL for point in points)
        errors += sum(soft.at(*point) >= windows.LEVEL for point in not_points)
        return -errors, soft.quality + OVERLAP * float(support[row]) + candidates[row].bonus

    return [candidates[row] for row in sorted(range(len(candidates)), key=value, reverse=True)]


def _is_large(box: Box, longer: int) -> bool:
    return (box[2] - box[0]) * (box[3] - box[1]) >= (PROPOSED * longer) ** 2


def _holds(box: Box, point: Point) -> bool:
    return box[0] <= point[0] < box[2] and box[1] <= point[1] < box[3]
