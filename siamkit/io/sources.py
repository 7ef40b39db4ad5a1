"""Where samples come from: files, text, and how either is named in the store."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from siamkit.errors import BadInput, UnreadableSample

SHOWN = 200  # characters of a name; paths are shorter, texts may not be
LARGEST = 1 << 30  # bytes; nothing that is embedded whole is larger than 1 GiB


@dataclass(frozen=True, slots=True)
class Content:
    """One sample's content, read once. `name` is what people and the store call it."""

    name: str
    data: bytes | str

    @property
    def digest(self) -> bytes:
        """SHA-256 of the bytes; text counts as UTF-8."""
        data = self.data.encode() if isinstance(self.data, str) else self.data
        return hashlib.sha256(data).digest()


def read(source: Path | str | bytes, *, text: bool = False) -> Content:
    """Read a file, take bytes as they are, or, with `text`, take the string itself.

    Raises UnreadableSample, naming the file, for what is absent, a directory, unreadable,
    empty, or larger than LARGEST; BadInput for what is none of these.
    """
    if isinstance(source, bytes):
        return Content("bytes", source)
    if text and isinstance(source, str):
        try:
            source.encode()
        except UnicodeEncodeError as error:
            shown = source[:40].encode("utf-8", "backslashreplace").decode()
            raise UnreadableSample(f"{shown!r} is not UTF-8 text") from error
        return Content(source, source)
    if not isinstance(source, str | os.PathLike):
        raise BadInput(
            f"a sample is a path, or a file's content as bytes, not {type(source).__name__}",
            hint="encode it: a picture in memory as PNG bytes, a sound as WAV bytes",
        )
    path = Path(source)
    shown = to_text(path)
    if (size := require_file(path)) > LARGEST:
        raise UnreadableSample(f"{shown} has {size:,} bytes, more than the limit of {LARGEST:,}")
    with _named(shown):
        return Content(shown, path.read_bytes())


def require_file(path: Path) -> int:
    """The size in bytes of a file with something in it. Raises UnreadableSample, naming it."""
    shown = to_text(path)
    with _named(shown):
        state = path.stat()
    if stat.S_ISDIR(state.st_mode):
        raise UnreadableSample(
            f"{shown} is a directory",
            hint=f"name its files: {shown}/*; `siamkit enrol` takes them all by --from {shown}",
        )
    if not stat.S_ISREG(state.st_mode):
        raise UnreadableSample(f"{shown} is a pipe or a device, not a file")
    if not state.st_size:
        raise UnreadableSample(f"{shown} is empty")
    return state.st_size


@contextmanager
def _named(shown: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableSample(f"{shown} cannot be read: {reason}") from error


def to_text(path: Path) -> str:
    """A path as text. Bytes that are not UTF-8 become `\\xNN`, which `to_path` turns back."""
    try:
        return os.fsencode(path).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half a surrogate pair, out of JSON: no file has such a name
        return str(path).encode("utf-8", "backslashreplace").decode()


def shorten(name: str) -> str:
    """A sample's name for one line of a message: a text may be a whole page."""
    line = " ".join(name[: 2 * SHOWN].split())
    return name if name == line and len(name) <= SHOWN else line[:SHOWN].rstrip() + "…"


def to_path(text: str) -> Path:
    """The file that `to_text` named."""
    if (path := Path(text)).exists():
        return path
    raw = re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes.fromhex(m[1].decode()), text.encode("utf-8"))
    return Path(os.fsdecode(raw))


def absolute(path: Path) -> Path:
    """The path as the store keeps it, so that `reembed` works from anywhere."""
    return Path(os.path.abspath(path))


def files_under(folder: Path) -> Iterator[Path]:
    """Every visible file below a folder, in name order."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(p.startswith(".") for p in path.relative_to(folder).parts):
            yield path
