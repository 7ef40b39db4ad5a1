"""Places that a person names, in an option, a variable or a call: `~` is their home everywhere.

A shell replaces `~` in `siamkit doctor ~/x`, but not in `--store=~/x`, and nobody does in a
variable that a service file sets: a folder called `~` would be made, and filled with faces.
"""

from __future__ import annotations

import os
from pathlib import Path

from siamkit.errors import SiamkitError


def expand(path: Path) -> Path:
    """Return a path with the home directory in place of a leading `~` or `~user`.

    Raises SiamkitError if that is unknown. A bare name such as `~lock.jpg` is a file's.
    """
    text = os.fspath(path)
    if not text.startswith("~"):
        return path
    expanded = os.path.expanduser(text) if os.environ.get("HOME") != "" else text
    if expanded == text and (text == "~" or os.sep in text):
        raise SiamkitError(
            f"{text}: the home directory of {text.partition(os.sep)[0]} is unknown",
            hint="set the variable HOME, or write the whole path",
        )
    return Path(expanded)


def expand_text(text: str) -> str:
    """Expand what may be a path or something else: a name, `-`, `gallery:NAME`."""
    return os.fspath(expand(Path(text))) if text.startswith("~") else text


def here() -> str:
    """Return what the path of every file in the working directory begins with; "" if it is gone."""
    try:
        return os.path.join(os.getcwd(), "")
    except FileNotFoundError:
        return ""


def real(path: Path) -> Path:
    """Return a path without symbolic links, and one that leads in a circle as it is.

    `Path.resolve` raises RuntimeError for a circle.
    """
    return Path(os.path.realpath(path))
