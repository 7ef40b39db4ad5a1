"""Snapshots on disk: `KEY-SEQ-NONCE.faiss`, named after the last change it holds, and a `.json`.

The `.json` beside it keeps size, modification time and CRC-32. A file whose size and time are as
recorded is trusted and mapped at once; one that was touched since is summed up again first, so a
truncated or altered snapshot is refused before FAISS reads it (a mapped file cut short would kill
the process with SIGBUS).
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.types import Cursor

if TYPE_CHECKING:
    import faiss

_NAME = re.compile(r"(?P<key>.+)-(?P<seq>\d+)-(?P<nonce>[0-9a-f]{16})\.faiss")
_CHUNK = 1 << 22


class Refused(Exception):
    """Why a snapshot cannot be used; completes the sentence 'FILE …'."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A file that claims to hold everything up to `cursor`."""

    path: Path
    key: str
    cursor: Cursor

    @property
    def card(self) -> Path:
        return self.path.with_suffix(".json")


@dataclass(frozen=True, slots=True)
class Card:
    """What the .json beside a snapshot says of it."""

    structure: str
    count: int
    recall: float
    nprobe: int | None = None  # of inverted lists
    trained_on: int | None = None
    bytes: int = 0
    mtime_ns: int = 0
    crc32: int = 0


def newest_first(folder: Path, key: str) -> list[Snapshot]:
    """The snapshots of a key that are in a folder, whatever their state."""
    found = [s for s in _all(folder, key) if s.key == key]
    return sorted(found, key=lambda s: s.cursor, reverse=True)


def drop(folder: Path, prefix: str, below: int | None = None) -> None:
    """Delete the snapshots, saved before the change `below`, of keys that begin with a prefix."""
    for found in _all(folder, prefix):
        if below is None or found.cursor.seq < below:
            found.path.unlink(missing_ok=True)
            found.card.unlink(missing_ok=True)
    _sweep(folder, prefix)


def read(found: Snapshot, dim: int, *, mapped: bool = True) -> tuple[Snapshot, Card, faiss.Index]:
    """Check a snapshot and open it, memory-mapped unless it is to be changed. Raises Refused."""
    import faiss

    try:
        card = _checked(found)
        flags = faiss.IO_FLAG_MMAP_IFC if mapped else 0
        index = faiss.read_index(str(found.path), flags)
    except (OSError, RuntimeError) as error:  # RuntimeError: FAISS
        raise Refused(f"cannot be read: {str(error)[:200]}") from error
    if index.d != dim:
        raise Refused(f"holds {index.d}-d vectors, not {dim}-d")
    return found, card, index


def _all(folder: Path, prefix: str) -> list[Snapshot]:
    matches = [(path, _NAME.fullmatch(path.name)) for path in folder.glob(f"{prefix}*.faiss")]
    return [
        Snapshot(path, match["key"], Cursor(int(match["seq"]), match["nonce"]))
        for path, match in matches
        if match
    ]


def _checked(found: Snapshot) -> Card:
    """The card of a snapshot whose file is as it was written. Raises Refused, OSError."""
    try:
        card = Card(**json.loads(found.card.read_text(encoding="utf-8")))
        numbers = [card.count, card.recall, card.bytes, card.mtime_ns, card.crc32]
        numbers += [n for n in (card.nprobe, card.trained_on) if n is not None]
        if not all(isinstance(n, int | float) for n in numbers):
            raise ValueError("a number is none")
    except (ValueError, TypeError) as error:
        raise Refused(f"has a damaged {found.card.name}") from error
    state = found.path.stat()
    if state.st_size != card.bytes:
        raise Refused(f"has {state.st_size:,} bytes, not the {card.bytes:,} written")
    if state.st_mtime_ns != card.mtime_ns:
        if _crc(found.path) != card.crc32:
            raise Refused("is damaged: its checksum is not the one recorded")
        with suppress(OSError):  # a copied store: remember that the file is sound, if we may
            _write_card(found, replace(card, mtime_ns=state.st_mtime_ns))
    return card


def write(
    folder: Path, key: str, cursor: Cursor, index: faiss.Index, card: Card
) -> tuple[Snapshot, Card]:
    """Write a snapshot so that it is either whole and durable, or not there at all."""
    import faiss

    folder.mkdir(parents=True, exist_ok=True)
    found = Snapshot(folder / f"{key}-{cursor.seq}-{cursor.nonce}.faiss", key, cursor)
    temporary = folder / f".{found.path.name}.{os.getpid()}"
    try:
        faiss.write_index(index, str(temporary))
        _sync(temporary)
        state = temporary.stat()
        card = replace(card, bytes=state.st_size, mtime_ns=state.st_mtime_ns, crc32=_crc(temporary))
        _write_card(found, card)
        os.replace(temporary, found.path)
        _sync(folder)
    finally:
        temporary.unlink(missing_ok=True)
    # Only smaller sequences: two writers that removed "all but mine" would delete each other's.
    drop(folder, f"{key}-", below=cursor.seq)
    return found, card


def _write_card(found: Snapshot, card: Card) -> None:
    temporary = found.card.with_name(f".{found.card.name}.{os.getpid()}")
    temporary.write_text(json.dumps(asdict(card), sort_keys=True) + "\n", encoding="utf-8")
    _sync(temporary)
    os.replace(temporary, found.card)


def _sweep(folder: Path, prefix: str) -> None:
    """Remove the temporary files of writers that were killed."""
    for path in folder.glob(f".{prefix}*"):
        owner = path.name.rpartition(".")[2]
        if owner.isdigit() and not _alive(int(owner)):
            path.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's process; on other systems: cannot be told
    return True


def _crc(path: Path) -> int:
    value = 0
    for chunk in _chunks(path):
        value = zlib.crc32(chunk, value)
    return value


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


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
