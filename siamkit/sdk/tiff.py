"""Walk the directories of a TIFF: count its pages, and leave out tags that are not of the pixels.

TIFF 6.0, and BigTIFF, whose numbers are twice as wide.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MAX_PAGES = 1000  # directories that are looked at
MAX_ENTRIES = 4096  # of a directory; those of the pixels come first
SHORT = 3  # field type
SUBFILE, SUB_DIRECTORIES, DNG = 0x00FE, 0x014A, 0xC612
# Size, compression, layout, colours, value range, orientation; of JPEG and fax compression.
PIXELS = frozenset(
    {SUBFILE, *range(256, 260), 262, 263, 266, *range(273, 282), 284, 290, 291, 292}
    | {293, 317, 318, 319, 320, *range(321, 326), 332, 334, 336, 338, 339, 340, 341, 347}
    | {*range(512, 522), *range(529, 533)}
)


class Slim(NamedTuple):
    """A TIFF without metadata."""

    content: bytes
    pages: int  # without previews
    page: int  # number of the directory of the first page
    is_raw: bool  # a camera's raw file: what it holds as a picture is a preview


class Layout(NamedTuple):
    """Struct codes and sizes of classic TIFF or of BigTIFF."""

    order: str
    counter: str  # of entries
    offset: str
    entry: int  # bytes


def read(content: bytes) -> Slim:
    """Return a TIFF of which every directory holds the pixels' tags only.

    Raises struct.error if a directory leaves the file.
    """
    order = "<" if content.startswith(b"I") else ">"
    is_big = b"+" in content[:4]
    layout = Layout(order, "Q", "Q", 20) if is_big else Layout(order, "H", "I", 12)
    edits: list[tuple[int, bytes]] = []
    previews: list[bool] = []
    visited: set[int] = set()
    is_raw = content[8:10] == b"CR"
    (start,) = struct.unpack_from(order + layout.offset, content, 8 if is_big else 4)
    while start and start not in visited and len(visited) < MAX_PAGES:
        visited.add(start)
        entries, following = _read_directory(content, start, layout)
        tags = dict(entries)
        of_pixels = [entry for tag, entry in entries if tag in PIXELS]
        if len(of_pixels) < len(entries):
            head = struct.pack(order + layout.counter, len(of_pixels)) + b"".join(of_pixels)
            edits.append((start, head + struct.pack(order + layout.offset, following)))
        previews.append(_is_preview(tags, order))
        is_raw |= DNG in tags or (len(visited) == 1 and previews[0] and SUB_DIRECTORIES in tags)
        start = following
    pages = previews.count(False)
    page = previews.index(False) if pages else 0
    return Slim(_edit(content, edits), max(1, pages), page, is_raw)


def _read_directory(
    content: bytes, start: int, layout: Layout
) -> tuple[list[tuple[int, bytes]], int]:
    """Return the (tag, entry) pairs of a directory, and the offset of the next one."""
    order, size = layout.order, layout.entry
    (count,) = struct.unpack_from(order + layout.counter, content, start)
    first = start + struct.calcsize(order + layout.counter)
    (following,) = struct.unpack_from(order + layout.offset, content, first + size * count)
    entries = []
    for position in range(first, first + size * min(count, MAX_ENTRIES), size):
        (tag,) = struct.unpack_from(f"{order}H", content, position)
        entries.append((tag, content[position : position + size]))
    return entries, following


def _is_preview(tags: dict[int, bytes], order: str) -> bool:
    """Return True for a smaller copy of another page."""
    if (entry := tags.get(SUBFILE)) is None:
        return False
    (kind,) = struct.unpack_from(f"{order}H", entry, 2)
    value = 8 if len(entry) == 12 else 12
    (bits,) = struct.unpack_from(order + ("H" if kind == SHORT else "I"), entry, value)
    return bool(bits & 1)


def _edit(content: bytes, edits: list[tuple[int, bytes]]) -> bytes:
    """Return the content with some of its bytes replaced."""
    if not edits:
        return content
    parts: list[bytes | memoryview] = []
    position = 0
    view = memoryview(content)
    for start, replacement in sorted(edits):
        parts += [view[position:start], replacement]
        position = start + len(replacement)
    return b"".join([*parts, view[position:]])
