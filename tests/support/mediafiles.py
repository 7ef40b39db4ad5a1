"""Small files of media with something odd about them, for tests."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import soundfile
import tifffile
from PIL import Image

NOISE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
GREY = np.tile(np.linspace(0, 255, 60).round().astype(np.uint8), (40, 1))
COLOUR = np.stack([GREY, GREY[:, ::-1], np.full_like(GREY, 90)], axis=2)


def encoded(picture: Image.Image | np.ndarray, kind: str, **options: object) -> bytes:
    content = io.BytesIO()
    picture = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    picture.save(content, kind, **options)
    return content.getvalue()


def tiff(values: np.ndarray, **options: object) -> bytes:
    content = io.BytesIO()
    tifffile.imwrite(content, values, **options)
    return content.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


def png_with(*chunks: bytes, picture: np.ndarray = NOISE) -> bytes:
    """A PNG with more chunks after its header."""
    content = encoded(picture, "PNG")
    return content[:33] + b"".join(chunks) + content[33:]


def png_of(values: np.ndarray, bits: int, colours: int, *chunks: bytes, rows: int = 0) -> bytes:
    """A PNG of any depth and colour type, maybe with fewer rows than its header states."""
    height, width = values.shape[:2]
    lines = [b"\0" + line.astype(">u2" if bits == 16 else "u1").tobytes() for line in values]
    header = struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0)
    data = zlib.compress(b"".join(lines[: rows or height]))
    parts = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def jpeg_with(*segments: bytes) -> bytes:
    """A JPEG with more segments after its first mark."""
    content = encoded(NOISE, "JPEG", quality=95)
    return content[:2] + b"".join(segments) + content[2:]


def sound(samples: np.ndarray, rate: int = 16_000, kind: str = "WAV", subtype: str | None = None):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()
