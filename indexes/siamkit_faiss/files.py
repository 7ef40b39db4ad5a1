"""Files that are complete and durable or not there, and the locks of those who write them.

A file is written under a temporary name beside its place, locked meanwhile, and then renamed. A
temporary file that can be locked is that of a writer that was killed.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl

BINARY = getattr(os, "O_BINARY", 0)  # on Windows


def create_folder(folder: Path) -> None:
    """Create the backend's folder, durably; who may read the indexes' folder may read this one."""
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(_access(folder))
    sync(folder.parent)


def _access(path: Path) -> int:
    """Return the mode of the folder that `path` is in."""
    return path.parent.stat().st_mode & 0o777


class Temporary:
    """A file beside `path`, locked until it is closed, that can replace it durably."""

    def __init__(self, path: Path) -> None:
        """Create it. Raises OSError."""
        self._target, self._process = path, os.getpid()
        self.path, self.handle = _create_locked(path)
        self.path.chmod(_access(path) & 0o666)  # not executable

    def replace(self, path: Path) -> None:
        """Put it, synced, in the place of `path`, which is in the same folder."""
        os.fsync(self.handle)
        os.replace(self.path, path)
        sync(path.parent)

    def close(self) -> None:
        """Unlock it, and delete it if it was not put into place."""
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1
            if os.getpid() == self._process:  # in the child of a fork it is still the parent's
                self.path.unlink(missing_ok=True)

    def __del__(self) -> None:
        with suppress(OSError):
            self.close()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a file beside `path`, locked while it is written, that then replaces it durably."""
    temporary = Temporary(path)
    try:
        yield temporary.path
        temporary.replace(path)
    finally:
        temporary.close()


def _create_locked(path: Path) -> tuple[Path, int]:
    """Create a file beside `path`; another process may delete it before it is locked."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | BINARY, 0o600)
        _lock(handle, exclusive=True, wait=True)
        if temporary.exists():
            return temporary, handle
        os.close(handle)


def delete_abandoned(folder: Path, prefix: str) -> list[Path]:
    """Delete the temporary files of writers that were killed: those that can be locked.

    Returns those of writers that go on; none where there are no such locks.
    """
    in_use = []
    for path in folder.glob(f".{prefix}*"):
        with suppress(OSError):  # gone
            handle = os.open(path, os.O_RDONLY)
            try:
                if _lock(handle, exclusive=True, wait=False):
                    path.unlink(missing_ok=True)
                elif sys.platform != "win32":
                    in_use.append(path)
            finally:
                os.close(handle)
    return in_use


@contextmanager
def locked(path: Path, *, exclusive: bool) -> Iterator[None]:
    """Hold the lock of a file: readers share it, one who changes it in place has it alone.

    Raises OSError if the file is not there, or is not a file: opening a pipe would wait for ever.
    """
    while True:
        if path.exists() and not path.is_file():
            raise OSError(f"{path.name} is not a file")
        handle = os.open(path, os.O_RDONLY)
        try:
            _lock(handle, exclusive=exclusive, wait=True)
            if os.path.samestat(os.fstat(handle), path.stat()):  # else replaced while we waited
                yield
                return
        finally:
            os.close(handle)


def _lock(handle: int, *, exclusive: bool, wait: bool) -> bool:
    """Lock a file until it is closed. False if it is locked, or there are no such locks here."""
    if sys.platform == "win32":
        return False
    with suppress(OSError):
        mode = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        fcntl.flock(handle, mode if wait else mode | fcntl.LOCK_NB)
        return True
    return False


def overwrite(handle: int, offset: int, content: bytes | memoryview) -> None:
    """Write bytes at an offset of an open file, all of them. Raises OSError."""
    os.lseek(handle, offset, os.SEEK_SET)
    remaining = memoryview(content)
    while remaining:
        remaining = remaining[os.write(handle, remaining) :]


def sync(path: Path) -> None:
    """fsync a file, or a directory where the system can open one (POSIX)."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
