"""Selective search: boxes of whatever hangs together in a picture, at every size, class unknown.

J. Uijlings, K. van de Sande, T. Gevers and A. Smeulders, "Selective Search for Object Recognition",
IJCV 104 (2013). A picture is cut into small segments of even colour. The two most similar
neighbours are joined, again and again, until one segment is left; the box of every segment on the
way is a proposal.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from siamkit_objects import graph_segments

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLOURS = 25  # bins a channel, as in the paper
ORIENTATIONS, STRENGTHS = 8, 10  # bins of the texture, of each channel, as in the paper
SMOOTHING = 0.8  # px: deviation of the Gaussian before segmenting, as in the paper


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """The n small segments that grouping begins with."""

    boxes: NDArray[np.float32]  # (n, 4) left, top, right, bottom; px
    sizes: NDArray[np.float32]  # (n,) px
    histograms: NDArray[np.float32]  # (n, c + t) of colours and of textures, with sum 1 each
    neighbours: NDArray[np.int64]  # (m, 2) pairs that touch, each once
    area: int  # of the picture, px


def cut_into_segments(pixels: NDArray[np.uint8], scale: float, least: int) -> Segments:
    """Cut a picture, (h, w, 3) in any colour space, into small segments of even colour.

    scale: larger gives larger segments (Felzenszwalb's k). least: px of the smallest segment.
    """
    labels = graph_segments.cut(pixels, scale, SMOOTHING, least)
    count = int(labels.max()) + 1
    colours = _histograms(labels, count, (pixels.astype(np.int64) * COLOURS) >> 8, COLOURS)
    textures = _histograms(labels, count, _textons(pixels), ORIENTATIONS * STRENGTHS)
    across = np.stack([labels[:, :-1].ravel(), labels[:, 1:].ravel()], axis=1)
    down = np.stack([labels[:-1].ravel(), labels[1:].ravel()], axis=1)
    pairs = np.sort(np.concatenate([across, down]), axis=1)
    codes = np.unique(pairs[pairs[:, 0] != pairs[:, 1]] @ np.array([count, 1]))
    return Segments(
        _bounds(labels, count),
        np.bincount(labels.ravel(), minlength=count).astype(np.float32),
        np.concatenate([colours, textures], axis=1),
        np.stack([codes // count, codes % count], axis=1),
        labels.size,
    )


def _bounds(labels: NDArray[np.int64], count: int) -> NDArray[np.float32]:
    rows, columns = np.indices(labels.shape)
    boxes = np.empty((count, 4), np.float32)
    boxes[:, :2], boxes[:, 2:] = np.inf, 0
    for column, edge in ((0, columns), (1, rows)):
        np.minimum.at(boxes[:, column], labels, edge)
        np.maximum.at(boxes[:, column + 2], labels, edge + 1)
    return boxes


def _textons(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return each pixel's bin of gradient direction and strength, (h, w, c), in 0 .. 79."""
    grey = pixels.astype(np.float32)
    strength, angle = cv2.cartToPolar(
        cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    )
    direction = np.minimum(angle * (ORIENTATIONS / (2 * np.pi)), ORIENTATIONS - 1).astype(np.int64)
    level = np.minimum(np.log2(1 + strength), STRENGTHS - 1).astype(np.int64)
    textons: NDArray[np.int64] = direction * STRENGTHS + level
    return textons


def _histograms(
    labels: NDArray[np.int64], count: int, bins: NDArray[np.int64], total: int
) -> NDArray[np.float32]:
    """Return one histogram per segment over all channels of `bins`, in 0 .. total - 1; sum 1."""
    counts = [
        np.bincount((labels * total + bins[..., c]).ravel(), minlength=count * total)
        for c in range(bins.shape[2])
    ]
    table = np.concatenate([c.reshape(count, total) for c in counts], axis=1).astype(np.float32)
    shares: NDArray[np.float32] = table / table.sum(axis=1, keepdims=True)
    return shares


def group(segments: Segments) -> NDArray[np.float32]:
    """Join the two most similar neighbours until one segment is left.

    Returns the (m, 4) boxes of every segment that came about: left, top, right, bottom in px, first
    the small ones, last the whole picture.
    """
    count = len(segments.sizes)
    tree = _Tree(segments)
    neighbours: list[set[int]] = [set() for _ in range(2 * count - 1)]
    for left, right in segments.neighbours.tolist():
        neighbours[left].add(right)
        neighbours[right].add(left)
    queue: list[tuple[float, int, int]] = []
    for row in range(count):
        later = [neighbour for neighbour in neighbours[row] if neighbour > row]
        queue += ((-s, row, o) for s, o in zip(tree.compare(row, later), later, strict=True))
    heapq.heapify(queue)
    alive = [True] * len(neighbours)
    new = count
    while queue:
        _, left, right = heapq.heappop(queue)
        if not (alive[left] and alive[right]):
            continue
        alive[left] = alive[right] = False
        tree.join(left, right, new)
        around = sorted((neighbours[left] | neighbours[right]) - {left, right})
        neighbours[new] = set(around)
        for neighbour in around:
            neighbours[neighbour] -= {left, right}
            neighbours[neighbour].add(new)
        for s, neighbour in zip(tree.compare(new, around), around, strict=True):
            heapq.heappush(queue, (-s, neighbour, new))
        new += 1
    return tree.boxes[:new]


class _Tree:
    """Boxes, sizes and histograms of all segments, in arrays with room for those to come."""

    def __init__(self, segments: Segments) -> None:
        count = len(segments.sizes)
        total = 2 * count - 1
        self._area = segments.area
        self.boxes = np.zeros((total, 4), np.float32)
        self._sizes = np.zeros(total, np.float32)
        self._histograms = np.zeros((total, segments.histograms.shape[1]), np.float32)
        self.boxes[:count], self._sizes[:count] = segments.boxes, segments.sizes
        self._histograms[:count] = segments.histograms

    def compare(self, row: int, others: Sequence[int]) -> list[float]:
        """Return the similarity of a segment to others: of colour, texture, size and fill.

        The paper's equations 2, 4, 5 and 6, in sum. The sizes cancel out of the last two, which
        prefer small segments and such as fit together: what is left is the box round both.
        """
        if not others:
            return []
        rows = np.array(others)
        ends = np.maximum(self.boxes[rows, 2:], self.boxes[row, 2:])
        sides = ends - np.minimum(self.boxes[rows, :2], self.boxes[row, :2])
        shared = np.minimum(self._histograms[rows], self._histograms[row]).sum(axis=1)
        similarities: list[float] = (shared + 2 - sides.prod(axis=1) / self._area).tolist()
        return similarities

    def join(self, left: int, right: int, new: int) -> None:
        """Write the union of two segments to the row `new`."""
        a, b = self._sizes[left], self._sizes[right]
        self._sizes[new] = a + b
        table, boxes = self._histograms, self.boxes
        table[new] = (table[left] * a + table[right] * b) / (a + b)
        np.minimum(boxes[left, :2], boxes[right, :2], out=boxes[new, :2])
        np.maximum(boxes[left, 2:], boxes[right, 2:], out=boxes[new, 2:])
