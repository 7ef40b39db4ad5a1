"""Read the operators and small constants of an ONNX graph, without the package `onnx`.

Messages and field numbers are those of onnx.proto (https://github.com/onnx/onnx).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from siamkit.errors import MissingWeights
from siamkit.sdk.protobuf import read_fields, read_floats, read_ints, signed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LARGEST = 1024  # elements of a constant whose values are read; shapes and pads have a few
# TensorProto.data_type; float16 and double, too, may hold the numbers of a shape.
DTYPES = {1: "<f4", 2: "u1", 3: "i1", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2", 11: "<f8"}


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant of a graph. Values are read of small ones alone."""

    shape: tuple[int, ...]
    values: NDArray[np.generic] | None


@dataclass(frozen=True, slots=True)
class Node:
    """An operator, with the names of the tensors that it reads and writes."""

    op: str
    inputs: tuple[str, ...]  # "" for an input that is left out
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)  # ints, floats, str and Constants


@dataclass(frozen=True, slots=True)
class Graph:
    """An ONNX graph as far as it is read. The nodes are in the order of their computation."""

    nodes: tuple[Node, ...]
    constants: Mapping[str, Constant]
    inputs: Mapping[str, tuple[int | None, ...]]  # shapes; None for an axis of any length
    outputs: tuple[str, ...]


def read_graph(graph: bytes) -> Graph:
    """Read the content of an .onnx file. Raises MissingWeights if it is not ONNX, or damaged."""
    nodes: list[Node] = []
    constants: dict[str, Constant] = {}
    inputs: dict[str, tuple[int | None, ...]] = {}
    outputs: list[str] = []
    try:
        for number, part in _graph_fields(graph):
            if number == 1:
                nodes.append(_read_node(part))
            elif number == 5:
                name, constant = _read_tensor(part)
                constants[name] = constant
            elif number == 11:
                name, shape = _read_port(part)
                inputs[name] = shape
            elif number == 12:
                outputs.append(_read_port(part)[0])
    except (IndexError, ValueError, KeyError) as error:
        raise MissingWeights("the graph is not an ONNX model, or is damaged") from error
    inputs = {name: shape for name, shape in inputs.items() if name not in constants}
    return Graph(tuple(nodes), constants, inputs, tuple(outputs))


def _graph_fields(model: bytes) -> Iterator[tuple[int, memoryview]]:
    for number, part in read_fields(memoryview(model)):
        if number == 7 and isinstance(part, memoryview):  # ModelProto.graph
            for inner, value in read_fields(part):
                if isinstance(value, memoryview):
                    yield inner, value


def _text(value: int | memoryview) -> str:
    if isinstance(value, int):
        raise ValueError("a number in place of a name")
    return bytes(value).decode()


def _read_node(message: memoryview) -> Node:
    op, inputs, outputs, attributes = "", [], [], {}
    for number, value in read_fields(message):
        if number == 1:
            inputs.append(_text(value))
        elif number == 2:
            outputs.append(_text(value))
        elif number == 4:
            op = _text(value)
        elif number == 5 and isinstance(value, memoryview):
            name, content = _read_attribute(value)
            attributes[name] = content
    return Node(op, tuple(inputs), tuple(outputs), attributes)


def _read_attribute(message: memoryview) -> tuple[str, Any]:
    name, numbers = "", list[Any]()
    content: Any = None
    for number, value in read_fields(message):
        if number == 1:
            name = _text(value)
        elif number == 2:
            content = read_floats(value)[0]
        elif number == 3 and isinstance(value, int):
            content = signed(value)
        elif number == 4:
            content = bytes(value).decode(errors="replace") if not isinstance(value, int) else ""
        elif number == 5 and isinstance(value, memoryview):
            content = _read_tensor(value)[1]
        elif number == 7:
            numbers += read_floats(value)
        elif number == 8:
            numbers += read_ints(value)
    return name, numbers if content is None else content


def _read_tensor(message: memoryview) -> tuple[str, Constant]:
    import numpy as np

    name, kind, shape, numbers = "", 0, list[int](), list[Any]()
    raw: memoryview | None = None
    for number, value in read_fields(message):
        if number == 1:
            shape += read_ints(value)
        elif number == 2 and isinstance(value, int):
            kind = value
        elif number == 8:
            name = _text(value)
        elif number == 9 and isinstance(value, memoryview):
            raw = value
        elif number in (4, 5, 7) and (isinstance(value, int) or len(value) <= 8 * LARGEST):
            numbers += read_floats(value) if number == 4 else read_ints(value)
    size, dtype = int(np.prod(shape, dtype=np.int64)), DTYPES.get(kind)
    values = None
    if dtype and 0 <= size <= LARGEST:
        if raw is not None and len(raw) == size * np.dtype(dtype).itemsize:
            values = np.frombuffer(raw, dtype).reshape(shape)
        elif len(numbers) == size:
            values = np.array(numbers, dtype).reshape(shape)
    return name, Constant(tuple(shape), values)


def _read_port(message: memoryview) -> tuple[str, tuple[int | None, ...]]:
    """Return the name and the shape of a ValueInfoProto."""
    name, shape = "", []
    for number, value in read_fields(message):
        if number == 1:
            name = _text(value)
        for axis in _axes(value) if number == 2 and isinstance(value, memoryview) else ():
            sizes = [size for inner, size in read_fields(axis) if inner == 1]
            shape.append(sizes[0] if sizes and isinstance(sizes[0], int) and sizes[0] else None)
    return name, tuple(shape)


def _axes(message: memoryview) -> Iterator[memoryview]:
    """Yield the dimensions: TypeProto.tensor_type (1), its shape (2), and their dim (1)."""
    path = (1, 2, 1)
    level = [message]
    for step in path:
        level = [
            value
            for part in level
            for number, value in read_fields(part)
            if number == step and isinstance(value, memoryview)
        ]
    yield from level
