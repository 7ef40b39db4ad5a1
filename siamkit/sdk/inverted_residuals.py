"""Write networks of inverted residuals as ONNX graphs from their weights, without torch.

EfficientNet-Lite0 and MobileNetV2 are chains of inverted residuals (M. Sandler et al., CVPR 2018):
a narrow layer, widened, convolved plane by plane, and narrowed again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from siamkit.sdk.efficientnet_lite0 import WEIGHTS
from siamkit.sdk.graph_writer import GraphWriter
from siamkit.sdk.tensors import read_tensors

STRIDE = 32  # px of the picture for each feature of the last block, each way
STAGES = (1, 2, 2, 2, 1, 2, 1)  # strides of the first block of each stage, of both networks


@dataclass(frozen=True, slots=True)
class Network:
    """Facts about a network that its file of weights leaves out."""

    weights: Path  # named as timm names them
    mean: tuple[float, float, float]  # of the colours that it was trained on, of 255
    deviation: tuple[float, float, float]
    epsilon: float  # of its batch normalisation
    pads_end: bool  # like TensorFlow: an odd row of zeros is at the end


LITE0 = Network(WEIGHTS, (127.5,) * 3, (127.5,) * 3, 1e-3, True)


class NetworkWriter:
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
        return list(self.blocks(planes).values())[-1]

    def blocks(
        self, planes: str, *, stages: int = len(STAGES), are_named: bool = False
    ) -> dict[str, str]:
        """Append the blocks of so many stages; return the output of each.

        They are `stem`, `block1_1`, … `block7_1`. are_named: give the tensors these names, too: of
        one network in a graph.
        """
        mean, deviation = (
            np.array(values, np.float32).reshape(3, 1, 1)
            for values in (self._network.mean, self._network.deviation)
        )
        centred = self._graph.node("Sub", planes, mean)
        last = self._graph.node("Div", centred, deviation)
        convolved = self._convolution(last, "conv_stem", "bn1", stride=2)
        last = self._relu6(convolved, output="stem" if are_named else "")
        outputs = {"stem": last}
        for stage, stride in enumerate(STAGES[:stages]):
            block = 0
            while f"blocks.{stage}.{block}.conv_dw.weight" in self._weights:
                name = f"block{stage + 1}_{block + 1}"
                last = self._block(
                    last,
                    f"blocks.{stage}.{block}.",
                    stride=1 if block else stride,
                    output=name if are_named else "",
                )
                outputs[name] = last
                block += 1
        return outputs

    def last(self, features: str) -> str:
        """Append the layer after the blocks: (n, width, h / 32, w / 32)."""
        return self._relu6(self._convolution(features, "conv_head", "bn2"))

    def _block(self, before: str, name: str, *, stride: int, output: str) -> str:
        """Append an inverted residual; the first one has no expansion."""
        expands = f"{name}conv_pwl.weight" in self._weights
        last, first = before, 1
        if expands:
            last, first = self._relu6(self._convolution(last, f"{name}conv_pw", f"{name}bn1")), 2
        depthwise = self._convolution(last, f"{name}conv_dw", f"{name}bn{first}", stride=stride)
        project = f"{name}conv_pwl" if expands else f"{name}conv_pw"
        enters = self._weights[f"{name}conv_pw.weight"].shape[1]
        leaves = self._weights[f"{project}.weight"].shape[0]
        is_residual = expands and stride == 1 and enters == leaves
        last = self._convolution(
            self._relu6(depthwise),
            project,
            f"{name}bn{first + 1}",
            output="" if is_residual else output,
        )
        return self._graph.node("Add", last, before, output=output) if is_residual else last

    def _convolution(
        self, source: str, name: str, norm: str, *, stride: int = 1, output: str = ""
    ) -> str:
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
        return self._graph.node("Conv", source, folded, bias, output=output, **attributes)

    def _relu6(self, source: str, *, output: str = "") -> str:
        return self._graph.node("Clip", source, np.float32(0), np.float32(6), output=output)
