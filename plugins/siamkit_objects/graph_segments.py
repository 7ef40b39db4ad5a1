"""Cut a picture into segments of even colour.

P. Felzenszwalb and D. Huttenlocher, "Efficient Graph-Based Image Segmentation", IJCV 59 (2004).
Segments are those of scikit-image's `felzenszwalb`, whose packages would take 57 MB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PARTS = 4  # of the edges: before each, numpy leaves out those inside a segment


def cut(pixels: NDArray[np.uint8], scale: float, smoothing: float, least: int) -> NDArray[np.int64]:
    """Return each pixel's segment, (h, w), numbered from 0.

    pixels: (h, w, c) in any colour space. scale: larger gives larger segments (the paper's k).
    smoothing: deviation of the Gaussian before, px. least: px of the smallest segment.
    """
    edges, costs = _edges(pixels, smoothing)
    parents = np.arange(pixels.shape[0] * pixels.shape[1])
    sizes, limits = [1] * len(parents), [scale / 255] * len(parents)  # of segments, by their roots
    for part in np.array_split(np.arange(len(edges)), PARTS):
        parents = _join_even(parents, edges[part], costs[part], (sizes, limits), scale / 255)
    parents = _join_small(parents, edges, sizes, least)
    numbers = np.unique(parents, return_inverse=True)[1]
    return numbers.reshape(pixels.shape[:2]).astype(np.int64)


def _edges(
    pixels: NDArray[np.uint8], smoothing: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return pairs of neighbours, (n, 2), and the distances of their colours, rising."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(pixels / 255.0, sigma=(smoothing, smoothing, 0))
    numbers = np.arange(smooth.shape[0] * smooth.shape[1]).reshape(smooth.shape[:2])
    after, before, every = slice(1, None), slice(None, -1), slice(None)
    ends = [  # right, below, below on the right, above on the right
        ((every, after), (every, before)),
        ((after, every), (before, every)),
        ((after, after), (before, before)),
        ((before, after), (after, before)),
    ]
    distances = [np.sqrt(((smooth[a] - smooth[b]) ** 2).sum(axis=2)).ravel() for a, b in ends]
    pairs = [np.stack([numbers[a].ravel(), numbers[b].ravel()], axis=1) for a, b in ends]
    costs = np.concatenate(distances)
    order = np.argsort(costs)
    return np.concatenate(pairs)[order], costs[order]


def _join_even(
    parents: NDArray[np.int64],
    edges: NDArray[np.int64],
    costs: NDArray[np.float64],
    segments: tuple[list[int], list[float]],
    scale: float,
) -> NDArray[np.int64]:
    """Join two segments where an edge between them costs less than the limits of both.

    parents: (pixels,) the root of each one's segment; a new array. segments: sizes and limits by
    root. A limit is the dearest edge inside, and a share of the scale that falls with the size.
    """
    sizes, limits = segments
    roots = parents.tolist()
    between = parents[edges[:, 0]] != parents[edges[:, 1]]
    lefts, rights = edges[between].T.tolist()
    for a, b, cost in zip(lefts, rights, costs[between].tolist(), strict=True):
        while a != roots[a]:
            roots[a] = a = roots[roots[a]]
        while b != roots[b]:
            roots[b] = b = roots[roots[b]]
        if a != b and cost < limits[a] and cost < limits[b]:
            if b < a:
                a, b = b, a
            roots[b] = a
            sizes[a] += sizes[b]
            limits[a] = cost + scale / sizes[a]
    return _flat(np.array(roots))


def _join_small(
    parents: NDArray[np.int64], edges: NDArray[np.int64], sizes: list[int], least: int
) -> NDArray[np.int64]:
    """Join segments of fewer than `least` pixels to the neighbour that is most alike."""
    roots = parents.tolist()
    between = parents[edges[:, 0]] != parents[edges[:, 1]]
    for left, right in edges[between].tolist():
        a, b = _root(roots, left), _root(roots, right)
        if a != b and (sizes[a] < least or sizes[b] < least):
            first, last = min(a, b), max(a, b)
            roots[last] = first
            sizes[first] = sizes[a] + sizes[b]
    return _flat(np.array(roots))


def _root(roots: list[int], pixel: int) -> int:
    while roots[pixel] != pixel:
        roots[pixel] = roots[roots[pixel]]
        pixel = roots[pixel]
    return pixel


def _flat(parents: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the root of each pixel, given a parent of each."""
    while not np.array_equal(above := parents[parents], parents):
        parents = above
    return parents
