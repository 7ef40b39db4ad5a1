"""Follow the shapes and the receptive fields of a graph's tensors from its inputs.

The element at position i of an axis sees `field` positions of an axis of the input, from
offset + stride * i on. A kernel of k elements that are d apart, with stride s and p elements of
padding before it, turns (stride, field, offset) into

    stride * s,    field + stride * d * (k - 1),    offset - stride * p

(A. Araujo et al., "Computing receptive fields of convolutional neural networks", Distill 2019).
Global statistics see everything: the gate that a squeeze-and-excitation block multiplies with is
left out, so that its product has the field of what it gates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from siamkit.sdk import shape_values, tensor_layouts
from siamkit.sdk.graph_reader import Graph, Node
from siamkit.sdk.tensor_layouts import Axis, Tensor, named_axes, unite

CONVOLUTIONS = {"Conv": 1, "FusedConv": 1, "QLinearConv": 3, "ConvInteger": 1}  # -> weight's input
POOLS = frozenset({"MaxPool", "AveragePool", "LpPool"})
_UNARY = """
    Abs BatchNormalization BiasGelu Cast Celu Clip DequantizeLinear Dropout Elu Erf Exp Gelu
    HardSigmoid HardSwish Identity InstanceNormalization LRN LayerNormalization LeakyRelu Log
    LogSoftmax LpNormalization Mish Neg QuantizeLinear QuickGelu Reciprocal Relu Selu Sigmoid
    Softmax Softplus Softsign Sqrt Tanh ThresholdedRelu
"""
_ELEMENTWISE = "Add Div Max Mean Min Mul PRelu Pow Sub Sum Where"
_REDUCTIONS = "ReduceL1 ReduceL2 ReduceMax ReduceMean ReduceMin ReduceSum"
UNARY, ELEMENTWISE = frozenset(_UNARY.split()), frozenset(_ELEMENTWISE.split())
REDUCTIONS = frozenset(_REDUCTIONS.split())
GLOBAL_POOLS = frozenset({"GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"})


Tensors: TypeAlias = dict[str, Tensor]


def follow(graph: Graph, shapes: Mapping[str, Sequence[int]]) -> Tensors:
    """Return all tensors of a graph, by name. shapes: of its inputs."""
    tensors: Tensors = {"": Tensor()}
    for name, constant in graph.constants.items():
        tensors[name] = Tensor(constant.shape, (None,) * len(constant.shape), "", constant.values)
    for name, shape in shapes.items():
        axes = tuple(Axis(number) for number in range(len(shape)))
        tensors[name] = Tensor(tuple(shape), axes, name)
    for node in graph.nodes:
        inputs = [tensors.get(name, Tensor()) for name in node.inputs]
        try:
            outputs = _outputs(node, inputs)
        except (IndexError, KeyError, TypeError, ValueError, ZeroDivisionError):
            outputs = []  # an operator as no exporter writes it: nothing is known behind it
        for number, name in enumerate(node.outputs):
            tensors[name] = outputs[number] if number < len(outputs) else Tensor()
    return tensors


def _outputs(node: Node, inputs: list[Tensor]) -> list[Tensor]:
    if (values := shape_values.evaluate(node, inputs)) is not None:
        return [Tensor(values.shape, (None,) * values.ndim, "", values)]
    if node.op in CONVOLUTIONS or node.op in POOLS:
        return [_slide(node, inputs)]
    if node.op in UNARY:
        return [replace(inputs[0], values=None)]
    if node.op in ELEMENTWISE:
        return [_broadcast(inputs)]
    first = inputs[0] if inputs else Tensor()
    if first.shape is None:
        return []
    if node.op in GLOBAL_POOLS or node.op in REDUCTIONS:
        return [_reduce(node, inputs)]
    return tensor_layouts.rearrange(node, inputs)


def _slide(node: Node, inputs: list[Tensor]) -> Tensor:
    """Return the output of a convolution or a pool."""
    first, shape = inputs[0], inputs[0].shape
    if shape is None:
        return Tensor()
    channels, kernel = shape[1], list(node.attributes.get("kernel_shape", ()))
    if node.op in CONVOLUTIONS:
        weights = inputs[CONVOLUTIONS[node.op]].shape
        if weights is None:
            return Tensor()
        channels, kernel = weights[0], list(weights[2:])
    rank = len(kernel)
    strides = node.attributes.get("strides") or [1] * rank
    dilations = node.attributes.get("dilations") or [1] * rank
    pads = _pads(node, shape[2:], kernel, strides, dilations)
    sizes, axes = [], []
    for number in range(rank):
        before, after = pads[number], pads[number + rank]
        reach = dilations[number] * (kernel[number] - 1)
        room = shape[2 + number] + before + after - reach - 1
        rounded = math.ceil if node.attributes.get("ceil_mode") else math.floor
        sizes.append(rounded(room / strides[number]) + 1)
        axes.append(_scale(first.axes[2 + number], strides[number], reach, before))
    return Tensor((shape[0], channels, *sizes), (first.axes[0], None, *axes), first.source)


def _pads(
    node: Node,
    sizes: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> list[int]:
    """Return the padding before each axis, and then that after each."""
    mode = node.attributes.get("auto_pad", "NOTSET")
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        return list(node.attributes.get("pads") or [0] * 2 * len(kernel))
    totals = [
        max(0, (math.ceil(size / step) - 1) * step + dilation * (width - 1) + 1 - size)
        for size, width, step, dilation in zip(sizes, kernel, strides, dilations, strict=True)
    ]
    less, more = [total // 2 for total in totals], [total - total // 2 for total in totals]
    return less + more if mode == "SAME_UPPER" else more + less


def _scale(axis: Axis | None, stride: int, reach: int, before: int) -> Axis | None:
    if axis is None:
        return None
    step = axis.stride
    return Axis(axis.source, step * stride, axis.field + step * reach, axis.offset - step * before)


def _broadcast(inputs: list[Tensor]) -> Tensor:
    """Return the output of an elementwise operator; what is unknown is taken to fit the others."""
    shaped = [tensor for tensor in inputs if tensor.shape is not None]
    rank = max(len(tensor.shape or ()) for tensor in shaped)
    shape: list[int] = []
    axes: list[Axis | None] = []
    for number in range(-rank, 0):
        aligned = [t for t in shaped if t.shape is not None and len(t.shape) >= -number]
        size = max(tensor.shape[number] for tensor in aligned if tensor.shape is not None)
        full = [t.axes[number] for t in aligned if t.shape is not None and t.shape[number] == size]
        shape.append(size)
        axes.append(unite(full))
    source = next((tensor.source for tensor in shaped if tensor.source), "")
    return Tensor(tuple(shape), tuple(axes), source)


def _reduce(node: Node, inputs: list[Tensor]) -> Tensor:
    first, rank = inputs[0], len(inputs[0].shape or ())
    reduced = set(range(2, rank)) if node.op in GLOBAL_POOLS else named_axes(node, inputs, rank)
    reduced = reduced or set(range(rank))
    keep = node.op in GLOBAL_POOLS or node.attributes.get("keepdims", 1)
    places = [number for number in range(rank) if keep or number not in reduced]
    shape = tuple(1 if number in reduced else (first.shape or ())[number] for number in places)
    axes = tuple(None if number in reduced else first.axes[number] for number in places)
    return Tensor(shape, axes, first.source)
