"""The networks that paint a picture in a style, as ONNX graphs written from their weights.

Both are an encoder, residual blocks and a decoder with conditional instance normalisation: V.
Dumoulin, J. Shlens and M. Kudlur, "A Learned Representation for Artistic Style", ICLR 2017. The
scale and shift of every normalised channel are linear in the style.

Instance normalisation takes the mean and variance of each channel over the whole picture, so tiles
with statistics of their own would differ in colour. A graph that measures them returns, for every
channel, the one multiplication and addition that they come to; a graph for tiles is given these:
Thumbnail Instance Normalization, Z. Chen et al., "Towards Ultra-Resolution Neural Style Transfer
via Thumbnail Instance Normalization", AAAI 2022.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from siamkit.sdk.graph_writer import TYPES, GraphWriter, Port
from siamkit.sdk.tensors import read_tensors

if TYPE_CHECKING:
    from siamkit.sdk.onnx import Session

STRIDE = 4  # px in a cell of the residual blocks: sides of pictures are multiples of it
LEAST_SIDE = 16  # px: reflected borders are smaller than what they reflect, in every layer
EPSILON = np.array(1e-5, np.float32)  # added to variances
DOUBLED = np.array([1, 1, 2, 2], np.float32)
EVERYWHERE = (0, 2, 3)  # all but the channel
WHITE = np.array(255, np.float32)
FLOAT, BYTE = TYPES["float32"], TYPES["uint8"]
NEAREST = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
NO_MEMORY = ("Failed to allocate memory", "bad_alloc")  # in messages of onnxruntime


class Affine(NamedTuple):
    """Factor and offset of each normalised channel, both (1, channels, 1, 1) float32."""

    scale: NDArray[np.float32]
    shift: NDArray[np.float32]


@dataclass(frozen=True)  # no slots: what is opened is cached
class Painter:
    """One network. It opens its graphs on first use; threads may run them at once."""

    weights: Path

    @cached_property
    def _tensors(self) -> dict[str, NDArray[np.float32]]:
        return read_tensors(self.weights)[0]

    @cached_property
    def _whole(self) -> Session:
        return self._open(is_tile=False)

    @cached_property
    def _tile(self) -> Session:
        return self._open(is_tile=True)

    def _open(self, *, is_tile: bool) -> Session:
        from siamkit.sdk.onnx import session

        return session(write_graph(self._tensors, is_tile=is_tile))

    def modulation(self, style: NDArray[np.float32]) -> Affine:
        """Return what a style makes of normalised channels."""
        tensors = self._tensors
        rows = (style @ tensors[f"{part}.w"] + tensors[f"{part}.b"] for part in Affine._fields)
        return Affine(*(row.astype(np.float32).reshape(1, -1, 1, 1) for row in rows))

    def paint(
        self, pixels: NDArray[np.uint8], modulation: Affine
    ) -> tuple[NDArray[np.uint8], Affine]:
        """Paint (n, h, w, 3) RGB pictures, with statistics of all of them together.

        Returns them, of the same shape, and what `paint_tile` takes to go on with the same
        statistics. Sides are multiples of STRIDE, and LEAST_SIDE at least.
        """
        inputs = {"pixels": pixels, **modulation._asdict()}
        painted, scale, shift = _run(self._whole, ["painted", "scales", "shifts"], inputs)
        return painted, Affine(scale, shift)

    def paint_tile(self, pixels: NDArray[np.uint8], affine: Affine) -> NDArray[np.uint8]:
        """Paint (n, h, w, 3) RGB pictures, with the statistics of another picture."""
        inputs = {"pixels": pixels, **affine._asdict()}
        painted: NDArray[np.uint8] = _run(self._tile, ["painted"], inputs)[0]
        return painted


def _run(session: Session, outputs: list[str], inputs: dict[str, NDArray[Any]]) -> list[Any]:
    """Run a graph. Raises MemoryError, which onnxruntime has no class of its own for."""
    try:
        return session.run(outputs, inputs)
    except Exception as error:  # onnxruntime raises several classes of its own
        if any(words in str(error) for words in NO_MEMORY):
            raise MemoryError(str(error)) from error
        raise


def write_graph(tensors: Mapping[str, NDArray[np.float32]], *, is_tile: bool) -> bytes:
    """Return a network as ONNX; `is_tile`: it is given its statistics, instead of taking them."""
    writer = _LayerWriter(tensors, is_tile)
    graph = writer.graph
    planes = graph.node("Cast", graph.node("Transpose", "pixels", perm=(0, 3, 1, 2)), to=FLOAT)
    x = graph.node("Div", planes, WHITE)
    for number, stride in enumerate((1, 2, 2)):
        x = writer.convolve(x, f"contract.{number}", stride=stride)
    block = 0
    while f"residual.{block}.0.w" in tensors:
        y = writer.convolve(x, f"residual.{block}.0")
        y = writer.convolve(y, f"residual.{block}.1", is_rectified=False)
        x, block = graph.node("Add", x, y), block + 1
    for number in range(2):
        doubled = graph.node("Resize", x, "", DOUBLED, mode="nearest", **NEAREST)
        x = writer.convolve(doubled, f"expand.{number}")
    x = graph.node("Sigmoid", writer.convolve(x, "expand.2", is_rectified=False))
    rounded = graph.node("Cast", graph.node("Round", graph.node("Mul", x, WHITE)), to=BYTE)
    graph.node("Transpose", rounded, output="painted", perm=(0, 2, 3, 1))
    writer.finish()
    pixels = ("n", "h", "w", 3)
    inputs = [Port("pixels", "uint8", pixels)]
    inputs += [Port(part, "float32", (1, writer.channels, 1, 1)) for part in Affine._fields]
    outputs = [Port("painted", "uint8", pixels)]
    outputs += [] if is_tile else [Port(f"{part}s", "float32", None) for part in Affine._fields]
    return graph.model("painter", inputs, outputs)


@dataclass(slots=True)
class _LayerWriter:
    """Appends layers of a network; their normalised channels are numbered through."""

    tensors: Mapping[str, NDArray[np.float32]]
    is_tile: bool
    graph: GraphWriter = field(default_factory=GraphWriter)
    channels: int = 0  # normalised, so far
    affines: list[tuple[str, str]] = field(default_factory=list)

    def convolve(self, x: str, name: str, *, stride: int = 1, is_rectified: bool = True) -> str:
        """Append a convolution, of the size of its input / stride, normalised if it has no bias."""
        kernel = self.tensors[f"{name}.w"]
        border = kernel.shape[2] // 2
        bordered = self.graph.node("Pad", x, np.array([0, 0, border, border] * 2), mode="reflect")
        bias = [self.tensors[f"{name}.b"]] if f"{name}.b" in self.tensors else []
        y = self.graph.node("Conv", bordered, kernel, *bias, strides=(stride, stride))
        if not bias:
            y = self._normalise(y, len(kernel))
        return self.graph.node("Relu", y) if is_rectified else y

    def _normalise(self, x: str, channels: int) -> str:
        graph = self.graph
        start, stop = np.array([self.channels]), np.array([self.channels + channels])
        self.channels += channels
        scale, shift = (
            graph.node("Slice", part, start, stop, np.array([1])) for part in Affine._fields
        )
        if not self.is_tile:
            mean = graph.node("ReduceMean", x, axes=EVERYWHERE, keepdims=1)
            off = graph.node("Sub", x, mean)
            square = graph.node("Mul", off, off)
            variance = graph.node("ReduceMean", square, axes=EVERYWHERE, keepdims=1)
            deviation = graph.node("Sqrt", graph.node("Add", variance, EPSILON))
            scale = graph.node("Div", scale, deviation)
            shift = graph.node("Sub", shift, graph.node("Mul", mean, scale))
            self.affines.append((scale, shift))
        return graph.node("Add", graph.node("Mul", x, scale), shift)

    def finish(self) -> None:
        """Append the outputs about the statistics."""
        for part, names in zip(Affine._fields, zip(*self.affines, strict=True), strict=False):
            self.graph.node("Concat", *names, output=f"{part}s", axis=1)
