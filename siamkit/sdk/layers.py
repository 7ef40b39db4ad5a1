"""The layers of an encoder's graph that keep a picture's, or a sound's, places apart.

A layer is a convolution or a pool, with what follows it element by element: its normalisation, its
activation, a sum with an earlier layer. Its channels can be shown over the picture.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from siamkit.errors import BadInput
from siamkit.sdk.graph_reader import Graph, Node, read_graph
from siamkit.sdk.graph_writer import more_outputs, with_outputs
from siamkit.sdk.receptive_fields import CONVOLUTIONS, ELEMENTWISE, POOLS, UNARY, Tensors, follow
from siamkit.sdk.tensor_layouts import Axis

FREE = 224  # elements of an axis that the graph leaves open, to count padding with
ALIASES = frozenset({"Cast", "DequantizeLinear", "Identity", "Reshape"})  # of stored weights
UNNAMED = frozenset({"QuantizeLinear", "DequantizeLinear", "Dropout", "Identity", "Cast"})
# A name that a person gave: relu1_1, block3. Exporters' own are numbers, letters with a number, or
# paths: 312, n12, /features/features.0/Relu_output_0.
READABLE = re.compile(r"[A-Za-z][A-Za-z_]+[\w.]*", re.ASCII)
LONGEST_NAME = 40


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer's tensor, and the part of the input that each of its elements sees.

    The element at place i, along one of its axes, sees the input from offset + stride * i on, for
    `field` elements (of a picture: px). A place of `axes` is an axis of the input.
    """

    name: str  # the tensor's own if it can be read, else "layer 12"
    tensor: str
    input: str  # the graph's input that the fields are of
    op: str  # "Conv + Relu"
    channels: int
    axes: tuple[Axis, ...]  # of the input, in its order: rows and columns of a picture
    tensor_axes: tuple[int, ...]  # the tensor's axis of each; its axis 1 holds the channels
    unbounded: str  # the tensor, or that before a Clip: above 6, say, all places are equal

    @property
    def stride(self) -> tuple[int, ...]:
        """Elements of the input from one of the layer's to the next."""
        return tuple(axis.stride for axis in self.axes)

    @property
    def field(self) -> tuple[int, ...]:
        """Elements of the input that each of the layer's sees."""
        return tuple(axis.field for axis in self.axes)

    @property
    def offset(self) -> tuple[int, ...]:
        """The first element that the layer's first one sees; below 0, it sees padding."""
        return tuple(axis.offset for axis in self.axes)


def read_layers(graph: bytes, shapes: Mapping[str, Sequence[int]] | None = None) -> list[Layer]:
    """Return the layers of a graph (an .onnx file's content), from its input to its output.

    shapes: of inputs whose axes the graph leaves open. A layer that runs again on another view of
    the input, with the same weights, is listed once. Raises MissingWeights for a damaged graph.
    """
    read = read_graph(graph)
    shapes_of_inputs = {
        name: _shape(shape, (shapes or {}).get(name)) for name, shape in read.inputs.items()
    }
    tensors = follow(read, shapes_of_inputs)
    consumers: dict[str, list[Node]] = {}
    for node in read.nodes:
        for name in node.inputs:
            consumers.setdefault(name, []).append(node)
    layers: list[Layer] = []
    listed: set[str] = set()
    for node in _first_uses(read):
        chain, ops = _follow_chain(node, consumers, tensors)
        last = chain[-1]
        layer = _layer(f"layer {len(layers) + 1}", last, " + ".join(ops), tensors)
        if layer is not None and last not in listed:
            listed.add(last)
            unbounded = chain[-2] if ops[-1] == "Clip" else last
            layers.append(replace(layer, unbounded=unbounded))
    return layers


def expose(graph: bytes, tensors: Iterable[str]) -> bytes:
    """Return the graph with tensors among its outputs, behind its own ones.

    Raises BadInput for a tensor that the graph does not compute.
    """
    read = read_graph(graph)
    names = _require_computed(read, tensors)
    return graph + more_outputs([name for name in names if name not in read.outputs])


