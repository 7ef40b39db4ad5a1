"""Snapshots on disk: `KEY-SEQ-NONCE.faiss`, named after the last change it holds, and a `.json`.

The `.json` beside it records size, modification time, CRC-32 and the xor of its words, and has a
checksum itself. A truncated or altered snapshot is refused before FAISS reads it: a truncated file,
once mapped, would kill the process with SIGBUS. A flat one, which every search reads whole, has its
words compared at each opening, as fast as memory can be read. Inverted lists, of which a search
reads a part, are compared if the time differs; a flipped bit that escapes gives a score other than
the store's, see siamkit.store.live_index.
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
from typing import TYPE_CHECKING, Any

from siamkit.types import Cursor

if TYPE_CHECKING:
    import faiss
if sys.platform != "win32":
    import fcntl

_NAME = re.compile(r"(?P<key>.+)-(?P<seq>\d+)-(?P<nonce>[0-9a-f]{16})\.faiss")
_CHUNK = 1 << 22
ALWAYS_COMPARED = 1 << 28  # bytes; a flat index has no more, see structure.FLAT_FLOATS


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
    xor64: int | None = None  # of the file's 8-byte words; None: written before it was recorded


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
        card = _read_card(snapshot.card)
        numbers = [card.count, card.recall, card.bytes, card.mtime_ns, card.crc32]
        numbers += [n for n in (card.nprobe, card.trained_on, card.xor64) if n is not None]
        if not all(isinstance(n, int | float) for n in numbers):
            raise ValueError("a value is not a number")
    except (ValueError, TypeError, AttributeError) as error:
        raise Refused(f"has a damaged {snapshot.card.name}") from error
    _require_file(snapshot.path)
    state = snapshot.path.stat()
    if state.st_size != card.bytes:
        raise Refused(f"has {state.st_size:,} bytes, not the {card.bytes:,} written")
    if state.st_mtime_ns != card.mtime_ns:
        if _crc(snapshot.path) != card.crc32:
            raise Refused("is damaged: its checksum is not the one recorded")
        with suppress(OSError):  # a copied store: record that the file is sound, if possible
            _write_card(snapshot, replace(card, mtime_ns=state.st_mtime_ns))
    elif (
        card.xor64 is not None
        and state.st_size <= ALWAYS_COMPARED
        and _xor(snapshot.path) != card.xor64
    ):
        raise Refused("is damaged: its content is not the one recorded")
    return card


def _read_card(path: Path) -> SnapshotInfo:
    """Read a card. Raises ValueError or TypeError if it is damaged."""
    _require_file(path)
    fields = json.loads(path.read_text(encoding="utf-8"))
    checksum = fields.pop("checksum", None)
    if checksum not in (None, _checksum(fields)):
        raise ValueError("its checksum is not the one recorded")
    return SnapshotInfo(**fields)


def _require_file(path: Path) -> None:
    """Raise OSError unless it is a file: reading a pipe would wait for ever."""
    if not path.is_file():
        raise OSError(f"{path.name} is not a file")


def _checksum(fields: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(fields, sort_keys=True).encode())


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
        card = replace(
            card,
            bytes=state.st_size,
            mtime_ns=state.st_mtime_ns,
            crc32=_crc(temporary),
            xor64=_xor(temporary),
        )
        _write_card(snapshot, card)
    # Only older ones: two writers that deleted "all but mine" would delete each other's.
    drop(folder, f"{key}-", below=cursor.seq)
    return snapshot, card


def _write_card(snapshot: Snapshot, card: SnapshotInfo) -> None:
    with _replacing(snapshot.card) as temporary:
        fields = {**asdict(card), "checksum": _checksum(asdict(card))}
        temporary.write_text(json.dumps(fields, sort_keys=True) + "\n", encoding="utf-8")
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


def _xor(path: Path) -> int:
    """Return the xor of a file's 8-byte words; those after the last whole word count as one."""
    import numpy as np

    if not path.stat().st_size:
        return 0
    content = np.memmap(path, np.uint8, "r")
    end = len(content) // 8 * 8
    words = np.bitwise_xor.reduce(content[:end].view("<u8"), initial=0)
    return int(words) ^ int.from_bytes(content[end:].tobytes(), "little")


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
