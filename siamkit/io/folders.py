"""List the samples below a folder: no hidden files, and nothing that an operating system left."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from siamkit.errors import UnreadableSample
from siamkit.io.sources import to_text

# Names that systems and programs give to files and folders of their own, in any case.
_LEFT_BEHIND = re.compile(
    r"\..*|~\$.*|.*~|#.*#"  # hidden, of an open Office document, backups and autosaves of editors
    r"|thumbs\.db|ehthumbs(_vista)?\.db|desktop\.ini|icon[\r\uf00d]?|__macosx|@eadir|#recycle"
    r"|\$recycle\.bin|recycler|system volume information|lost\+found|network trash folder"
    r"|temporary items|.*\.(tmp|temp|part|partial|crdownload|download|swp|lnk|bak)",
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
    return [folder / name for name in sorted(names) if not is_left_behind(name)]


def is_left_behind(name: str) -> bool:
    """Return True for the name of a file or folder that holds no sample, such as Thumbs.db."""
    return _LEFT_BEHIND.fullmatch(name) is not None


def _walk(folder: Path, above: tuple[tuple[int, int], ...]) -> Iterator[Path]:
    """Yield the files below a folder. above: the folders it lies in, to recognise a loop."""
    own = _identity(folder)
    if own in above:  # a link to a folder that holds it
        return
    for path in entries(folder):
        if os.path.isdir(path):
            yield from _walk(path, (*above, own))
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
