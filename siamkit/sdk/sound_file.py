"""The length that a sound file's header states, and whether the file agrees.

The stated length counts. A file that ends before it is damaged; what follows it is left out, with a
note. A header that was written before the length was known, by a program that could not go back,
states zero or the largest number: then the sound goes on to the end of the file.
"""

from __future__ import annotations

import io
import re
import struct
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from siamkit.errors import UnreadableSample
from siamkit.sdk.formats import HEAD
from siamkit.sdk.quiet import hide_lines

SLACK = 0.1  # s that may be missing at the end: an encoder's delay
UNKNOWN = 0x7FFF0000  # bytes or more: a placeholder for a length that was not known
CHUNKS = 100  # of a WAV that are looked at before its sound begins
TAIL = 1 << 16  # bytes; the last page of an OGG is no longer
FRAME = 200  # bytes of an MP3's first frame in which its length may be stated
LAST_PAGE = 4  # flag of an OGG page
COMPLAINT = re.compile(rb"libmpg123|^(Note|Warning): ")
# Lines of libsndfile's log, for WAV, AIFF, AU, W64 and RF64.
SHORT = re.compile(
    r"^\s*(?:data|SSND|Data Size|riff|Riff size)\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Header:
    """The facts about a sound file that are known before it is decoded."""

    head: bytes  # the first HEAD bytes
    first_frame: bytes  # the beginning of an MP3's sound, after its tag
    surplus: int = 0  # bytes after the stated end of a WAV's sound that belong to nothing
    is_cut: bool = False  # an OGG without an end mark
    patch: tuple[int, bytes] | None = None  # where, and what, libsndfile is to read instead

    def quiet(self) -> AbstractContextManager[None]:
        """Silence the decoder of MP3, which complains to standard error about damage."""
        is_mp3 = self.head.startswith(b"ID3") or self.head[:1] == b"\xff"
        return hide_lines(COMPLAINT) if is_mp3 else nullcontext()

    def require_complete(self, file: Any) -> None:
        """Raise UnreadableSample if the header states more than the file holds."""
        for match in SHORT.finditer(file.extra_info):
            stated, actual = int(match[1]), int(match[2])
            seconds = file.frames / file.samplerate
            stated_seconds = seconds * stated / max(actual, 1)
            if actual < stated < UNKNOWN and stated_seconds - seconds > SLACK:
                raise ends_early(seconds, stated_seconds)

    def notes(self, file: Any) -> list[str]:
        """Return what is left out, or may be missing."""
        if self.surplus:
            end = file.frames / file.samplerate
            return [
                f"its header states that it ends at {end:.1f} s: {self.surplus:,} bytes after that"
                " are ignored"
            ]
        return ["it has no end mark: it may have been cut off"] if self.is_cut else []


def ends_early(seconds: float, stated: float) -> UnreadableSample:
    """Return the error for a recording that is shorter than its header states."""
    return UnreadableSample(
        f"the recording is damaged: it ends after {seconds:.1f} of {stated:.1f} s"
    )


def read_header(source: Path | bytes) -> Header:
    """Read what a sound file states about its length."""
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stream:
        size = stream.seek(0, io.SEEK_END)
        head = _read(stream, 0, HEAD)
        frame = _read(stream, _tag_size(head), FRAME)
        if head.startswith(b"OggS"):
            tail = _read(stream, max(0, size - TAIL), TAIL)
            page = tail.rfind(b"OggS")
            flags = tail[page + 5 : page + 6] or b"\0"
            return Header(head, frame, is_cut=not flags[0] & LAST_PAGE)
        if not (head.startswith(b"RIFF") and head[8:12] == b"WAVE"):
            return Header(head, frame)
        if (position := _find_sound(stream)) is None:
            return Header(head, frame)
        (stated,) = struct.unpack("<I", _read(stream, position + 4, 4))
        remaining = size - position - 8
        if stated == 0 and remaining > 0:
            patch = (position + 4, struct.pack("<I", min(remaining, 0xFFFFFFFE)))
            return Header(head, frame, patch=patch)
        end = position + 8 + stated + stated % 2
        surplus = 0 if _is_chunk(stream, end, size) else size - end
        return Header(head, frame, surplus=surplus)


def open_stream(source: Path | bytes, header: Header) -> Any:
    """Return what soundfile can open: a path, or a stream."""
    if header.patch is None and isinstance(source, Path):
        return str(source)
    stream = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
    return _Stream(stream, *(header.patch or (0, b"")))


def _read(stream: IO[bytes], position: int, count: int) -> bytes:
    stream.seek(position)
    return stream.read(count)


def _tag_size(head: bytes) -> int:
    """Return the bytes of an ID3 tag, whose size has seven bits in each byte."""
    if not head.startswith(b"ID3"):
        return 0
    return 10 + sum(b << shift for b, shift in zip(head[6:10], (21, 14, 7, 0), strict=False))


def _find_sound(stream: IO[bytes]) -> int | None:
    """Return the position of the chunk with a WAV's sound; None if there is none."""
    position = 12
    for _ in range(CHUNKS):
        if len(start := _read(stream, position, 8)) < 8:
            break
        name, size = struct.unpack("<4sI", start)
        if name == b"data":
            return position
        position += 8 + size + size % 2
    return None


def _is_chunk(stream: IO[bytes], position: int, size: int) -> bool:
    """Return True if a WAV ends here, or goes on with a chunk."""
    if size - position <= 8:  # padding
        return True
    name, length = struct.unpack("<4sI", _read(stream, position, 8))
    return all(32 <= letter < 127 for letter in name) and position + 8 + length <= size


class _Stream(io.RawIOBase):
    """A file with other bytes in one place. Seeking before its beginning stays where it is."""

    def __init__(self, stream: IO[bytes], start: int, content: bytes) -> None:
        self._stream, self._start, self._content = stream, start, content

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        try:
            return self._stream.seek(offset, whence)
        except (ValueError, OverflowError, OSError):  # as damaged headers ask for
            return self._stream.tell()

    def tell(self) -> int:
        return self._stream.tell()

    def readinto(self, buffer: Any) -> int:
        position = self._stream.tell()
        content = bytearray(self._stream.read(len(buffer)))
        for offset, byte in enumerate(self._content, self._start - position):
            if 0 <= offset < len(content):
                content[offset] = byte
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self._stream.close()
        super().close()
