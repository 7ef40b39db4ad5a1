"""Read the layers of a network that dlib serialized (`dlib::serialize`, a .dat file).

The format, as far as it is needed here. An integer is a control byte, whose low four bits count the
bytes that follow and whose top bit marks a negative number, and then those bytes, least significant
first. A floating point number is an integer mantissa and an integer exponent of two. A string is
its length and its bytes. A tensor is the version 2, four sizes (samples, channels, rows, columns)
and raw little-endian float32. A network is its layers from the input to the loss, each introduced
by its name as a string; the data between two layers (flags, empty gradients) matters to training
only, and is skipped by searching for the next name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ldexp, prod

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import MissingWeights

TENSOR_VERSION = 2
# Integers of a layer that are read before its tensor, and after it.
_SIZES = {
    b"con_4": (0, 7),  # filters, rows, columns, 2 strides, 2 paddings
    b"affine_": (0, 0),
    b"relu_": (0, 0),
    b"max_pool_2": (6, 0),  # rows, columns, 2 strides, 2 paddings
    b"avg_pool_2": (6, 0),
    b"add_prev_": (0, 0),
    b"fc_2": (2, 0),  # outputs, inputs
    b"input_rgb_image_sized": (0, 2),  # rows, columns
}
_WITH_TENSOR = (b"con_4", b"affine_", b"fc_2")
_NAME = re.compile(
    b"|".join(re.escape(bytes([1, len(name)]) + name) for name in _SIZES), flags=re.DOTALL
)


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One layer as stated in the file."""

    name: str  # dlib's own, with the version of its format: "con_4"
    sizes: tuple[int, ...] = ()  # the integers that _SIZES counts
    means: tuple[float, ...] = ()  # red, green and blue, of an input layer
    params: NDArray[np.float32] | None = None  # (samples, channels, rows, columns)


class _Reader:
    def __init__(self, content: bytes, at: int) -> None:
        self.content, self.at = content, at

    def integer(self) -> int:
        control = self.content[self.at]
        stop = self.at + 1 + (control & 0x0F)
        value = int.from_bytes(self.content[self.at + 1 : stop], "little")
        self.at = stop
        return -value if control & 0x80 else value

    def integers(self, count: int) -> tuple[int, ...]:
        return tuple(self.integer() for _ in range(count))

    def number(self) -> float:
        mantissa, exponent = self.integers(2)
        return ldexp(mantissa, exponent)

    def tensor(self) -> NDArray[np.float32]:
        version, *shape = self.integers(5)
        if version != TENSOR_VERSION:
            raise ValueError(f"tensor version {version}, expected {TENSOR_VERSION}")
        values = np.frombuffer(self.content, "<f4", count=prod(shape), offset=self.at)
        self.at += values.nbytes
        return values.reshape(shape).astype(np.float32)


def read_layers(content: bytes) -> list[Layer]:
    """Read the layers from the input outwards, without the loss.

    Raises MissingWeights for a damaged file, or one of another version of dlib.
    """
    layers: list[Layer] = []
    at = 0
    try:
        while (match := _NAME.search(content, at)) is not None:
            layer, at = _read_layer(content, match)
            layers.append(layer)
    except (ValueError, IndexError) as error:  # a truncated file, or another version of dlib
        raise MissingWeights(f"not a network as dlib writes it: {error}") from error
    if not layers:
        raise MissingWeights("not a network as dlib writes it: it has no known layer")
    return layers


def _read_layer(content: bytes, match: re.Match[bytes]) -> tuple[Layer, int]:
    """Read the layer whose name was matched; returns it and the offset after it."""
    name = match[0][2:]
    reader = _Reader(content, match.end())
    before, after = _SIZES[name]
    means: tuple[float, ...] = ()
    if name == b"input_rgb_image_sized":
        means = (reader.number(), reader.number(), reader.number())
    sizes = reader.integers(before)
    params = reader.tensor() if name in _WITH_TENSOR else None
    sizes += reader.integers(after)
    return Layer(name.decode(), sizes, means, params), reader.at
