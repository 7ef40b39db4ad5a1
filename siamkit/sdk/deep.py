"""Decode with OpenCV what Pillow reads as 8 bits though it has more, or cannot read at all.

Also: what the tags of a TIFF state about its values.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from siamkit.errors import UnreadableSample
from siamkit.sdk.levels import Pixels, Statement, array_to_rgb

# Tags of TIFF 6.0, and some of their values.
WIDTH, HEIGHT, BITS, COLOURS, SAMPLES, ROWS = 256, 257, 258, 262, 277, 278
LARGEST, PLANES, COLOUR_MAP, SAMPLE_FORMAT = 281, 284, 320, 339
SMALLEST_VALUE, LARGEST_VALUE = 340, 341
INVERTED, APART, SIGNED, FRACTION = 0, 2, 2, 3
REMEDY = "export it with 8 or 16 bits per channel"
FORMATS = ("JPEG2000", "PNG", "PPM", "TIFF")  # that OpenCV reads with all of their bits
MOST_BYTES = 8  # bytes per pixel that OpenCV takes for them
DIMMEST = 64  # of 255: darker pictures may hold 10 to 14 bits in values of 16


def read_tags(content: bytes) -> Mapping[int, Any]:
    """Return the tags of a TIFF's first directory. Raises any class if it is damaged."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    is_big = b"+" in content[:4]
    directory = ImageFileDirectory_v2(content[: 16 if is_big else 8])
    stream = io.BytesIO(content)
    stream.seek(directory.next)
    directory.load(stream)
    return directory


def number(tags: Mapping[int, Any], tag: int, default: int = 1) -> float:
    """Return a tag's number, the largest if there are several; the default if it has none."""
    values = tags.get(tag, default)
    several = values if isinstance(values, tuple) else (values,)
    numbers = [float(v) for v in several if not isinstance(v, str | bytes)]
    return max(numbers, default=float(default))


def dimensions(tags: Mapping[int, Any]) -> tuple[tuple[int, int], float]:
    """Return width and height, and bytes per pixel."""
    size = (int(number(tags, WIDTH, 0)), int(number(tags, HEIGHT, 0)))
    return size, number(tags, BITS) * number(tags, SAMPLES) / 8


def strip_bytes(tags: Mapping[int, Any]) -> int:
    """Return the bytes per pixel of the whole picture that one strip of a TIFF takes."""
    share = min(1.0, number(tags, ROWS, 1 << 32) / max(1.0, number(tags, HEIGHT)))
    return round(share * number(tags, BITS) * number(tags, SAMPLES) / 8)


def statement(tags: Mapping[int, Any]) -> Statement:
    """Return what the tags of a TIFF state about its values."""
    bits, sample_format = number(tags, BITS), number(tags, SAMPLE_FORMAT)
    white, black = None, 0.0
    if LARGEST_VALUE in tags:
        white, black = number(tags, LARGEST_VALUE), number(tags, SMALLEST_VALUE, 0)
    elif sample_format != FRACTION and bits not in (8, 16, 32, 64):
        white = 2.0**bits - 1
    elif sample_format != FRACTION and LARGEST in tags:
        white = number(tags, LARGEST)
    return Statement(
        white,
        black,
        is_inverted=number(tags, COLOURS) == INVERTED,
        is_signed=sample_format == SIGNED,
    )


def is_beyond_pillow(tags: Mapping[int, Any]) -> bool:
    """Return True for a TIFF that Pillow opens, but whose numbers it misreads."""
    bits, sample_format = number(tags, BITS), number(tags, SAMPLE_FORMAT)
    is_long = bits == 32 and sample_format == 1
    return is_long or (bits == 8 and sample_format == SIGNED) or is_apart(tags)


def is_apart(tags: Mapping[int, Any]) -> bool:
    """Return True for a TIFF of several planes of more than 8 bits, which no decoder here reads."""
    several = number(tags, SAMPLES) > 1 and number(tags, BITS) > 8
    return several and number(tags, PLANES) == APART


def read_tiff(tags: Mapping[int, Any], content: bytes) -> tuple[Pixels, tuple[str, ...]]:
    """Decode a TIFF whose kind of pixel Pillow does not know.

    Returns its pixels, upright, and notes. Raises UnreadableSample.
    """
    array = None if is_apart(tags) else _decode(content)
    if array is None:
        bits, samples = round(number(tags, BITS)), round(number(tags, SAMPLES))
        words = {1: "unsigned", SIGNED: "signed", FRACTION: "floating-point"}
        kind = words.get(round(number(tags, SAMPLE_FORMAT)), "unknown")
        raise UnreadableSample(
            f"it is a TIFF of a kind that is not read: {samples} × {bits} bits, {kind} numbers",
            hint=REMEDY,
        )
    return array_to_rgb(array, statement(tags))


def read_all_bits(content: bytes, stated: Statement) -> tuple[Pixels, tuple[str, ...]] | None:
    """Decode a picture of which only the upper 8 bits of 16 are known; None if it has no more."""
    array = _decode(content)
    if array is None or array.dtype == np.uint8:
        return None
    return array_to_rgb(array, stated)


def _decode(content: bytes) -> Any:
    """Return (height, width) or (height, width, channels) values, BGR; None if it fails.

    OpenCV turns a TIFF upright, and nothing else.
    """
    import cv2

    log = cv2.utils.logging  # it would write to standard error
    log.setLogLevel(log.LOG_LEVEL_SILENT)
    try:
        return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
