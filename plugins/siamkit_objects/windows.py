"""The region detector `sliding-window`: windows of several scales and shapes."""

from __future__ import annotations

from math import ceil, sqrt

from siamkit.types import Image, Region

# Sides as a share of the picture's, shapes (width / height), overlap of neighbours. Of a few such
# grids of about 150 windows, this one met the most boxes of objects and of logos.
GRIDS = (
    (0.9, (1.0, 0.5, 2.0), 0.5),
    (0.6, (1.0, 0.5, 2.0), 0.33),
    (0.4, (1.0, 0.5, 2.0), 0.33),
    (0.27, (1.0, 2.0), 0.25),
    (0.18, (1.0,), 0.0),
)
MOST = 150
MIN_SIDE = 16  # px: a smaller picture is one window


class SlidingWindow:
    """At most 150 windows over the picture, largest first, at five scales.

    They know nothing of what they show: a score is the square root of the window's share of the
    picture, so it falls with the size.
    """

    name = "sliding-window"
    kind = "image"
    approximate = True

    def find(self, medium: Image) -> list[Region]:
        """Return the windows, largest first; the whole of a picture under 16 px."""
        height, width = medium.pixels.shape[:2]
        if min(height, width) < MIN_SIDE:
            return [Region(where=(0.0, 0.0, float(width), float(height)))]
        windows = {
            window: None
            for scale, shapes, overlap in GRIDS
            for shape in shapes
            for window in _grid(width, height, scale, shape, overlap)
        }
        regions = [
            Region((left, top, right, bottom), _share(right - left, bottom - top, width, height))
            for left, top, right, bottom in windows
        ]
        return sorted(regions, key=lambda region: -region.score)[:MOST]


def _grid(
    width: int, height: int, scale: float, shape: float, overlap: float
) -> list[tuple[float, float, float, float]]:
    """Return equal windows, evenly spread over a picture, row by row, in whole px."""
    side = scale * sqrt(width * height)
    across = max(1, min(width, round(side * sqrt(shape))))
    down = max(1, min(height, round(side / sqrt(shape))))
    return [
        (float(left), float(top), float(left + across), float(top + down))
        for top in _starts(height, down, overlap)
        for left in _starts(width, across, overlap)
    ]


def _starts(length: int, window: int, overlap: float) -> list[int]:
    """Return where windows start along one side; one alone is in the middle."""
    steps = max(0, ceil((length - window) / (window * (1 - overlap)) - 0.5))
    if not steps:
        return [(length - window) // 2]
    return [round(step * (length - window) / steps) for step in range(steps + 1)]


def _share(across: float, down: float, width: int, height: int) -> float:
    return sqrt(across * down / (width * height))
