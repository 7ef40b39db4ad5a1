"""Folders in which an output is written before it takes its place, and those of killed processes.

A writer locks its folder, and the system releases the lock when the process ends, however it ends:
what can be locked is abandoned. (A process id would mean nothing after a restart, or in another
container.) The folder is also noted in a register, so that later processes find it wherever it is.
Where there are no such locks (Windows, some network disks), nothing is deleted.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from siamkit.io.cache_root import cache_root

if sys.platform != "win32":
    import fcntl

NAME = re.compile(r"\.siamkit-[0-9a-f]{16}")  # of a folder; nothing else is ever deleted
PRIVATE_FOLDER = 0o700  # whatever the umask: outputs hold people's vectors, pictures and labels


def store_register(root: Path) -> Path:
    """Return the register of what is written from a store, a folder in it."""
    return root / "writing"


def user_register() -> Path:
    """Return the register of everything else that this user writes, a folder in the cache."""
    return cache_root() / "writing"


@contextmanager
def scratch(parent: Path, register: Path | None = None) -> Iterator[Path]:
    """Yield a new, locked folder in `parent`, and delete it when the block ends.

    register: the folder that notes it, None for the user's. Deletes what killed processes left in
    `parent`, and what they noted in the register. Raises OSError.
    """
    register = register or user_register()
    delete_abandoned(parent, register)
    folder, lock = _create(parent.absolute())
    note = _note(register, folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if note:
            with suppress(OSError):
                note.unlink()
        if lock is not None:
            os.close(lock)


def abandoned(parent: Path | None, *registers: Path) -> list[Path]:
    """Return the folders of killed processes, in `parent` and as noted in registers."""
    folders = set(_inside(parent)) if parent else set()
    for register in registers:
        folders.update(filter(None, map(_read_note, _inside(register))))
    return sorted(folder for folder in folders if _is_abandoned(folder))


def delete_abandoned(parent: Path | None, *registers: Path) -> list[Path]:
    """Delete the folders of killed processes, and their notes; return those that remain."""
    folders = abandoned(parent, *registers)
    for folder in folders:
        with suppress(OSError):
            lock = lock_folder(folder, wait=False)
            if lock is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)
    for register in registers:
        for note in _inside(register):
            _read_note(note)  # which deletes it
    return [folder for folder in folders if folder.exists()]


def _create(parent: Path) -> tuple[Path, int | None]:
    """Create and lock a folder; another process may delete it before it is locked."""
    while True:
        folder = parent / f".siamkit-{secrets.token_hex(8)}"
        folder.mkdir()
        try:
            folder.chmod(PRIVATE_FOLDER)
            lock = lock_folder(folder, wait=True)
        except FileNotFoundError:
            continue
        if folder.exists():
            return folder, lock
        if lock is not None:
            os.close(lock)


def lock_folder(folder: Path, *, wait: bool) -> int | None:
    """Lock a folder until the handle is closed. None if there are no such locks here.

    Raises BlockingIOError if another process holds it, FileNotFoundError if it is gone.
    """
    if sys.platform == "win32":
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise
    except OSError:
        os.close(handle)
        return None
    return handle


def _is_abandoned(folder: Path) -> bool:
    try:
        lock = lock_folder(folder, wait=False)
    except OSError:  # in use, gone, or somebody else's
        return False
    if lock is None:
        return False
    os.close(lock)
    return True


def _note(register: Path, folder: Path) -> Path | None:
    """Note a folder. The note is an aid, and a place that cannot be written prevents no output."""
    note = register / folder.name
    try:
        register.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        note.write_bytes(os.fsencode(folder))
    except OSError:
        return None
    return note


def _read_note(note: Path) -> Path | None:
    """Return the folder that a note names; None, and without the note, if it is gone."""
    with suppress(OSError, ValueError):
        folder = Path(os.fsdecode(note.read_bytes()))
        if folder.name == note.name and folder.is_dir():
            return folder
        if folder.parent.is_dir():  # else it may be on a disk that is not there now
            note.unlink()
    return None


def _inside(folder: Path) -> Iterator[Path]:
    with suppress(OSError):
        yield from (folder / name for name in os.listdir(folder) if NAME.fullmatch(name))
