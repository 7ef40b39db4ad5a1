"""Read the wire format of protobuf, in which ONNX graphs are written, without its package.

A message is a row of fields, each a number and a wire type, then a varint, or a length and bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5  # wire types


def read_fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the number of each field and its value: an int, or the bytes of every other type.

    Raises IndexError or ValueError if the message is damaged.
    """
    position = 0
    while position < len(message):
        tag, position = read_varint(message, position)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, position = read_varint(message, position)
            yield number, value
            continue
        if wire == LENGTH:
            length, position = read_varint(message, position)
        elif wire in (EIGHT_BYTES, FOUR_BYTES):
            length = 8 if wire == EIGHT_BYTES else 4
        else:
            raise ValueError("a field of an unknown type")
        if position + length > len(message):
            raise ValueError("a field goes beyond the end")
        yield number, message[position : position + length]
        position += length


def read_varint(message: memoryview, position: int) -> tuple[int, int]:
    """Return a number of variable length, and the position behind it."""
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def read_ints(value: int | memoryview) -> list[int]:
    """Return a repeated whole number: a field holds one, or packs many."""
    if isinstance(value, int):
        return [signed(value)]
    numbers, position = [], 0
    while position < len(value):
        number, position = read_varint(value, position)
        numbers.append(signed(number))
    return numbers


def read_floats(value: int | memoryview) -> list[float]:
    """Return a repeated float32: a field holds one, or packs many. Raises ValueError."""
    if isinstance(value, int) or len(value) % 4:
        raise ValueError("floats of another size")
    return list(struct.unpack(f"<{len(value) // 4}f", value))


def signed(value: int) -> int:
    """Return a varint as the int64 that it stands for: negative ones are in two's complement."""
    return value - (1 << 64) if value >> 63 else value
