"""The one writer of outputs: whatever happens, readers find the old one or the whole new one.

What is reported as written is on the disk, and is its owner's alone to read (0600, folders 0700)
whatever the umask says and whoever could read the file that it replaces.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from siamkit.errors import BadInput
from siamkit.io.sources import to_text
from siamkit.io.unfinished import NAME, PRIVATE_FOLDER, scratch

SPREADSHEETS = (".xlsx", ".xlsm", ".xls", ".ods", ".numbers")  # read at most, never written
PRIVATE_FILE = 0o600


def require_writable(path: Path, suffixes: Sequence[str] | None = None) -> None:
    """Raise BadInput if no file can be written to `path`. Call it before the work it is for.

    suffixes: of which the path must have one; None for any.
    """
    name = to_text(path)
    if suffixes is not None and path.suffix.lower() not in suffixes:
        hint = f"use one of {', '.join(suffixes)}"
        if path.suffix.lower() in SPREADSHEETS and ".csv" in suffixes:
            hint = "save it as .csv: Excel opens it"
        raise BadInput(f"{name}: cannot write {path.suffix!r}", hint=hint)
    if path.is_dir():
        raise BadInput(f"{name} is a directory", hint="give a file name")
    if path.exists() and not path.is_file():
        raise BadInput(f"{name} is a pipe or a device, not a file", hint="give a file name")
    if not path.parent.is_dir():
        hint = f"run `mkdir -p {to_text(path.parent)}`"
        raise BadInput(f"the folder of {name} does not exist", hint=hint)
    try:
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise BadInput(f"{name} cannot be written: {error.strerror}") from error


@contextmanager
def replacing(path: Path, *, private: bool = True, register: Path | None = None) -> Iterator[Path]:
    """Yield a name to write to; when the block ends, move that file to `path`.

    The name is that of `path`, in a folder beside it, and the move is durable. If the block raises,
    what was at `path` stays. private: False leaves the file the mode it has. register: see
    siamkit.io.unfinished. Raises OSError.
    """
    with _naming(path), scratch(path.parent, register) as folder:
        temporary = folder / path.name
        yield temporary
        if private:
            temporary.chmod(PRIVATE_FILE)
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)


@contextmanager
def writing_folder(
    folder: Path, *, replace: bool = False, private: bool = True, register: Path | None = None
) -> Iterator[Path]:
    """Yield an empty folder to fill; when the block ends, it becomes `folder`, as a whole.

    replace: in place of one that is there; by default that raises BadInput. private: False leaves
    files and folders the modes they have. Raises OSError.
    """
    with _naming(folder), scratch(folder.parent, register) as temporary:
        complete, old = temporary / folder.name, temporary / ".old"
        complete.mkdir()
        yield complete
        settle(complete, private=private)
        if replace and folder.exists():
            os.rename(folder, old)
        try:
            os.rename(complete, folder)
        except OSError as error:
            if old.exists():
                os.rename(old, folder)
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise BadInput(f"{to_text(folder)} already exists", hint="name another") from error
            raise
        sync(folder.parent)


@contextmanager
def adding_files(folder: Path, register: Path | None = None) -> Iterator[Path]:
    """Yield an empty folder to fill with files; when the block ends, they move into `folder`.

    Each replaces one of the same name. If the block raises, none is moved. register: see
    siamkit.io.unfinished. Raises OSError.
    """
    with _naming(folder), scratch(folder, register) as temporary:
        yield temporary
        settle(temporary, private=True)
        for path in list(temporary.iterdir()):
            os.replace(path, folder / path.name)
        sync(folder)


@contextmanager
def _naming(output: Path) -> Iterator[None]:
    """Let an error of the disk name the output: its unfinished folder means nothing to a reader."""
    try:
        yield
    except OSError as error:
        path = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
        if error.errno is None or (path and not NAME.search(path)):
            raise
        raise OSError(error.errno, os.strerror(error.errno), to_text(output)) from error


def settle(folder: Path, *, private: bool) -> None:
    """Put a folder and all that it holds on the disk; `private` makes it its owner's alone."""
    for path in (*folder.rglob("*"), folder):
        if private:
            path.chmod(PRIVATE_FOLDER if path.is_dir() else PRIVATE_FILE)
        sync(path)


def replace_text(path: Path, text: str) -> None:
    """Replace a text file. Characters that UTF-8 cannot hold are written as escapes."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def create_private(path: Path) -> None:
    """Create an empty file, its owner's alone; one that exists stays as it is. Raises OSError."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE)
    except FileExistsError:
        return
    os.close(handle)
    path.chmod(PRIVATE_FILE)  # a umask may have taken more


def create_folder(folder: Path, *, mode: int = PRIVATE_FOLDER) -> None:
    """Create a folder, and those above it that are missing, durably. One that exists stays as is.

    mode: of all that are created, whatever the umask. Raises OSError.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        try:
            path.mkdir()
        except FileExistsError:  # another process was first
            continue
        path.chmod(mode)
        sync(path.parent)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk; some disks sync no folder."""
    is_folder = path.is_dir()
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:
        if is_folder:  # Windows opens no folder
            return
        raise
    try:
        os.fsync(handle)
    except OSError as error:
        if not (is_folder and error.errno in (errno.EINVAL, errno.ENOTSUP)):
            raise
    finally:
        os.close(handle)
