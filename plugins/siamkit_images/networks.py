"""The encoders of the shipped networks as ONNX graphs, written from their weights without torch.

EfficientNet-Lite0 and MobileNetV2 are chains of inverted residuals (M. Sandler et al., CVPR 2018).
The last layers of a network of ImageNet's keep what tells its 1,000 classes apart; the features
before them keep more of a mark's shape, and where in the crop it is. See docs/regions.md for what
that is worth on logos.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from siamkit.sdk import efficientnet_lite0
from siamkit.sdk.graph_writer import TYPES, GraphWriter, Port
from siamkit.sdk.model_folder import Card, write_folder
from siamkit.sdk.tensors import read_tensors
from siamkit_images.prepare import PREPARED

STRIDE = 32  # px of the picture for each feature, each way
STAGES = (1, 2, 2, 2, 1, 2, 1)  # strides of the first block of each stage, of both networks


@dataclass(frozen=True, slots=True)
class Network:
    """Facts about a network that its file of weights leaves out."""

    weights: Path  # named as timm names them
    mean: tuple[float, float, float]  # of the colours that it was trained on, of 255
    deviation: tuple[float, float, float]
    epsilon: float  # of its batch normalisation
    pads_end: bool  # like TensorFlow: an odd row of zeros is at the end


LITE0 = Network(efficientnet_lite0.WEIGHTS, (127.5,) * 3, (127.5,) * 3, 1e-3, True)
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
    mode: str  # this, crop and interpolation: see siamkit_images.prepare.Recipe
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
    lite = _Writer(graph, LITE0)
    features = lite.features(planes)
    parts = [_cells(graph, features, design.side)] if design.has_cells else []
    if design.has_last:
        mean = graph.node("GlobalAveragePool", lite.last(features))
        parts.append(_unit_row(graph, mean))
    if design.has_cells:
        parts.append(_cells(graph, _Writer(graph, MOBILENET).features(planes), design.side))
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


class _Writer:
    """Appends a network's layers to a graph; batch normalisation is folded into its kernels."""

    def __init__(self, graph: GraphWriter, network: Network) -> None:
        self._graph, self._network = graph, network
        self._weights = read_tensors(network.weights)[0]
        self.depth = len(self._weights["blocks.6.0.bn3.weight"])  # of the features

    @property
    def width(self) -> int:
        """Numbers of the last layer, for each place."""
        return len(self._weights["bn2.weight"])

    def features(self, planes: str) -> str:
        """Append all blocks: (n, 3, h, w) float32 in 0 … 255 to (n, depth, h / 32, w / 32)."""
        mean, deviation = (
            np.array(values, np.float32).reshape(3, 1, 1)
            for values in (self._network.mean, self._network.deviation)
        )
        centred = self._graph.node("Sub", planes, mean)
        last = self._graph.node("Div", centred, deviation)
        last = self._relu6(self._convolution(last, "conv_stem", "bn1", stride=2))
        for stage, stride in enumerate(STAGES):
            block = 0
            while f"blocks.{stage}.{block}.conv_dw.weight" in self._weights:
                last = self._block(last, f"blocks.{stage}.{block}.", 1 if block else stride)
                block += 1
        return last

    def last(self, features: str) -> str:
        """Append the layer after the blocks: (n, width, h / 32, w / 32)."""
        return self._relu6(self._convolution(features, "conv_head", "bn2"))

    def _block(self, before: str, name: str, stride: int) -> str:
        """Append an inverted residual; the first one has no expansion."""
        expands = f"{name}conv_pwl.weight" in self._weights
        last, first = before, 1
        if expands:
            last, first = self._relu6(self._convolution(last, f"{name}conv_pw", f"{name}bn1")), 2
        depthwise = self._convolution(last, f"{name}conv_dw", f"{name}bn{first}", stride=stride)
        project = f"{name}conv_pwl" if expands else f"{name}conv_pw"
        last = self._convolution(self._relu6(depthwise), project, f"{name}bn{first + 1}")
        enters = self._weights[f"{name}conv_pw.weight"].shape[1]
        leaves = self._weights[f"{project}.weight"].shape[0]
        is_residual = expands and stride == 1 and enters == leaves
        return self._graph.node("Add", last, before) if is_residual else last

    def _convolution(self, source: str, name: str, norm: str, *, stride: int = 1) -> str:
        """Append a convolution and its batch normalisation as one. Only depthwise ones group."""
        kernel = self._weights[f"{name}.weight"]
        scale, shift, mean, variance = (
            self._weights[f"{norm}.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        gain = scale / np.sqrt(variance + self._network.epsilon)
        folded = (kernel * gain[:, None, None, None]).astype(np.float32)
        bias = (shift - mean * gain).astype(np.float32)
        size = kernel.shape[2]
        groups = len(kernel) if name.endswith("conv_dw") else 1
        attributes: dict[str, Any] = {
            "kernel_shape": (size, size),
            "strides": (stride, stride),
            "group": groups,
        }
        if self._network.pads_end:
            attributes["auto_pad"] = "SAME_UPPER"
        else:
            attributes["pads"] = (size // 2,) * 4
        return self._graph.node("Conv", source, folded, bias, **attributes)

    def _relu6(self, source: str) -> str:
        return self._graph.node("Clip", source, np.float32(0), np.float32(6))
