"""Read samples: files, bytes or texts, and the names that the store gives them."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shlex import quote

from siamkit.errors import BadInput, SiamkitError, UnreadableSample
from siamkit.io import pages
from siamkit.io.absent import hint_for_absent

NAME_CHARS = 200  # characters of a name in a message; a text may be a whole page
MAX_BYTES = 1 << 29  # bytes (512 MiB) of a source that is read whole; decoding takes as much
TABLES = (".csv", ".tsv", ".jsonl", ".parquet", ".xlsx")  # of many texts, one a row
TEXT_HINT = "if it is a text, write `--text` before it"
IMPORTED = "imported:"  # begins a source that an import named and its user did not: never read


class InMemory(bytes):
    """The content of a sample that is in no file, and its name for messages and the store.

    stored_as: the source that the store notes instead, of a copy that it keeps itself.
    """

    name: str
    stored_as: str

    def __new__(cls, content: bytes, name: str, stored_as: str = "") -> InMemory:
        self = super().__new__(cls, content)
        self.name, self.stored_as = name, stored_as
        return self


class Refused(bytes):
    """A value that is not a sample, in a list of sources: reading it is an error."""

    name: str
    error: SiamkitError

    def __new__(cls, name: str, error: SiamkitError) -> Refused:
        self = super().__new__(cls, name.encode())  # unlike that of others
        self.name, self.error = name, error
        return self


@dataclass(frozen=True)  # no slots: the digest is cached
class Content:
    """The content of one sample. `name` is used in messages and in the store."""

    name: str
    data: bytes | str
    page_digest: bytes = b""  # of a page of a document, which `data` is a picture of

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the bytes; text is hashed as UTF-8, a page with its document."""
        if self.page_digest:
            return self.page_digest
        data = self.data.encode() if isinstance(self.data, str) else self.data
        return hashlib.sha256(data).digest()


def read(source: Path | str | bytes, *, text: bool = False) -> Content:
    """Read a file, or take bytes as they are or, with `text`, the string itself.

    FILE.pdf#page=2 is read as a picture of that page. Raises UnreadableSample, naming the file, if
    it is absent, a directory, unreadable, empty, or larger than MAX_BYTES, or has no such page;
    BadInput for any other source. Raises the error of a Refused.
    """
    if isinstance(source, Refused):
        raise source.error
    if isinstance(source, bytes):
        return Content(name_of_bytes(source), source)
    if text and isinstance(source, str):
        try:
            source.encode()
        except UnicodeEncodeError as error:
            name = source[:40].encode("utf-8", "backslashreplace").decode()
            raise UnreadableSample(f"{name!r} is not UTF-8 text") from error
        return Content(source, source)
    if not isinstance(source, str | os.PathLike):
        raise BadInput(
            f"expected a path, or a file's content as bytes; got {type(source).__name__}"
        )
    path, page = pages.split(Path(source))
    name = to_text(path)
    if (size := require_file(path)) > MAX_BYTES:
        raise UnreadableSample(f"{name} has {size:,} bytes, more than the limit of {MAX_BYTES:,}")
    with _named(path):
        content = path.read_bytes()
    return Content(name, content) if page is None else _read_page(name, content, page)


def read_text_file(path: Path) -> Content:
    """Read a file that holds one text. Raises UnreadableSample as `read` does, and for a table."""
    name = to_text(path)
    if path.suffix.lower() in TABLES:
        hint = f"give its column of texts: `--from {quote(name)} --column NAME`"
        raise UnreadableSample(f"{name} is a table, not one text", hint=hint)
    try:
        return read(path)
    except UnreadableSample as error:
        if error.hint or os.path.lexists(path):
            raise
        raise UnreadableSample(str(error), hint=TEXT_HINT) from error


def name_of_bytes(source: bytes) -> str:
    """Return the name of a sample in memory; 'bytes' for the bare content of a file."""
    return str(getattr(source, "name", type(source).__name__))


def _read_page(name: str, content: bytes, page: int) -> Content:
    """Draw a page of a document."""
    try:
        picture = pages.draw(content, page)
    except UnreadableSample as error:
        raise UnreadableSample(f"{name}: {error}", hint=error.hint) from error
    return Content(to_text(pages.at_page(Path(name), page)), picture, pages.digest(content, page))


def require_file(path: Path) -> int:
    """Return a file's size in bytes. Raises UnreadableSample, naming it, if it is not usable."""
    name = to_text(path)
    with _named(path):
        state = path.stat()
    if stat.S_ISDIR(state.st_mode):
        hint = f"name its files: {name}/*; `siamkit enrol --from {quote(name)}` takes them all"
        raise UnreadableSample(f"{name} is a directory", hint=hint)
    if not stat.S_ISREG(state.st_mode):
        raise UnreadableSample(f"{name} is a pipe or a device, not a file")
    if not state.st_size:
        raise UnreadableSample(f"{name} is empty")
    return state.st_size


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        reason = getattr(error, "strerror", None) or str(error)
        hint = hint_for_absent(path) if isinstance(error, OSError) else ""
        raise UnreadableSample(f"{to_text(path)} cannot be read: {reason}", hint=hint) from error


def to_text(path: Path) -> str:
    """Return a path as text. Bytes that are not UTF-8 become `\\xNN`; `to_path` reverses it."""
    try:
        return os.fsencode(path).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half a surrogate pair, from JSON: no file has such a name
        return str(path).encode("utf-8", "backslashreplace").decode()


def shorten(name: str) -> str:
    """Return a sample's name, shortened to fit into one line of a message."""
    line = " ".join(name[: 2 * NAME_CHARS].split())
    return name if name == line and len(name) <= NAME_CHARS else line[:NAME_CHARS].rstrip() + "…"


def to_path(text: str) -> Path:
    """Return the path that `to_text` has named."""
    if (path := Path(text)).exists():
        return path
    escape = rb"\\x([89a-f][0-9a-f])"  # of no other byte: `\x2f` is not a slash
    raw = re.sub(escape, lambda m: bytes.fromhex(m[1].decode()), text.encode("utf-8"))
    return Path(os.fsdecode(raw))


def absolute(path: Path) -> Path:
    """Return a path as the store keeps it, so that `reembed` works from any folder."""
    return Path(os.path.abspath(path))
