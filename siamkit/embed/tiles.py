"""Detect in overlapping tiles and in the whole picture, for objects too small for one look.

The scheme is that of Akyon, Altinuc and Temizel, "Slicing Aided Hyper Inference and Fine-Tuning for
Small Object Detection", ICIP 2022. The merging differs: an object that a tile's edge cuts is
recognised by touching that edge, and gives way to the whole object of another tile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from siamkit.errors import BadInput
from siamkit.protocols import Detector
from siamkit.sdk import boxes
from siamkit.types import Image, Kind, Region

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MIN_SIZE = 64  # px: smaller tiles are too many, and show too little
OVERLAP = 0.25  # of a tile's side: an object up to this size is whole in some tile
EDGE = 0.0235  # of a tile's side, 6 of 256 px: a region that ends so close to its edge is cut by it
IOU = 0.5  # above it, two regions of a label are the same object
COVERED = 0.6  # of a cut region, inside another of its label: a part of that object
MOST_REGIONS = 10_000  # the best are kept: a panorama of 100 MP has some 450 tiles of 640 px
MOST_PAIRS = 1 << 20  # of boxes that are compared at once: some 50 MB
MOST_MASK_BYTES = 256 << 20  # of all masks; the weakest regions are dropped beyond


class Tiled:
    """A picture detector applied to overlapping tiles and the whole picture, then merged."""

    kind: Kind = "image"

    def __init__(self, detector: Detector[Image], size: int) -> None:
        """Wrap a detector. size: px of a tile's side. Raises BadInput below 64."""
        if size < MIN_SIZE:
            raise BadInput(f"tiles of {size} px are too small", hint=f"use {MIN_SIZE} px or more")
        if detector.kind != self.kind:
            raise BadInput(f"detector {detector.name} takes {detector.kind}, which has no tiles")
        self.name = detector.name
        self.labels: Sequence[str] = getattr(detector, "labels", ())
        self.size = size
        self._detector = detector

    def find(self, medium: Image) -> list[Region]:
        """Return the regions of the whole picture and of its tiles, best first.

        Boxes and landmarks are in px of the whole picture. Memory is bounded: of more than 10 000
        regions, or 256 MB of masks, the best are kept.
        """
        height, width = medium.pixels.shape[:2]
        regions, cut = self.collect(medium)
        rows = merge(regions, cut, width, height)
        return [regions[row] for row in rows[:MOST_REGIONS]]

    def collect(self, medium: Image) -> tuple[list[Region], list[bool]]:
        """Return the regions before merging, and True for those that a tile's edge cuts."""
        import numpy as np

        height, width = medium.pixels.shape[:2]
        regions = self._detector.find(medium)
        cut = [False] * len(regions)
        for tile in tiles(width, height, self.size):
            left, top, right, bottom = tile
            pixels = np.ascontiguousarray(medium.pixels[top:bottom, left:right])
            for region in self._detector.find(Image(pixels)):
                moved = _move(region, tile)
                regions.append(moved)
                cut.append(_is_cut(moved, tile, width, height))
            if _is_too_much(regions):
                rows = _strongest(regions)
                regions, cut = [regions[row] for row in rows], [cut[row] for row in rows]
        return regions, cut


