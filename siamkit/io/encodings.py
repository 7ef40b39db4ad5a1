"""Decode the text files of other programs: UTF-8, UTF-16 with or without a mark, and named ones.

Nothing is guessed that could be wrong: bytes that are not UTF-8 stay as lone surrogates, the row
that holds them becomes a fault, and `undecoded` names the encoding that it may be in.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from io import TextIOWrapper
from typing import Any, TextIO

from siamkit.errors import BadInput

HEAD = 4096  # bytes by which a file's encoding is recognised; an even number
MAX_LINE_CHARS = 8 << 20  # of one line; a longer one is not a line of text
MARKS = (  # the longer ones first, as that of UTF-32 begins like that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What begins a file of another kind, whatever its name says.
MAGIC = (
    (b"PK\x03\x04", "a ZIP archive, as .xlsx and .ods are"),
    (b"\xd0\xcf\x11\xe0", "an old Office file, as .xls is"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3\0", "a SQLite database"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"%PDF", "a PDF"),
)
_UNITS = "\n\r\t ,;0123456789"  # characters that tables of any script have


def require_known(encoding: str) -> str:
    """Return the codec's own name of an encoding. Raises BadInput for an unknown one."""
    try:
        "a".encode(encoding)
        return codecs.lookup(encoding).name
    except (LookupError, ValueError) as error:
        hint = "windows-1252, windows-1251, iso-8859-15, shift_jis, gb18030, utf-16, …"
        raise BadInput(f"encoding {encoding!r} is not known", hint=hint) from error


def recognise(head: bytes, name: str, encoding: str | None) -> str:
    """Return the codec for a file that begins with `head`.

    A byte order mark decides, then `encoding`, then UTF-16 by its ASCII characters, else UTF-8.
    Raises BadInput, naming the file, if it is not text.
    """
    marked = next((codec for mark, codec in MARKS if head.startswith(mark)), None)
    if marked:
        return marked
    for magic, kind in MAGIC:
        if head.startswith(magic):
            hint = "give it the ending of its kind, or save it as .csv"
            raise BadInput(f"{name} is not text: it is {kind}", hint=hint)
    if encoding and not _extends_ascii(encoding):
        return encoding
    if b"\0" in head:
        if wide := _wide(head):
            return wide
        raise BadInput(f"{name} is not text: there are NUL bytes in it")
    return "utf-8-sig"


def lines(file: TextIO, name: str, encoding: str | None = None) -> Iterator[str]:
    """Yield each line with its end: line feed, carriage return, or both.

    encoding: of lines that are not UTF-8, as some of a file may be that several programs wrote.
    Raises BadInput, naming the file, for a line without end, and for a file that is incomplete.
    """
    number = 0
    try:
        while line := file.readline(MAX_LINE_CHARS):
            number += 1
            if len(line) == MAX_LINE_CHARS:
                raise BadInput(f"{name}, line {number}: more than {MAX_LINE_CHARS:,} characters")
            yield _decoded(line, encoding) if encoding else line
    except UnicodeError as error:  # UTF-16 that ends within a character
        reason = getattr(error, "reason", error)
        raise BadInput(f"{name} is incomplete or in another encoding: {reason}") from error
    except OSError as error:
        raise BadInput(f"{name} cannot be read: {error.strerror}") from error


def reconfigure(stream: TextIO, name: str, encoding: str | None) -> None:
    """Let an open text stream, such as standard input, decode as `recognise` says."""
    if isinstance(stream, TextIOWrapper):
        codec = recognise(_peek(stream), name, encoding)
        stream.reconfigure(encoding=codec, errors="surrogateescape", newline="")


def undecoded(text: str) -> str:
    """Return "" for a text that UTF-8 can hold, else why not, and what may help."""
    try:
        text.encode()
    except UnicodeEncodeError:
        pass
    else:
        return ""
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a surrogate pair, from JSON
        return "is not UTF-8"
    if any(ord(char) > 0x7F and not 0xDC80 <= ord(char) <= 0xDCFF for char in text):
        return "is not UTF-8, but mixes two encodings: `--encoding NAME` may not suffice"
    if _looks_western(raw):
        return "is not UTF-8 (of a text file, `--encoding windows-1252` may be the right one)"
    return "is not UTF-8 (of a text file, `--encoding NAME` says what it is, such as windows-1251)"


def _peek(stream: TextIOWrapper) -> bytes:
    buffer: Any = stream.buffer
    if hasattr(buffer, "peek"):
        return bytes(buffer.peek(HEAD)[:HEAD])
    if buffer.seekable():
        position = buffer.tell()
        head = buffer.read(HEAD)
        buffer.seek(position)
        return bytes(head)
    return b""


def _decoded(line: str, encoding: str) -> str:
    try:
        line.encode()
    except UnicodeEncodeError:
        return line.encode("utf-8", "surrogateescape").decode(encoding, "surrogateescape")
    return line


def _extends_ascii(encoding: str) -> bool:
    """Return True if each byte is a character, and ASCII stays itself.

    Then a line that is valid UTF-8 is hardly ever anything else.
    """
    ascii_bytes = bytes(range(128))
    try:
        same = ascii_bytes.decode(encoding) == ascii_bytes.decode("ascii")
        return same and len(bytes(range(128, 256)).decode(encoding, "replace")) == 128
    except UnicodeError:
        return False


def _wide(head: bytes) -> str | None:
    """Return the UTF-16 that bytes without a mark are in, by the order of their ASCII."""
    counts = {}
    for codec in ("utf-16-le", "utf-16-be"):
        try:
            text = head[: len(head) // 2 * 2].decode(codec)
        except UnicodeDecodeError as error:
            if error.end < len(head) - 2:  # else a pair that the end of the head divides
                continue
            text = head[: error.start].decode(codec)
        if "\0" not in text:
            counts[codec] = sum(text.count(char) for char in _UNITS)
    most = max(counts.values(), default=0)
    best = [codec for codec, count in counts.items() if count == most > 0]
    return best[0] if len(best) == 1 else None


def _looks_western(raw: bytes) -> bool:
    """Return True if bytes may be Windows-1252: single letters with accents, and quotation marks.

    Other scripts come out as words of accented letters alone.
    """
    try:
        text = raw.decode("windows-1252")
    except UnicodeDecodeError:
        return False
    return re.search(r"[^\W\d_a-zA-Z]{3}|[\xa1-\xbf\xd7\xf7]{3}", text) is None