def cut(graph: bytes, tensors: Iterable[str]) -> bytes:
    """Return the graph with tensors as its only outputs: what they do not need is not computed.

    Raises BadInput for a tensor that the graph does not compute.
    """
    return with_outputs(graph, _require_computed(read_graph(graph), tensors))


def _require_computed(graph: Graph, tensors: Iterable[str]) -> list[str]:
    computed = {name for node in graph.nodes for name in node.outputs if name}
    computed |= graph.constants.keys()
    names = list(dict.fromkeys(tensors))
    if absent := [name for name in names if name not in computed]:
        raise BadInput(f"the graph computes no tensor {absent[0]!r}")
    return names


def _shape(stated: tuple[int | None, ...], given: Sequence[int] | None) -> tuple[int, ...]:
    if given is not None and len(given) == len(stated):
        return tuple(given)
    sizes = [FREE if size is None else size for size in stated]
    if stated and stated[0] is None:
        sizes[0] = 1
    return tuple(sizes)


def _first_uses(graph: Graph) -> list[Node]:
    """Return the convolutions and pools, without those that repeat others on another view."""
    origins: dict[str, str] = {}  # of a tensor: the stored one that it is a form of
    used: set[str] = set()
    repeated: set[str] = set()
    nodes = []
    for node in graph.nodes:
        if node.op in ALIASES and node.inputs:
            origins[node.outputs[0]] = origins.get(node.inputs[0], node.inputs[0])
        is_repeated = not repeated.isdisjoint(node.inputs)
        if node.op in CONVOLUTIONS and CONVOLUTIONS[node.op] < len(node.inputs):
            name = node.inputs[CONVOLUTIONS[node.op]]
            weights = origins.get(name, name)
            is_repeated = is_repeated or weights in used
            used.add(weights)
        if is_repeated:
            repeated.update(node.outputs)
        elif node.op in CONVOLUTIONS or node.op in POOLS:
            nodes.append(node)
    return nodes


def _follow_chain(
    node: Node, consumers: Mapping[str, Sequence[Node]], tensors: Tensors
) -> tuple[list[str], list[str]]:
    """Return the tensors of a layer, and its operators, from the convolution or pool on."""
    chain, ops = [node.outputs[0]], [node.op]
    while (following := _next(chain[-1], consumers)) is not None:
        output = following.outputs[0]
        if tensors[output].shape != tensors[chain[-1]].shape:
            break
        chain.append(output)
        if following.op not in UNNAMED:
            ops.append(following.op)
    return chain, ops


def _next(tensor: str, consumers: Mapping[str, Sequence[Node]]) -> Node | None:
    """Return the elementwise operator that alone uses a tensor; of x * sigmoid(x), the product."""
    users = consumers.get(tensor, ())
    if len(users) == 2:
        gate, product = sorted(users, key=lambda user: user.op == "Mul")
        is_gate = gate.op in ("Sigmoid", "HardSigmoid", "Tanh") and product.op == "Mul"
        return product if is_gate and gate.outputs[0] in product.inputs else None
    if len(users) == 1 and users[0].op in UNARY | ELEMENTWISE:
        return users[0]
    return None


def _layer(name: str, tensor: str, op: str, tensors: Tensors) -> Layer | None:
    """Return the layer, or None if it keeps no places apart."""
    followed = tensors[tensor]
    if followed.shape is None or len(followed.shape) < 3:
        return None
    places = {
        axis.source: (axis, number)
        for number, axis in enumerate(followed.axes)
        if axis is not None and number > 1 and followed.shape[number] > 1
    }
    if not places:
        return None
    ordered = [places[source] for source in sorted(places)]
    axes, numbers = zip(*ordered, strict=True)
    readable = tensor if READABLE.fullmatch(tensor) and len(tensor) <= LONGEST_NAME else name
    return Layer(readable, tensor, followed.source, op, followed.shape[1], axes, numbers, tensor)
