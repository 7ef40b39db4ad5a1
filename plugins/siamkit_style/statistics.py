"""Append the statistics of a layer to an ONNX graph: the style of a picture, without its content.

The Gram matrix of a layer says which of its channels respond together, and not where: L. A. Gatys,
A. S. Ecker and M. Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016.
"""

from __future__ import annotations

import numpy as np

from siamkit.sdk.graph_writer import GraphWriter


def append_gram(graph: GraphWriter, layer: str, channels: int) -> str:
    """Append the Gram matrix of a (n, channels, h, w) layer as (n, channels (channels + 1) / 2).

    Signed square roots keep a few strong channels from outweighing the others; rows have norm 1.
    """
    flat = graph.node("Reshape", layer, np.array([0, channels, -1]))
    turned = graph.node("Transpose", flat, perm=(0, 2, 1))
    gram = graph.node("MatMul", flat, turned)
    row = graph.node("Reshape", gram, np.array([0, channels * channels]))
    rows, columns = np.triu_indices(channels)
    half = graph.node("Gather", row, rows * channels + columns, axis=1)
    roots = graph.node("Sqrt", graph.node("Abs", half))
    signed = graph.node("Mul", graph.node("Sign", half), roots)
    return graph.node("LpNormalization", signed, axis=-1, p=2)
