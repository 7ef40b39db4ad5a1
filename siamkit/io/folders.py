"""List the samples below a folder: no hidden files, and nothing that an operating system left."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from siamkit.errors import UnreadableSample
from siamkit.io.sources import to_text

# Names that systems and programs give to files and folders of their own, in any case. Files: of an
# open Office document, backups and autosaves of editors, unfinished downloads.
_FILES = re.compile(
    r"\..*|~\$.*|.*~|#.*#|thumbs\.db|ehthumbs(_vista)?\.db|desktop\.ini|icon[\r\uf00d]"
    r"|autorun\.inf|picasa\.ini|.*:zone\.identifier"
    r"|.*\.(tmp|temp|part|partial|crdownload|download|swp|lnk|bak)",
    re.IGNORECASE,
)
_FOLDERS = re.compile(
    r"\..*|__macosx|@eadir|#recycle|\$recycle\.bin|system volume information|lost\+found"
    r"|network trash folder|temporary items|found\.\d{3}|\$winreagent|\$windows\.~\w\w|__pycache__",
    re.IGNORECASE,
)


def files_under(folder: Path, *, inside: Path | None = None) -> Iterator[Path]:
    """Yield every sample below a folder, by name; links to folders are followed.

    inside: a folder around it, to which no link may lead back. Raises UnreadableSample, naming it,
    for a folder that cannot be read.
    """
    yield from _walk(folder, () if inside is None else (_identity(inside),))


def entries(folder: Path) -> list[Path]:
    """Return what lies directly in a folder, by name. Raises UnreadableSample."""
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise _unreadable(folder, error) from error
    paths = (folder / name for name in sorted(names))
    return [path for path in paths if not _is_left_behind(path)]


def _is_left_behind(path: Path) -> bool:
    """Return True for a file or folder of the system, such as Thumbs.db or __MACOSX."""
    pattern = _FOLDERS if os.path.isdir(path) else _FILES
    return pattern.fullmatch(path.name) is not None


def _walk(folder: Path, above: tuple[tuple[int, int], ...]) -> Iterator[Path]:
    """Yield the files below a folder. above: the folders it lies in, to recognise a loop."""
    identity = _identity(folder)
    if identity in above:  # a link to a folder that holds it
        return
    for path in entries(folder):
        if os.path.isdir(path):
            yield from _walk(path, (*above, identity))
        else:
            yield path  # one that cannot be read is reported when it is


def _identity(folder: Path) -> tuple[int, int]:
    try:
        state = os.stat(folder)
    except OSError as error:
        raise _unreadable(folder, error) from error
    return state.st_dev, state.st_ino


def _unreadable(folder: Path, error: OSError) -> UnreadableSample:
    return UnreadableSample(f"{to_text(folder)} cannot be read: {error.strerror}")
