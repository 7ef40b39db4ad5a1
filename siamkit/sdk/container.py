"""Take the first picture out of a file, without its metadata, before a decoder sees it.

Decoders read all metadata, and give up or take minutes if it is broken, compressed or large. None
of it changes the pixels, save for the orientation, which is returned. Damage is left for the
decoder to report: what these functions do not understand they pass on unchanged.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from siamkit.sdk import exif, tiff
from siamkit.sdk.exif import read_orientation

# Chunks of a PNG that its pixels depend on; an animation's other frames are not among them.
PNG_PIXELS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
PNG_PROFILE = b"Raw profile type "  # then "exif" or "APP1": where ImageMagick writes EXIF
PPM_HEADER = re.compile(rb"P[1-6](?:\s|#[^\r\n]*[\r\n])")
PPM_COMMENT = re.compile(rb"\s*#[^\r\n]*[\r\n]")
PPM_TOKEN = re.compile(rb"\s*[A-Za-z0-9]+")
PPM_BYTES = 100  # of a header: longer ones have comments
# A JPEG 2000 file, or its bare code; the marks before its size; bytes from there to its bits.
JPEG2000, SIZE, SIZE_BITS = (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"), b"\xff\x4f\xff\x51", 42
PNG_BITS = 24  # byte of a PNG
JPEG_ADOBE, JPEG_JFIF = 12, 14  # bytes of the segments that state how colours are coded


@dataclass(frozen=True, slots=True)
class Container:
    """A picture file: what a decoder needs of it, and what it says about itself."""

    content: bytes  # a file of the same format with one picture and no metadata
    orientation: int = 1  # 1 to 8 as in EXIF, where it was found outside of `content`
    bits: int | None = None  # significant ones per value, as the file states them
    frames: int = 1  # of an animation
    pages: int = 1  # of a document
    page: int = 0  # the one to decode, where the first is a preview
    is_raw: bool = False  # a camera's raw file: its first picture is a preview


def open_container(content: bytes) -> Container:
    """Return the first picture of a file. Never raises for content that is damaged."""
    try:
        if content.startswith(b"\x89PNG\r\n\x1a\n"):
            return _read_png(content)
        if content.startswith(b"\xff\xd8\xff"):
            return _read_jpeg(content)
        if content.startswith((b"GIF87a", b"GIF89a")):
            return _read_gif(content)
        if content.startswith(tiff.STARTS):
            slim = tiff.read(content)
            return Container(slim.content, pages=slim.pages, page=slim.page, is_raw=slim.is_raw)
        if content.startswith(JPEG2000):
            return Container(content, bits=(content[content.index(SIZE) + SIZE_BITS] & 0x7F) + 1)
        if PPM_HEADER.match(content):
            return _read_ppm(content)
    except (struct.error, IndexError, ValueError):  # it ends early: the decoder says where
        pass
    return Container(content)


def _join(content: bytes, parts: list[memoryview]) -> bytes:
    """Join parts of a content; no copy is made of a whole one."""
    return content if sum(map(len, parts)) == len(content) else b"".join(parts)


def _read_png(content: bytes) -> Container:
    view = memoryview(content)
    parts, bits, frames, block, xmp = [view[:8]], content[PNG_BITS], 1, b"", b""
    position = 8
    while position + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, position)
        data, end = position + 8, position + 12 + length
        if kind in PNG_PIXELS:
            parts.append(view[position:end])
        elif kind == b"acTL" and length == 8:
            (frames,) = struct.unpack_from(">I", content, data)
        elif kind == b"sBIT":
            bits = content[data] if length else bits
        elif kind == b"eXIf":
            block = content[data : min(end - 4, data + exif.MAX_BYTES)]
        elif kind in (b"tEXt", b"zTXt") and content.startswith(PNG_PROFILE, data):
            block = block or _read_profile(content[data : min(end - 4, data + exif.MAX_BYTES)])
        elif kind == b"iTXt" and content.startswith(b"XML:com.adobe.xmp", data):
            xmp = content[data : min(end - 4, data + exif.MAX_BYTES)]
        position = end
        if kind == b"IEND":
            break
    return Container(_join(content, parts), read_orientation(block, xmp), bits, frames)


def _read_profile(chunk: bytes) -> bytes:
    """Return the EXIF block of a chunk in which ImageMagick wrote it as hexadecimal digits."""
    name, _, text = chunk.partition(b"\0")
    if name.removeprefix(PNG_PROFILE).lower() not in (b"exif", b"app1"):
        return b""
    try:
        if text.startswith(b"\0"):  # compressed, in a zTXt
            text = zlib.decompressobj().decompress(text[1:], 3 * exif.MAX_BYTES)
        digits = b"".join(text.split()[2:])  # after its name and its length
        return bytes.fromhex(digits[: len(digits) // 2 * 2].decode("ascii"))
    except (zlib.error, ValueError):
        return b""


def _read_jpeg(content: bytes) -> Container:
    view = memoryview(content)
    parts, block, xmp = [view[:2]], b"", b""
    position = 2
    while content[position] == 0xFF:
        marker = content[position + 1]
        if marker == 0xFF:  # padding
            position += 1
            continue
        (length,) = struct.unpack_from(">H", content, position + 2)
        end, data = position + 2 + length, content[position + 4 : position + 2 + length]
        if marker == 0xDA or length < 2:  # the pixels begin, or damage
            break
        if marker == 0xE1 and data.startswith(b"Exif\0"):
            block = block or data
        elif marker == 0xE1 and data.startswith(b"http://ns.adobe.com/xap/"):
            xmp = xmp or data
        elif _is_of_pixels(marker, data):
            parts.append(view[position:end])
        position = end
    parts.append(view[position:])
    return Container(_join(content, parts), read_orientation(block, xmp))


def _is_of_pixels(marker: int, data: bytes) -> bool:
    """Return True for a JPEG segment that decides over the pixels: tables and colour codes."""
    if marker == 0xE0:
        return data.startswith(b"JFIF\0") and len(data) >= JPEG_JFIF
    if marker == 0xEE:
        return data.startswith(b"Adobe") and len(data) >= JPEG_ADOBE
    return not (0xE0 <= marker <= 0xEF or marker == 0xFE)


def _read_gif(content: bytes) -> Container:
    """Keep a GIF's first frame, and the blocks before it that say how to draw it."""
    flags = content[10]
    position = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    parts, first_end, frames = [content[:position]], 0, 0
    for start, end in _gif_blocks(content, position):
        is_frame = content[start] == 0x2C
        is_control = content[start : start + 2] == b"!\xf9"
        if not first_end and (is_frame or is_control):
            parts.append(content[start:end])
        first_end = first_end or is_frame * end
        frames += is_frame
    if not first_end:  # cut off within it
        return Container(content)
    return Container(b"".join([*parts, b";"]), frames=frames)


def _gif_blocks(content: bytes, position: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of every complete extension and frame of a GIF."""
    while position < len(content) and content[position] in (0x21, 0x2C):
        start = position
        if content[start] == 0x21:
            position += 2
        else:
            flags = content[start + 9]
            position += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        while position < len(content) and content[position]:  # blocks of up to 255 bytes
            position += 1 + content[position]
        position += 1
        if position > len(content):
            return
        yield start, position


def _read_ppm(content: bytes) -> Container:
    """Leave out the comments of a PPM's header, which decoders read byte by byte."""
    if b"#" not in content[:PPM_BYTES]:
        return Container(content)
    count = 3 if content[1:2] in b"14" else 4  # the kind, two sides, and the largest value
    tokens: list[bytes] = []
    position = 0
    while len(tokens) < count:
        if comment := PPM_COMMENT.match(content, position):
            position = comment.end()
        elif token := PPM_TOKEN.match(content, position):
            tokens.append(token[0])
            position = token.end()
        else:
            return Container(content)
    return Container(b" ".join(tokens) + content[position:])
