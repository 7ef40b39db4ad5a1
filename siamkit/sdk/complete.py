"""Notice pictures whose data ends early, which decoders fill with black or grey without a word."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from siamkit.errors import UnreadableSample
from siamkit.sdk.levels import bands

if TYPE_CHECKING:
    from PIL import Image as PILImage

BLOCK = 8  # px: side of a JPEG's block
GREY = 128  # level of the blocks for which a JPEG has no data
FILLING = bytes(range(1, 200))  # appended to a JPEG's data, it changes nothing unless data lack
INTERLACED = 28  # byte of a PNG
PIECE = 1 << 20  # bytes decompressed at a time
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by a PNG's colour type


def require(picture: PILImage.Image, content: bytes) -> None:
    """Raise UnreadableSample if a decoded PNG or JPEG lacks some of its pixels.

    Pictures whose last row does not look like filling are not examined any further. Pillow notices
    an interlaced PNG that ends early.
    """
    if picture.format == "PNG" and not content[INTERLACED] and _ends_black(picture):
        is_complete = _count_png(content) >= _size_png(content)
    elif picture.format == "JPEG" and _ends_grey(picture):
        is_complete = _is_filled(picture, content)
    else:
        return
    if not is_complete:
        raise UnreadableSample("the picture is damaged: its data ends before its last row")


def _ends_black(picture: PILImage.Image) -> bool:
    row = picture.crop((0, picture.height - 1, picture.width, picture.height))
    return not np.asarray(row).any()


def _count_png(content: bytes) -> int:
    """Count the bytes of a PNG's decompressed data."""
    inflate, count, position = zlib.decompressobj(), 0, 8
    while position + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, position)
        data = memoryview(content)[position + 8 : position + 8 + length]
        while kind == b"IDAT" and data and not inflate.eof:
            count += len(inflate.decompress(data, PIECE))
            data = memoryview(inflate.unconsumed_tail)
        position += 12 + length
    return count


def _size_png(content: bytes) -> int:
    """Return the bytes that a PNG's header asks for."""
    width, height, bits, colours = struct.unpack_from(">IIBB", content, 16)
    return int(height * (1 + -(-width * bits * CHANNELS[colours] // 8)))


def _ends_grey(picture: PILImage.Image) -> bool:
    width, height = picture.size
    corner = picture.crop((width - min(width, BLOCK), height - min(height, BLOCK), width, height))
    return bool((np.asarray(corner.convert("RGB")) == GREY).all())


def _is_filled(picture: PILImage.Image, content: bytes) -> bool:
    """Return True if a JPEG has data for its last block: more data then changes no pixel."""
    from siamkit.sdk.pillow import open_picture

    end = content.rfind(b"\xff\xd9")
    with open_picture(content[:end] + FILLING + content[end:]) as longer:
        pairs = zip(bands(picture), bands(longer), strict=True)
        return all(one.tobytes() == other.tobytes() for (_, one), (_, other) in pairs)