def tiles(width: int, height: int, size: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield the tiles of a picture: left, top, right, bottom in px, evenly spread, row by row.

    Tiles overlap by a quarter of their side or more. Yields nothing if the picture fits into one.
    """
    if max(width, height) <= size:
        return
    for top in _starts(height, size):
        for left in _starts(width, size):
            yield left, top, min(left + size, width), min(top + size, height)


def _starts(length: int, size: int) -> list[int]:
    """Return where tiles start along one side of a picture."""
    if length <= size:
        return [0]
    step = size * (1 - OVERLAP)
    steps = -int(-(length - size) // step)
    return [round(number * (length - size) / steps) for number in range(steps + 1)]


def merge(regions: Sequence[Region], cut: Sequence[bool], width: int, height: int) -> list[int]:
    """Return the rows of the regions to keep, best first.

    Two regions of one label are one object if their IoU exceeds 0.5, or if one of them is cut by
    its tile's edge and lies mostly inside the other. Whole objects take precedence over cut ones,
    then the higher score.
    """
    import numpy as np

    corners = boxes.array(regions, width, height)
    scores = np.array([region.score for region in regions])
    is_cut = np.array(cut, bool)
    groups: dict[str, list[int]] = {}
    for row in np.lexsort((-scores, is_cut)).tolist():
        groups.setdefault(regions[row].label, []).append(row)
    rows: list[int] = []
    for group in groups.values():
        alive = _suppress(corners[group], is_cut[group]) if len(group) > 1 else [0]
        rows += [group[place] for place in alive]
    return sorted(rows, key=lambda row: (-scores[row], row))


def _suppress(corners: NDArray[np.float32], is_cut: NDArray[np.bool_]) -> list[int]:
    """Return the rows of boxes, best first, that repeat no better one."""
    import numpy as np

    count = len(corners)
    areas = boxes.areas(corners)
    left, top, right, bottom = np.ascontiguousarray(corners.T)
    limits = np.where(is_cut, COVERED * areas, np.inf)  # px in common with a better box
    alive = np.ones(count, bool)
    step = max(1, MOST_PAIRS // count)
    for start in range(0, count, step):
        block, rest = slice(start, start + step), slice(start, None)
        across = np.minimum(right[block, None], right[rest]) - np.maximum(
            left[block, None], left[rest]
        )
        down = np.minimum(bottom[block, None], bottom[rest]) - np.maximum(
            top[block, None], top[rest]
        )
        common = np.maximum(across, 0) * np.maximum(down, 0)
        same = IOU / (1 + IOU) * (areas[block, None] + areas[rest])  # the IoU, without a union
        repeats = common > np.minimum(same, limits[rest])
        for row in np.flatnonzero(np.count_nonzero(repeats, axis=1) > 1).tolist():  # 1: itself
            if alive[start + row]:
                alive[start + row + 1 :] &= ~repeats[row, row + 1 :]
    rows: list[int] = np.flatnonzero(alive).tolist()
    return rows


def _move(region: Region, tile: tuple[int, int, int, int]) -> Region:
    """Return a tile's region in coordinates of the picture.

    Its box is cut to the tile, as the mask is that of the pixels inside.
    """
    import numpy as np

    left, top, right, bottom = tile
    width, height = right - left, bottom - top
    box = boxes.array([region], width, height)[0].tolist()
    x0, y0, x1, y1 = boxes.clip(box, width, height)
    points = region.landmarks
    if points is not None:
        points = points + np.array([left, top], np.float32)
    where = (x0 + left, y0 + top, x1 + left, y1 + top)
    return replace(region, where=where, landmarks=points)


def _is_cut(region: Region, tile: tuple[int, int, int, int], width: int, height: int) -> bool:
    """Return True if a region ends at an edge of its tile that is inside the picture."""
    x0, y0, x1, y1 = boxes.array([region])[0].tolist()
    left, top, right, bottom = tile
    across, down = EDGE * (right - left), EDGE * (bottom - top)
    return (
        (left > 0 and x0 - left <= across)
        or (top > 0 and y0 - top <= down)
        or (right < width and right - x1 <= across)
        or (bottom < height and bottom - y1 <= down)
    )


def _is_too_much(regions: Sequence[Region]) -> bool:
    """Return True if regions take more than twice what is kept."""
    masks = sum(_mask_bytes(region) for region in regions)
    return len(regions) > 2 * MOST_REGIONS or masks > 2 * MOST_MASK_BYTES


def _mask_bytes(region: Region) -> int:
    return 0 if region.mask is None else region.mask.nbytes


def _strongest(regions: Sequence[Region]) -> list[int]:
    """Return the rows of the best regions that may be kept, in order."""
    rows: list[int] = []
    masks = 0
    for row in sorted(range(len(regions)), key=lambda row: -regions[row].score)[:MOST_REGIONS]:
        masks += _mask_bytes(regions[row])
        if masks > MOST_MASK_BYTES:
            break
        rows.append(row)
    return sorted(rows)
