"""dlib's face recognition network as an ONNX graph, built from the layers in its weight file.

The network is a ResNet of 29 convolutions (D. E. King, "High Quality Face Recognition with Deep
Metric Learning", dlib blog, 2017; dlib's example `dnn_face_recognition_ex.cpp`). Its depth, widths
and strides are read from the file; only the shape of a residual block is fixed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import MissingWeights
from siamkit_faces.dlibfile import Layer

if TYPE_CHECKING:
    import onnx

Attributes: TypeAlias = dict[str, int | list[int]]

OPSET, IR_VERSION = 17, 8  # opset 17 came with IR 8; every ONNX Runtime since 1.12 reads them
INPUT, OUTPUT = "chips", "descriptor"
DIVISOR = 256  # of dlib's input layer: not 255


class Value(NamedTuple):
    """A tensor in the graph: its name and (channels, rows, columns), without the batch."""

    name: str
    shape: tuple[int, int, int]


def build(layers: list[Layer]) -> bytes:
    """Build the graph: chips (n, 150, 150, 3) uint8 RGB to dlib's descriptors (n, 128) float32.

    Mean and scale of the input, and every affine layer, are folded into the adjacent convolution.
    Raises MissingWeights if the layers are not those of that network.
    """
    try:
        return _build(layers)
    except (IndexError, ValueError, TypeError, AttributeError) as error:
        raise MissingWeights(f"not dlib's face recognition network: {error}") from error


def _build(layers: list[Layer]) -> bytes:
    from onnx import TensorProto, helper

    source, convolution, affine, _, pool, *body, _, dense = layers
    rows, columns = source.sizes
    graph = _Graph()
    numbers = graph.node("Cast", [INPUT], {"to": TensorProto.FLOAT})
    planes = graph.node("Transpose", [numbers], {"perm": [0, 3, 1, 2]})
    last = Value(planes, (3, rows, columns))
    last = graph.relu(graph.convolution(last, convolution, affine, source.means))
    last = graph.pool("MaxPool", last, pool)
    while body:
        end = [layer.name for layer in body].index("add_prev_") + 2  # the sum and its ReLU
        last, body = graph.block(last, body[:end]), body[end:]
    graph.dense(last, dense)

    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "dlib_face_recognition",
            [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["n", rows, columns, 3])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", dense.sizes[0]])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    content: bytes = model.SerializeToString(deterministic=True)
    return content


class _Graph:
    """Nodes and constants of a graph; every method appends some and returns their result."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, values: NDArray[np.generic]) -> str:
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def node(
        self, op: str, inputs: list[str], attributes: Attributes | None = None, output: str = ""
    ) -> str:
        from onnx import helper

        name = output or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], **(attributes or {})))
        return name

    def relu(self, source: Value) -> Value:
        return Value(self.node("Relu", [source.name]), source.shape)

    def convolution(
        self, source: Value, layer: Layer, affine: Layer, means: tuple[float, ...] = ()
    ) -> Value:
        """Append a convolution and its affine layer (one gamma and beta per channel) as one."""
        filters, high, wide, *stride_and_pad = layer.sizes[:7]
        params = _params(layer)
        weights = params[:-filters].reshape(filters, source.shape[0], high, wide)
        bias = params[-filters:]
        if means:  # of the input layer; there is no padding there, so this is exact
            weights = weights / DIVISOR
            bias = bias - np.einsum("fcyx,c->f", weights, np.asarray(means))
        gamma, beta = _params(affine).reshape(2, filters)
        folded = (weights * gamma[:, None, None, None], bias * gamma + beta)
        constants = [self.constant(values.astype(np.float32)) for values in folded]
        window, shape = _window(source, (high, wide, *stride_and_pad))
        name = self.node("Conv", [source.name, *constants], window)
        return Value(name, (filters, *shape))

    def pool(self, op: str, source: Value, layer: Layer) -> Value:
        window, shape = _window(source, layer.sizes)
        return Value(self.node(op, [source.name], window), (source.shape[0], *shape))

    def block(self, source: Value, layers: list[Layer]) -> Value:
        """Append two convolutions and a shortcut around them, which halves its size if they do."""
        first, affine1, _, second, affine2, *shortcut, _, _ = layers
        last = self.relu(self.convolution(source, first, affine1))
        last = self.convolution(last, second, affine2)
        if shortcut:
            source = self.pool("AveragePool", source, shortcut[0])
        channels, rows, columns = map(max, zip(last.shape, source.shape, strict=True))
        shape = (channels, rows, columns)
        both = [self.pad(value, shape).name for value in (last, source)]
        return self.relu(Value(self.node("Add", both), shape))

    def pad(self, source: Value, shape: tuple[int, int, int]) -> Value:
        """Append zeros after the last channel, row and column, as dlib does to add two shapes."""
        if shape == source.shape:
            return source
        missing = [want - have for want, have in zip(shape, source.shape, strict=True)]
        pads = self.constant(np.array([0, 0, 0, 0, 0, *missing], dtype=np.int64))
        return Value(self.node("Pad", [source.name, pads]), shape)

    def dense(self, source: Value, layer: Layer) -> None:
        """Append the output: the mean over all positions times the (inputs, outputs) weights."""
        outputs, inputs = layer.sizes
        mean = self.node("GlobalAveragePool", [source.name])
        row = self.node("Flatten", [mean], {"axis": 1})
        weights = _params(layer).reshape(inputs, outputs).astype(np.float32)
        self.node("MatMul", [row, self.constant(weights)], output=OUTPUT)


def _params(layer: Layer) -> NDArray[np.float64]:
    """Return a layer's parameters, flattened, as float64: folding then rounds only once."""
    if layer.params is None:
        raise ValueError(f"{layer.name} where a layer with parameters was expected")
    return layer.params.reshape(-1).astype(np.float64)


def _window(source: Value, sizes: tuple[int, ...]) -> tuple[Attributes, tuple[int, int]]:
    """Convert dlib's six window sizes to ONNX attributes, and the resulting (rows, columns)."""
    high, wide, down, right, pad_y, pad_x = sizes
    _, rows, columns = source.shape
    shape = ((rows + 2 * pad_y - high) // down + 1, (columns + 2 * pad_x - wide) // right + 1)
    return {
        "kernel_shape": [high, wide],
        "strides": [down, right],
        "pads": [pad_y, pad_x, pad_y, pad_x],
    }, shape
