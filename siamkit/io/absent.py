"""Hints for paths that name no file here: URLs, paths of Windows, `~`, stray quotation marks."""

from __future__ import annotations

import os
import re
from pathlib import Path

from siamkit.io.encodings import undecoded

_URL = re.compile(r"(?:^|/)(?P<scheme>[a-z][a-z0-9+.-]+):/+(?P<rest>.*)|(?:^|/)data:", re.I | re.S)
_DRIVE = re.compile(r"(?:^|/)[A-Za-z]:[\\/]|(?:^|/)\\\\")
_AROUND = " \t\"'\u00a0"  # what is left around a path that was copied


def hint_for_absent(path: Path) -> str:
    """Return what to type instead of the path of a file that does not exist, or ""."""
    name = str(path)
    if os.path.lexists(path):
        return ""
    if url := _URL.search(name):
        return _hint_for_url(url["scheme"] or "data", url["rest"] or "")
    if "~" in path.parts:
        return "`~` is the home directory only at the beginning: write the folder's full name"
    if os.sep == "/" and _DRIVE.search(name):
        return "this is a path of Windows: write what the file is called on this computer"
    if os.sep == "/" and "\\" in name:
        return f"folders are separated by / on this system: {name.replace(chr(92), '/')}"
    bare = path.with_name(path.name.strip(_AROUND)) if path.name.strip(_AROUND) else path
    if bare != path and bare.exists():
        return "leave out the blanks or quotation marks around the name"
    if fault := undecoded(name):
        return f"its name {fault}"
    return ""


def _hint_for_url(scheme: str, rest: str) -> str:
    if scheme.lower() != "file":
        return "siamkit reads files on this computer: download it first, then give its path"
    from urllib.parse import unquote

    path = unquote(rest)
    return f"give the path alone: {path if re.match('[A-Za-z]:', path) else '/' + path}"
