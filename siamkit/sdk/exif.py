"""Read from metadata the one thing that counts: how to turn a picture upright."""

from __future__ import annotations

import re
import struct

ENTRIES = 1000  # of a directory that are looked at; cameras write a few dozen
MAX_BYTES = 1 << 16  # bytes that are looked at, the most that fits into a JPEG
ORIENTATION = 0x0112  # tag (TIFF 6.0): 1 is upright
# Bytes and struct codes of a number by TIFF's field types: BYTE, SHORT, LONG.
NUMBERS = {1: "B", 3: "H", 4: "I"}
IN_XMP = re.compile(rb"tiff:Orientation(?:=[\"']|>)\s*([1-8])")


def read_orientation(exif: bytes, xmp: bytes = b"") -> int:
    """Return 1 to 8, as EXIF states it, or else XMP; 1 (upright) where both are silent or broken.

    exif: an EXIF block, with or without its "Exif" mark. Never raises.
    """
    block = exif[:MAX_BYTES]
    for _ in range(2):  # some programs mark it twice
        block = block.removeprefix(b"Exif\0\0")
    try:
        if (value := _find(block)) is not None:
            return value if 1 <= value <= 8 else 1
    except struct.error:  # it ends early
        pass
    stated = IN_XMP.search(xmp[:MAX_BYTES])
    return int(stated[1]) if stated else 1


def _find(block: bytes) -> int | None:
    """Return the value of ORIENTATION in the first directory of a TIFF structure."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return None
    (start,) = struct.unpack_from(f"{order}I", block, 4)
    (count,) = struct.unpack_from(f"{order}H", block, start)
    for entry in range(start + 2, start + 2 + 12 * min(count, ENTRIES), 12):
        tag, kind, values = struct.unpack_from(f"{order}HHI", block, entry)
        if tag == ORIENTATION and kind in NUMBERS and values == 1:
            (value,) = struct.unpack_from(order + NUMBERS[kind], block, entry + 8)
            return int(value)
    return None
