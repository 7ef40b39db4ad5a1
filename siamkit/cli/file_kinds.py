"""Recognise a folder of pictures or sounds that was given where texts are expected."""

from __future__ import annotations

import mimetypes
from collections import Counter
from itertools import islice
from pathlib import Path

import click

import siamkit as sk
from siamkit.errors import SiamkitError

FILES = 100  # of a folder, that tell what it holds
NOUNS = {"image": "picture", "audio": "sound"}


def require_texts(source: str) -> None:
    """Raise UsageError, naming the modalities that fit, for pictures or sounds without -m."""
    from siamkit.io.folders import files_under
    from siamkit.io.sources import to_text

    path = Path(source)
    is_folder = path.is_dir()
    files = islice(files_under(path), FILES) if is_folder else [path]
    kinds = Counter(map(_kind, files))
    if not kinds or (kind := kinds.most_common(1)[0][0]) is None:
        return
    options = ", ".join(f"-m {name}" for name in sk.Workspace.modalities(kind))
    name, noun = to_text(path), NOUNS[kind]
    if is_folder:
        raise click.UsageError(f"{name} holds {noun}s: say what to compare: {options}.")
    raise click.UsageError(
        f"{name} is a {noun}, not a table of texts: give its folder, and say what to compare:"
        f" {options}."
    )


def _kind(path: Path) -> str | None:
    """Return "image" or "audio" by a file's first bytes, or else by its ending; None for others."""
    from siamkit.io.foreign import open_file
    from siamkit.sdk import formats

    try:
        with open_file(path) as (file, _):
            recognised = formats.recognise(file.read(formats.HEAD))
    except SiamkitError:
        recognised = None
    if recognised:
        words = {kind for kind, noun in NOUNS.items() if recognised.name.endswith(noun)}
        return words.pop() if words else None
    kind = (mimetypes.guess_type(path.name)[0] or "").partition("/")[0]
    return kind if kind in NOUNS else None
