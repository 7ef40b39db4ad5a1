"""Snapshots on disk: `KEY-SEQ-NONCE.faiss`, named after the last change it holds, and a `.json`.

The `.json` beside it records size, modification time and CRC-32. A file whose size and time match
is trusted and mapped at once. If the time differs, the checksum is computed first, so that a
truncated or altered snapshot is refused before FAISS reads it: a truncated file, once mapped, would
kill the process with SIGBUS.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.types import Cursor

if TYPE_CHECKING:
    import faiss
if sys.platform != "win32":
    import fcntl

_NAME = re.compile(r"(?P<key>.+)-(?P<seq>\d+)-(?P<nonce>[0-9a-f]{16})\.faiss")
_CHUNK = 1 << 22


class Refused(Exception):
    """A snapshot cannot be used. The message completes the sentence 'FILE …'."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A file that claims to hold all changes up to `cursor`."""

    path: Path
    key: str
    cursor: Cursor

    @property
    def card(self) -> Path:
        """Path of the .json beside it."""
        return self.path.with_suffix(".json")


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """Content of the .json beside a snapshot."""

    structure: str
    count: int
    recall: float
    nprobe: int | None = None  # of inverted lists
    trained_on: int | None = None
    bytes: int = 0
    mtime_ns: int = 0
    crc32: int = 0


def newest_first(folder: Path, key: str) -> list[Snapshot]:
    """Return the snapshots of a key in a folder, sound or not, newest first."""
    snapshots = [s for s in _all(folder, key) if s.key == key]
    return sorted(snapshots, key=lambda s: s.cursor, reverse=True)


def drop(folder: Path, prefix: str, below: int | None = None) -> None:
    """Delete the snapshots of keys that begin with a prefix, saved before the change `below`."""
    for snapshot in _all(folder, prefix):
        if below is None or snapshot.cursor.seq < below:
            snapshot.path.unlink(missing_ok=True)
            snapshot.card.unlink(missing_ok=True)
    _delete_abandoned(folder, prefix)


def read(
    snapshot: Snapshot, dim: int, *, mapped: bool = True
) -> tuple[Snapshot, SnapshotInfo, faiss.Index]:
    """Check a snapshot and open it, memory-mapped unless it is to be changed. Raises Refused."""
    import faiss

    try:
        card = _check(snapshot)
        flags = faiss.IO_FLAG_MMAP_IFC if mapped else 0
        index = faiss.read_index(str(snapshot.path), flags)
    except (OSError, RuntimeError) as error:  # RuntimeError: FAISS
        raise Refused(f"cannot be read: {str(error)[:200]}") from error
    if index.d != dim:
        raise Refused(f"holds {index.d}-d vectors, not {dim}-d")
    return snapshot, card, index


def _all(folder: Path, prefix: str) -> list[Snapshot]:
    matches = [(path, _NAME.fullmatch(path.name)) for path in folder.glob(f"{prefix}*.faiss")]
    return [
        Snapshot(path, match["key"], Cursor(int(match["seq"]), match["nonce"]))
        for path, match in matches
        if match
    ]


def _check(snapshot: Snapshot) -> SnapshotInfo:
    """Return the card of a snapshot whose file is as it was written. Raises Refused, OSError."""
    try:
        card = SnapshotInfo(**json.loads(snapshot.card.read_text(encoding="utf-8")))
        numbers = [card.count, card.recall, card.bytes, card.mtime_ns, card.crc32]
        numbers += [n for n in (card.nprobe, card.trained_on) if n is not None]
        if not all(isinstance(n, int | float) for n in numbers):
            raise ValueError("a value is not a number")
    except (ValueError, TypeError) as error:
        raise Refused(f"has a damaged {snapshot.card.name}") from error
    state = snapshot.path.stat()
    if state.st_size != card.bytes:
        raise Refused(f"has {state.st_size:,} bytes, not the {card.bytes:,} written")
    if state.st_mtime_ns != card.mtime_ns:
        if _crc(snapshot.path) != card.crc32:
            raise Refused("is damaged: its checksum is not the one recorded")
        with suppress(OSError):  # a copied store: record that the file is sound, if possible
            _write_card(snapshot, replace(card, mtime_ns=state.st_mtime_ns))
    return card


def write(
    folder: Path, key: str, cursor: Cursor, index: faiss.Index, card: SnapshotInfo
) -> tuple[Snapshot, SnapshotInfo]:
    """Write a snapshot that is complete and durable, or not there at all."""
    import faiss

    _create_folder(folder)
    snapshot = Snapshot(folder / f"{key}-{cursor.seq}-{cursor.nonce}.faiss", key, cursor)
    with _replacing(snapshot.path) as temporary:
        faiss.write_index(index, str(temporary))
        _sync(temporary)
        state = temporary.stat()
        card = replace(card, bytes=state.st_size, mtime_ns=state.st_mtime_ns, crc32=_crc(temporary))
        _write_card(snapshot, card)
    # Only older ones: two writers that deleted "all but mine" would delete each other's.
    drop(folder, f"{key}-", below=cursor.seq)
    return snapshot, card


def _write_card(snapshot: Snapshot, card: SnapshotInfo) -> None:
    with _replacing(snapshot.card) as temporary:
        temporary.write_text(json.dumps(asdict(card), sort_keys=True) + "\n", encoding="utf-8")
        _sync(temporary)


def _create_folder(folder: Path) -> None:
    """Create the backend's folder, durably; who may read the indexes' folder may read this one."""
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(_access(folder))
    _sync(folder.parent)


def _access(path: Path) -> int:
    """Return the mode of the folder that `path` is in."""
    return path.parent.stat().st_mode & 0o777


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Yield a file beside `path`, locked while it is written, that then replaces it durably."""
    temporary, handle = _create_locked(path)
    try:
        temporary.chmod(_access(path) & 0o666)  # not executable
        yield temporary
        os.replace(temporary, path)
        _sync(path.parent)
    finally:
        os.close(handle)
        temporary.unlink(missing_ok=True)


def _create_locked(path: Path) -> tuple[Path, int]:
    """Create a file beside `path`; another process may delete it before it is locked."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        _lock(handle, wait=True)
        if temporary.exists():
            return temporary, handle
        os.close(handle)


def _delete_abandoned(folder: Path, prefix: str) -> None:
    """Delete the temporary files of writers that were killed: those that can be locked."""
    for path in folder.glob(f".{prefix}*"):
        with suppress(OSError):  # in use, or gone
            handle = os.open(path, os.O_RDONLY)
            try:
                if _lock(handle, wait=False):
                    path.unlink(missing_ok=True)
            finally:
                os.close(handle)


def _lock(handle: int, *, wait: bool) -> bool:
    """Lock a file until it is closed. False if it is locked, or there are no such locks here."""
    if sys.platform == "win32":
        return False
    with suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _crc(path: Path) -> int:
    value = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            value = zlib.crc32(chunk, value)
    return value


def _sync(path: Path) -> None:
    """fsync a file, or a directory where the system can open one (POSIX)."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
