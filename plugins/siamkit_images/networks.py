"""The encoders of the shipped networks as ONNX graphs, written from their weights without torch.

The last layers of a network of ImageNet's keep what tells its 1,000 classes apart; the features
before them keep more of a mark's shape, and where in the crop it is. See docs/regions.md for what
that is worth on logos.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from siamkit.sdk import efficientnet_lite0
from siamkit.sdk.graph_writer import TYPES, GraphWriter, Port
from siamkit.sdk.inverted_residuals import LITE0, STRIDE, Network, NetworkWriter
from siamkit.sdk.model_folder import Card, write_folder
from siamkit.sdk.picture_recipe import PREPARED

MOBILENET = Network(
    Path(__file__).with_name("mobilenet_v2.safetensors"),
    (123.675, 116.28, 103.53),
    (58.395, 57.12, 57.375),
    1e-5,
    False,
)


@dataclass(frozen=True, slots=True)
class Design:
    """Input and parts of the vectors of one of the encoders; the parts count alike."""

    side: int  # px of its square input
    crop: float
    mode: str  # this, crop and interpolation: see siamkit.sdk.picture_recipe.Recipe
    interpolation: str
    has_cells: bool  # features of both networks, averaged in 2 x 2 cells
    has_last: bool  # the last layer of EfficientNet-Lite0, averaged

    def preprocessing(self) -> dict[str, Any]:
        return {
            "size": [self.side, self.side],
            "crop": self.crop,
            "mode": self.mode,
            "interpolation": self.interpolation,
            "fill": [128, 128, 128],
            "prepared": PREPARED,
        }


DESIGNS = {
    efficientnet_lite0.NAME: Design(224, 0.875, "center", "bicubic", False, True),
    # Crops: all of it is seen, since a logo is wide, and its ends tell most. 224 px distinguished
    # logos no better than 128, and take 3 times as long.
    "detail": Design(128, 1.0, "squash", "bilinear", True, False),
    # Whole photographs: what matters is in the middle, and is a thing, not a mark.
    "fused": Design(224, 0.875, "center", "bicubic", True, True),
}


def build(folder: Path, card: Card) -> None:
    """Write the folder of the encoder that the card names; fill in its dim and preprocessing.

    Raises MissingWeights.
    """
    design = DESIGNS[card.name]
    graph = GraphWriter()
    planes = graph.node("Transpose", "pixels", perm=(0, 3, 1, 2))
    planes = graph.node("Cast", planes, to=TYPES["float32"])
    lite = NetworkWriter(graph, LITE0)
    features = lite.features(planes)
    parts = [_cells(graph, features, design.side)] if design.has_cells else []
    if design.has_last:
        mean = graph.node("GlobalAveragePool", lite.last(features))
        parts.append(_unit_row(graph, mean))
    if design.has_cells:
        parts.append(_cells(graph, NetworkWriter(graph, MOBILENET).features(planes), design.side))
    joined = graph.node("Concat", *parts, axis=1)
    graph.node("LpNormalization", joined, output="vectors", axis=-1, p=2)

    dim = lite.width * design.has_last + 2 * 4 * lite.depth * design.has_cells
    pixels = Port("pixels", "uint8", ("n", design.side, design.side, 3))
    content = graph.model(card.name, [pixels], [Port("vectors", "float32", ("n", dim))])
    write_folder(folder, content, replace(card, dim=dim, preprocessing=design.preprocessing()))


def _cells(graph: GraphWriter, features: str, side: int) -> str:
    """Append a row of the features in 2 x 2 cells, averaged in each."""
    cell = side // STRIDE // 2
    reach = side // STRIDE - cell  # of an odd number of features, both cells have the middle
    shape, strides = (reach, reach), (cell, cell)
    return _unit_row(
        graph, graph.node("AveragePool", features, kernel_shape=shape, strides=strides)
    )


def _unit_row(graph: GraphWriter, features: str) -> str:
    row = graph.node("Flatten", features, axis=1)
    return graph.node("LpNormalization", row, axis=-1, p=2)
