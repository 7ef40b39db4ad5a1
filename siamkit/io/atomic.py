"""Replace a file: whatever happens, readers find the old file or the whole new one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from siamkit.errors import BadInput
from siamkit.io.sources import to_text


def require_writable(path: Path, suffixes: Sequence[str]) -> None:
    """Raise BadInput if no file with one of these suffixes can be written to `path`.

    Call it before the work that the file is for.
    """
    name = to_text(path)
    if path.suffix.lower() not in suffixes:
        hint = f"use one of {', '.join(suffixes)}"
        raise BadInput(f"{name}: cannot write {path.suffix!r}", hint=hint)
    if path.is_dir():
        raise BadInput(f"{name} is a directory", hint="give a file name")
    if not path.parent.is_dir():
        hint = f"run `mkdir -p {to_text(path.parent)}`"
        raise BadInput(f"the folder of {name} does not exist", hint=hint)
    try:
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise BadInput(f"{name} cannot be written: {error.strerror}") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a name beside `path` to write to; when the block ends, move that file to `path`.

    The name ends like `path`, and the move is durable. If the block raises, what was at `path`
    stays, and the new file is deleted. Raises OSError.
    """
    _delete_abandoned(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink()


def replace_text(path: Path, text: str) -> None:
    """Replace a text file. Characters that UTF-8 cannot hold are written as escapes."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def _sync(path: Path) -> None:
    """Wait until a file, or on POSIX the names in a folder, are on the disk."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:  # Windows opens no folder
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _delete_abandoned(path: Path) -> None:
    """Delete what processes that were killed left behind while they wrote `path`."""
    for process in _processes_writing(path):
        if not _is_running(process):
            path.with_name(f".{path.stem}.{process}{path.suffix}").unlink(missing_ok=True)


def _processes_writing(path: Path) -> list[int]:
    start, end = f".{path.stem}.", path.suffix
    with suppress(OSError):
        names = [name for name in os.listdir(path.parent) if name.startswith(start)]
        middles = [name.removeprefix(start).removesuffix(end) for name in names]
        return [int(middle) for middle in middles if middle.isascii() and middle.isdigit()]
    return []


def _is_running(process: int) -> bool:
    if os.name != "posix":  # elsewhere signal 0 ends the process
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass  # somebody else's process
    return True
