"""Append the statistics of a layer to an ONNX graph: the style of a picture, without its content.

The Gram matrix of a layer says which of its channels respond together, and not where: L. A. Gatys,
A. S. Ecker and M. Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016.
Means and deviations are its cheapest part: X. Huang and S. Belongie, "Arbitrary Style Transfer in
Real-time with Adaptive Instance Normalization", ICCV 2017.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamkit.sdk.graph_writer import GraphWriter
from siamkit.sdk.picture_recipe import PREPARED

SIDE = 256  # px of the square input
MOST_CHANNELS = 32  # of a Gram matrix; those of a wider layer are projected to so many
PREPROCESSING: dict[str, Any] = {
    "size": [SIDE, SIDE],
    "crop": 1.0,
    "mode": "center",
    "interpolation": "bicubic",
    "fill": [128, 128, 128],
    "prepared": PREPARED,
}


def projection(channels: int) -> NDArray[np.float32]:
    """Return (channels, k) signs, drawn from a fixed seed, that nearly keep distances.

    D. Achlioptas, "Database-friendly random projections", 2003. One if no fewer channels are kept.
    """
    if channels <= MOST_CHANNELS:
        return np.eye(channels, dtype=np.float32)
    signs = np.random.default_rng(channels).integers(0, 2, (channels, MOST_CHANNELS))
    scaled: NDArray[np.float32] = ((2 * signs - 1) / np.sqrt(channels)).astype(np.float32)
    return scaled


def gram_size(channels: int) -> int:
    """Return the number of values that `append_gram` makes of a layer."""
    rows = min(channels, MOST_CHANNELS)
    return rows * (rows + 1) // 2


def append_gram(graph: GraphWriter, layer: str, channels: int) -> str:
    """Append the Gram matrix of a (n, channels, h, w) layer as (n, gram_size(channels)).

    Signed square roots keep a few strong channels from outweighing the others; rows have norm 1.
    """
    matrix = projection(channels)
    width = matrix.shape[1]
    flat = graph.node("Reshape", layer, np.array([0, channels, -1]))
    narrow = graph.node("MatMul", matrix.T.copy(), flat) if width < channels else flat
    turned = graph.node("Transpose", narrow, perm=(0, 2, 1))
    gram = graph.node("MatMul", narrow, turned)
    row = graph.node("Reshape", gram, np.array([0, width * width]))
    rows, columns = np.triu_indices(width)
    half = graph.node("Gather", row, rows * width + columns, axis=1)
    roots = graph.node("Sqrt", graph.node("Abs", half))
    signed = graph.node("Mul", graph.node("Sign", half), roots)
    return graph.node("LpNormalization", signed, axis=-1, p=2)


def append_moments(graph: GraphWriter, layer: str) -> str:
    """Append the means and deviations of the channels of a (n, channels, h, w) layer.

    Returns (n, 2 channels) rows of norm 1.
    """
    mean = graph.node("ReduceMean", layer, axes=(2, 3), keepdims=0)
    square = graph.node("ReduceMean", graph.node("Mul", layer, layer), axes=(2, 3), keepdims=0)
    variance = graph.node("Sub", square, graph.node("Mul", mean, mean))
    deviation = graph.node("Sqrt", graph.node("Max", variance, np.float32(0)))  # of rounding, below
    row = graph.node("Concat", mean, deviation, axis=1)
    return graph.node("LpNormalization", row, axis=-1, p=2)
