"""Write ONNX graphs, from numpy alone: no package `onnx`, and the same bytes on every machine.

Messages and their field numbers are those of onnx.proto (https://github.com/onnx/onnx), in the wire
format of protobuf: a field is its number and wire type, then a varint, or a length and bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from siamkit.sdk.protobuf import read_fields

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OPSET, IR_VERSION = 17, 8  # opset 17 came with IR 8; every ONNX Runtime since 1.12 reads them
RUNTIME = "com.microsoft"  # the domain of ONNX Runtime's own operators, at version 1
MASK = (1 << 64) - 1  # a negative number is written in two's complement
_VARINT, _LENGTH, _FOUR_BYTES = 0, 2, 5  # wire types of protobuf
_FLOAT, _INT, _STRING, _INTS = 1, 2, 3, 7  # AttributeProto.type
EXTERNAL = 1  # TensorProto.data_location
TYPES = {  # TensorProto.data_type
    "float32": 1,
    "uint8": 2,
    "int8": 3,
    "int32": 6,
    "int64": 7,
    "bool": 9,
    "float16": 10,
}
Attribute: TypeAlias = "int | float | str | Sequence[int]"


@dataclass(frozen=True, slots=True)
class Port:
    """An input or an output of a graph: its name, dtype, and axes; None if it has any."""

    name: str
    dtype: str
    shape: tuple[int | str, ...] | None  # a name for an axis that varies


@dataclass(slots=True)
class GraphWriter:
    """Collects a graph's nodes and constants; every method that appends one returns its name.

    tensors: a file for large constants, named `location` beside the graph. Without it, they are
    in the graph.
    """

    tensors: BinaryIO | None = None
    location: str = ""
    least: int = 1024  # bytes from which a constant goes to that file
    _nodes: list[bytes] = field(default_factory=list)
    _constants: list[bytes] = field(default_factory=list)
    _written: int = 0  # bytes, to `tensors`

    def constant(self, values: NDArray[np.generic] | np.generic) -> str:
        """Append a constant, of a dtype in TYPES."""
        name = f"c{len(self._constants)}"
        content = values.tobytes()  # in C order
        parts = [_number(1, size) for size in values.shape]
        parts += [_number(2, TYPES[values.dtype.name]), _text(8, name)]
        if self.tensors is not None and len(content) >= self.least:
            places = {"location": self.location, "offset": self._written, "length": len(content)}
            for key, value in places.items():
                parts.append(_bytes(13, _text(1, key) + _text(2, str(value))))
            parts.append(_number(14, EXTERNAL))
            self.tensors.write(content)
            self._written += len(content)
        else:
            parts.append(_bytes(9, content))
        self._constants.append(b"".join(parts))
        return name

    def node(
        self,
        op: str,
        *inputs: str | NDArray[np.generic] | np.generic,
        output: str = "",
        domain: str = "",
        **attributes: Attribute,
    ) -> str:
        """Append an operator, and its inputs that are arrays as constants.

        An input of "" is left out. output: its name, if the graph has it among its outputs.
        """
        names = [text if isinstance(text, str) else self.constant(text) for text in inputs]
        name = output or f"n{len(self._nodes)}"
        parts = [*(_text(1, text) for text in names), _text(2, name), _text(4, op)]
        parts += [_bytes(5, _attribute(key, value)) for key, value in attributes.items()]
        self._nodes.append(b"".join([*parts, _text(7, domain)] if domain else parts))
        return name

    def model(self, name: str, inputs: Sequence[Port], outputs: Sequence[Port]) -> bytes:
        """Return the graph as a model: the content of an .onnx file."""
        graph = [_bytes(1, content) for content in self._nodes]
        graph += [_text(2, name), *(_bytes(5, content) for content in self._constants)]
        graph += [_bytes(11, _port(port)) for port in inputs]
        graph += [_bytes(12, _port(port)) for port in outputs]
        opsets: Mapping[str, int] = {"": OPSET, RUNTIME: 1}
        imports = [_bytes(8, _text(1, key) + _number(2, value)) for key, value in opsets.items()]
        return b"".join([_number(1, IR_VERSION), _bytes(7, b"".join(graph)), *imports])


def _port(port: Port) -> bytes:
    tensor = _number(1, TYPES[port.dtype])
    if port.shape is not None:
        axes = [
            _bytes(1, _text(2, axis) if isinstance(axis, str) else _number(1, axis))
            for axis in port.shape
        ]
        tensor += _bytes(2, b"".join(axes))
    return _text(1, port.name) + _bytes(2, _bytes(1, tensor))


def _attribute(name: str, value: Attribute) -> bytes:
    if isinstance(value, float):
        content, kind = _varint(2 << 3 | _FOUR_BYTES) + struct.pack("<f", value), _FLOAT
    elif isinstance(value, int):
        content, kind = _number(3, value), _INT
    elif isinstance(value, str):
        content, kind = _text(4, value), _STRING
    else:
        content, kind = b"".join(_number(8, number) for number in value), _INTS
    return _text(1, name) + content + _number(20, kind)


def _varint(value: int) -> bytes:
    value &= MASK
    content = bytearray()
    while value > 127:
        content.append(value & 127 | 128)
        value >>= 7
    return bytes([*content, value])


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3 | _VARINT) + _varint(value)


def _bytes(number: int, content: bytes | memoryview) -> bytes:
    return _varint(number << 3 | _LENGTH) + _varint(len(content)) + content


def _text(number: int, content: str) -> bytes:
    return _bytes(number, content.encode())


def more_outputs(names: Sequence[str]) -> bytes:
    """Return the bytes that make tensors of a model outputs, too, when appended to it.

    Protobuf merges a message that is stated twice. Their types are left for inference.
    """
    return _bytes(7, b"".join(_bytes(12, _text(1, name)) for name in names))


def with_outputs(model: bytes, names: Sequence[str]) -> bytes:
    """Return a model with these tensors as its outputs, in place of its own."""
    fields = []
    for number, value in read_fields(memoryview(model)):
        if isinstance(value, int):
            fields.append(_number(number, value))
        elif number == 7:  # ModelProto.graph
            fields.append(_bytes(7, b"".join(_graph_without_outputs(value))))
        else:
            fields.append(_bytes(number, value))
    return b"".join([*fields, more_outputs(names)])


def _graph_without_outputs(graph: memoryview) -> Iterator[bytes]:
    for number, value in read_fields(graph):
        if number != 12:
            yield _number(number, value) if isinstance(value, int) else _bytes(number, value)
