"""Read files that siamkit did not just write: regular files alone, within limits, as data alone.

Every reader opens a file once and asks that handle what it is, so that a pipe, a device or a
folder neither hangs nor fills the memory, and nothing can be exchanged between check and use.
Errors are BadInput, name the file, and carry the caller's hint if there is no better one.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from siamkit.errors import BadInput
from siamkit.io.sources import to_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_JSON_BYTES = 16 << 20  # of one document; parsed, it may take 30 times as much memory
MAX_LINE_BYTES = 8 << 20  # of one line of JSON: a text of a million characters, all of them escaped
MAX_DEPTH = 32  # lists and objects within each other; siamkit's own files have at most 6
MAX_NUMBER_CHARS = 64  # of one number; float64 needs at most 24
MAX_NPY_HEADER = 10_000  # bytes: numpy's own limit, which it checks after reading
MAX_NPY_AXIS = 1 << 40  # longest axis of an array: no file is longer
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"')
_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")  # the escape of half a surrogate pair


@contextmanager
def open_file(path: Path, *, hint: str = "") -> Iterator[tuple[io.BufferedReader, int]]:
    """Open a regular file; yield it with its size in bytes. An OSError in the block is BadInput.

    Raises BadInput for anything else, such as a folder, a pipe, a device, or an endless file of
    the system, without waiting for any of them.
    """
    with open_regular(path, hint=hint) as opened:
        try:
            yield opened
        except OSError as error:
            raise _unreadable(to_text(path), error, hint) from error


@contextmanager
def open_regular(path: Path, *, hint: str = "") -> Iterator[tuple[io.BufferedReader, int]]:
    """Do what `open_file` does, but leave errors of the block as they are."""
    name = to_text(path)
    try:
        handle = os.open(path, _FLAGS)
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        raise _unreadable(name, error, hint) from error
    with ExitStack() as closing:
        closing.callback(os.close, handle)
        state = os.fstat(handle)
        if stat.S_ISDIR(state.st_mode):
            raise BadInput(f"{name} is a directory", hint=hint or "name a file")
        if not stat.S_ISREG(state.st_mode):
            raise BadInput(f"{name} is a pipe or a device, not a file", hint="save it as a file")
        file = closing.enter_context(open(handle, "rb", closefd=False))
        if not state.st_size and file.read(1):
            raise BadInput(f"{name} is not an ordinary file", hint="save it as a file")
        yield file, state.st_size


def read_bytes(path: Path, limit: int, *, hint: str = "") -> bytes:
    """Read a file whole. Raises BadInput if it has more than `limit` bytes."""
    with open_file(path, hint=hint) as (file, size):
        if size > limit:
            raise BadInput(
                f"{to_text(path)} has {size:,} bytes, more than the limit of {limit:,}", hint=hint
            )
        return file.read(size)


def read_text(path: Path, limit: int = MAX_JSON_BYTES, *, hint: str = "") -> str:
    """Read a file of UTF-8, with or without a byte order mark."""
    try:
        return read_bytes(path, limit, hint=hint).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{to_text(path)} is not UTF-8 text: {error.reason}", hint=hint) from error


def read_json(path: Path, limit: int = MAX_JSON_BYTES, *, hint: str = "") -> Any:
    """Read a JSON document. Raises BadInput, see `parse_json`."""
    text = read_text(path, limit, hint=hint)
    try:
        return parse_json(text)
    except ValueError as error:
        raise BadInput(f"{to_text(path)}: {error}", hint=hint) from error


def require_object(value: object, *keys: str) -> dict[str, Any]:
    """Return a JSON value as an object. Raises ValueError for another, or if a key is missing."""
    if not isinstance(value, dict):
        raise ValueError(f"{json.dumps(value)[:80]} is not an object")
    for key in keys:
        if key not in value:
            raise ValueError(f"there is no {key!r}")
    return value


def read_json_lines(path: Path, *, hint: str = "") -> Iterator[tuple[int, Any]]:
    """Yield the number, from 1, and the value of each line that is not blank.

    No more than one line is held in memory, and nothing is read that was added after opening.
    Raises BadInput, naming the line, see `parse_json`.
    """
    number = 0
    with open_file(path, hint=hint) as (file, left):
        while left > 0 and (raw := file.readline(min(left, MAX_LINE_BYTES + 1))):
            number, left = number + 1, left - len(raw)
            try:
                if len(raw) > MAX_LINE_BYTES:
                    raise ValueError(f"more than {MAX_LINE_BYTES:,} bytes")
                if raw.strip():
                    yield number, parse_json(raw.decode("utf-8-sig" if number == 1 else "utf-8"))
            except ValueError as error:
                raise BadInput(f"{to_text(path)}, line {number}: {error}", hint=hint) from error


def parse_json(text: str) -> Any:
    """Parse JSON as every program reads it.

    Raises ValueError, with the reason, for a key that an object has twice, NaN, Infinity, a number
    that neither 64 bits nor a float can hold, half a surrogate pair, or more than MAX_DEPTH levels.
    """
    try:
        value = _DECODER.decode(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        raise ValueError(f"more than {MAX_DEPTH} lists and objects within each other")
    if _HALF_PAIR.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise ValueError("a text in it is not UTF-8") from error
    return value


def open_npy(path: Path, *, hint: str = "") -> NDArray[Any]:
    """Open an .npy file of plain numbers as an array that is read from the file where it is used.

    Its header is compared with the file's length before anything is allocated. Raises BadInput
    for any other file; nothing is ever unpickled.
    """
    import numpy as np

    with open_file(path, hint=hint) as (file, size):
        try:
            shape, is_fortran, dtype = _npy_header(file, size)
        except ValueError as error:
            raise BadInput(f"{to_text(path)} is not an array: {error}", hint=hint) from error
        order: Any = "F" if is_fortran else "C"
        if 0 in shape:
            return np.empty(shape, dtype, order)
        return np.memmap(file, dtype, "r", file.tell(), shape, order)


def read_npz(path: Path, names: Sequence[str], *, hint: str = "") -> list[NDArray[Any]]:
    """Read arrays of an uncompressed .npz file, checked as `open_npy` does."""
    from zipfile import ZIP_STORED, BadZipFile, ZipFile

    import numpy as np

    arrays = []
    with open_file(path, hint=hint) as (file, size):
        try:
            with ZipFile(file) as archive:
                for name in names:
                    entry = archive.getinfo(f"{name}.npy")
                    if entry.compress_type != ZIP_STORED or entry.file_size > size:
                        raise ValueError(f"{name} is compressed")
                    content = io.BytesIO(archive.read(entry))
                    shape, is_fortran, dtype = _npy_header(content, entry.file_size)
                    values = np.frombuffer(content.getbuffer(), dtype, offset=content.tell())
                    arrays.append(values.reshape(shape, order="F" if is_fortran else "C"))
        except (ValueError, KeyError, BadZipFile, NotImplementedError, RuntimeError) as error:
            raise BadInput(f"{to_text(path)} is damaged: {error}", hint=hint) from error
    return arrays


def _npy_header(file: BinaryIO, size: int) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the shape, the order and the type of an .npy file of `size` bytes. Raises ValueError."""
    from numpy.lib import format as npy

    major, _ = version = npy.read_magic(file)
    width = 2 if major == 1 else 4
    prefix = file.read(width)
    if (length := int.from_bytes(prefix, "little")) > MAX_NPY_HEADER:
        raise ValueError(f"its header has {length:,} bytes")
    header = io.BytesIO(prefix + file.read(length))
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(f"format {version} is unknown")
    read = npy.read_array_header_1_0 if major == 1 else npy.read_array_header_2_0
    try:
        shape, is_fortran, dtype = read(header)
    except Exception as error:  # numpy parses it as Python, which fails in many ways
        raise ValueError(f"its header cannot be read: {error}") from error
    if dtype.kind not in "biuf":
        raise ValueError(f"it holds {dtype}, not numbers")
    if not all(0 <= length <= MAX_NPY_AXIS for length in shape) or 0 in shape[1:]:
        raise ValueError(f"its shape is {shape}"[:200])
    stated, held = dtype.itemsize * math.prod(shape), size - file.tell()
    if stated != held:
        raise ValueError(f"{shape} {dtype} are {stated:,} bytes, but it has {held:,}")
    return shape, is_fortran, dtype


def _depth(text: str) -> int:
    """Return how many lists and objects of a valid JSON text lie within each other."""
    brackets = re.findall(r"[\[\]{}]", _STRING.sub("", text))
    return max(accumulate(1 if bracket in "[{" else -1 for bracket in brackets), default=0)


def _integer(digits: str) -> int:
    if len(digits) > MAX_NUMBER_CHARS or not -(2**63) <= (value := int(digits)) < 2**63:
        raise ValueError(f"the number {digits[:20]}… does not fit into 64 bits")
    return value


def _float(digits: str) -> float:
    if len(digits) > MAX_NUMBER_CHARS or math.isinf(value := float(digits)):
        raise ValueError(f"the number {digits[:20]}… is too long or too large")
    return value


def _constant(name: str) -> float:
    raise ValueError(f"{name} is not a number in JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        repeated = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"an object has the key {repeated[:80]!r} more than once")
    return fields


_DECODER = json.JSONDecoder(
    parse_int=_integer, parse_float=_float, parse_constant=_constant, object_pairs_hook=_object
)


def _unreadable(name: str, error: Exception, hint: str) -> BadInput:
    reason = getattr(error, "strerror", None) or error
    return BadInput(f"{name} cannot be read: {reason}", hint=hint)
