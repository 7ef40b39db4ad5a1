"""Place labels in a picture so that none covers another one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from siamkit.types import Box

Plate: TypeAlias = tuple[int, int, int, int]  # left, top, right, bottom; px, the last two included
COVERED = 0.15  # of another region that a label may cover where it can be shortened


class Places:
    """The labels of one picture: each is beside its box if there is room, else near it."""

    def __init__(self, width: int, height: int, regions: Sequence[Box] = ()) -> None:
        self.width, self.height = width, height  # px
        self._taken: list[Plate] = []
        self._regions = np.array(regions, np.float64).reshape(-1, 4)  # px

    def take(self, box: Box, width: int, height: int, *, anywhere: bool = True) -> Plate | None:
        """Reserve the best free place for a label of a box; None if there is none.

        A place that covers little of the other regions is better. anywhere: also one that covers
        much of them, or is away from the box.
        """
        if width > self.width or height > self.height:
            return None
        beside = (self._inside(x, y, width, height) for x, y in self._beside(box, width, height))
        free = [plate for plate in beside if self._is_free(plate)]
        obstacles = self._others(box)
        shares = {plate: _covered_share(plate, obstacles) for plate in free}
        plate = min(free, key=shares.__getitem__, default=None)
        if anywhere:
            plate = plate or self._nearest(box, width, height)
        elif plate and shares[plate] > COVERED:
            return None
        if plate:
            self._taken.append(plate)
        return plate

    def _others(self, box: Box) -> NDArray[np.float64]:
        """Return the regions but this one and those that it lies in."""
        left, top, right, bottom = self._regions.T
        around = (left <= box[0]) & (top <= box[1]) & (right >= box[2]) & (bottom >= box[3])
        return self._regions[~around]

    def leader(self, plate: Plate, box: Box) -> tuple[float, float, float, float] | None:
        """Return a line from a label to its box; None if they touch."""
        left, top, right, bottom = box
        ends = [
            (min(max(low, (a + b) / 2), high), (a + b) / 2)
            for low, high, a, b in (
                (left, right, plate[0], plate[2]),
                (top, bottom, plate[1], plate[3]),
            )
        ]
        gap_x = max(plate[0] - right, left - plate[2])
        gap_y = max(plate[1] - bottom, top - plate[3])
        if max(gap_x, gap_y) <= 2:
            return None
        (x, from_x), (y, from_y) = ends
        return from_x, from_y, x, y

    @staticmethod
    def _beside(box: Box, width: int, height: int) -> list[tuple[float, float]]:
        """Return the left top corners of the places at a box, the most readable first."""
        left, top, right, bottom = box
        above, below = top - height, bottom
        return [
            (left, above),
            (right - width, above),
            (left, below),
            (right - width, below),
            (left, top),
            (right - width, top),
            (left, bottom - height),
            (right - width, bottom - height),
            (right, top),
            (left - width, top),
            (right, bottom - height),
            (left - width, bottom - height),
        ]

    def _nearest(self, box: Box, width: int, height: int) -> Plate | None:
        """Return the free place nearest to the left top corner of a box, on a grid."""
        step = max(1, height // 2)
        tops = np.arange(0.0, self.height - height + 1, step)[:, None]
        lefts = np.arange(0.0, self.width - width + 1, step)[None]
        distances = (tops - box[1]) ** 2 + (lefts - box[0]) ** 2
        for left, top, right, bottom in self._taken:
            rows = (tops <= bottom) & (tops + height > top)
            distances[rows & (lefts <= right) & (lefts + width > left)] = np.inf
        row, column = np.unravel_index(distances.argmin(), distances.shape)
        if not np.isfinite(distances[row, column]):
            return None
        return self._inside(lefts[0, column], tops[row, 0], width, height)

    def _inside(self, x: float, y: float, width: int, height: int) -> Plate:
        """Return a label's place, moved into the picture."""
        left = min(max(0, round(float(x))), self.width - width)
        top = min(max(0, round(float(y))), self.height - height)
        return left, top, left + width - 1, top + height - 1

    def _is_free(self, plate: Plate) -> bool:
        return all(
            plate[2] < other[0] or other[2] < plate[0] or plate[3] < other[1] or other[3] < plate[1]
            for other in self._taken
        )


def _covered_share(plate: Plate, regions: NDArray[np.float64]) -> float:
    """Return the share of the most covered one of n regions that a label covers."""
    left, top, right, bottom = regions.T
    wide = np.minimum(right, plate[2]) - np.maximum(left, plate[0])
    high = np.minimum(bottom, plate[3]) - np.maximum(top, plate[1])
    areas = ((right - left) * (bottom - top)).clip(min=1)
    return float((wide.clip(min=0) * high.clip(min=0) / areas).max(initial=0.0))
