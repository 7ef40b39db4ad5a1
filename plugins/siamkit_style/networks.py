"""The encoder of shipped weights as an ONNX graph, written without torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from siamkit.sdk.graph_writer import TYPES, GraphWriter, Port
from siamkit.sdk.inverted_residuals import LITE0, NetworkWriter
from siamkit.sdk.model_folder import Card, write_folder
from siamkit.sdk.picture_recipe import PREPARED
from siamkit_style.statistics import append_gram

SIDE = 256  # px of the square input
LAYERS = {"block2_2": 24, "block3_2": 40}  # channels of each
PREPROCESSING: dict[str, Any] = {
    "size": [SIDE, SIDE],
    "crop": 1.0,
    "mode": "center",
    "interpolation": "bicubic",
    "fill": [128, 128, 128],
    "prepared": PREPARED,
}


def build(folder: Path, card: Card) -> None:
    """Write the folder of the encoder `gram`; fill in the card's dim and preprocessing.

    Raises MissingWeights.
    """
    graph = GraphWriter()
    planes = graph.node("Transpose", "pixels", perm=(0, 3, 1, 2))
    planes = graph.node("Cast", planes, to=TYPES["float32"])
    blocks = NetworkWriter(graph, LITE0).blocks(planes, are_named=True)
    grams = [append_gram(graph, blocks[name], width) for name, width in LAYERS.items()]
    joined = graph.node("Concat", *grams, axis=1)
    graph.node("LpNormalization", joined, output="vectors", axis=-1, p=2)
    dim = sum(width * (width + 1) // 2 for width in LAYERS.values())
    pixels = Port("pixels", "uint8", ("n", SIDE, SIDE, 3))
    content = graph.model(card.name, [pixels], [Port("vectors", "float32", ("n", dim))])
    write_folder(folder, content, replace(card, dim=dim, preprocessing=PREPROCESSING))
