"""List the files to search: each source and the files of folders, with a name for its outputs."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from siamkit.errors import BadInput, SiamkitError, UnreadableSample
from siamkit.io import pages
from siamkit.io.folders import files_under
from siamkit.io.places import real
from siamkit.io.sources import TEXT_HINT, name_of_bytes, to_text
from siamkit.protocols import Source


@dataclass(frozen=True, slots=True, eq=False)
class ListedSource:
    """One source to search, and the relative path of its files without a suffix."""

    source: Source
    name: str
    stem: str = ""
    error: SiamkitError | None = None  # of a folder that holds nothing


def list_sources(
    paths: Iterable[Source], outputs: Sequence[Path], *, are_texts: bool = False
) -> list[ListedSource]:
    """Return every source, the files of folders among them, each with a stem of its own.

    outputs: files and folders that an earlier run may have written, which folders are listed
    without. are_texts: each file holds a text, and a question without a file is one itself.
    """
    written = [real(path) for path in outputs]
    items: list[ListedSource] = []
    listed_paths: set[str] = set()
    for source in paths:
        if isinstance(source, bytes):
            name = name_of_bytes(source)
            items.append(ListedSource(source, name, _free(name, listed_paths)))
        elif Path(source).is_dir():
            items += _list_folder(Path(source), listed_paths, written)
        elif is_pattern(Path(source)):
            hint = TEXT_HINT if are_texts else "check the folder"
            items += _list_pattern(Path(source), listed_paths, written, hint)
        else:
            path = Path(source)
            items.append(ListedSource(path, to_text(path), _free(path.name, listed_paths)))
    return items


def has_folder(paths: Iterable[Source]) -> bool:
    """Return True if a folder, or a pattern of names, is among the sources."""
    named = (Path(path) for path in paths if not isinstance(path, bytes))
    return any(path.is_dir() or is_pattern(path) for path in named)


def find_replaced(targets: Iterable[Path], sources: Iterable[Source]) -> Path | None:
    """Return the first of the files to write that is a source, by whatever name; None if none is.

    Sources other than files are passed over.
    """
    paths = (Path(source) for source in sources if not isinstance(source, bytes))
    read = {identity for path in paths for identity in _identify(pages.split(path)[0])}
    return next((path for path in targets if read.intersection(_identify(path))), None)


def refuse_replaced(targets: Iterable[Path], sources: Iterable[Source]) -> None:
    """Raise BadInput, before the work begins, if a file to write is one of the sources."""
    if path := find_replaced(targets, sources):
        hint = "name another output"
        raise BadInput(f"{to_text(path)} is a source, and would be overwritten", hint=hint)


def is_same_file(a: Path | str, b: Path | str) -> bool:
    """Return True for two paths of one file. A string is a text, and no path."""
    if isinstance(a, str) or isinstance(b, str):
        return False
    return a == b or not set(_identify(a)).isdisjoint(_identify(b))


def _identify(path: Path) -> Iterator[tuple[int, int]]:
    """Yield the device and inode of a file; nothing for a path without one."""
    with suppress(OSError, ValueError):
        status = path.stat()
        yield status.st_dev, status.st_ino


def is_pattern(path: Path) -> bool:
    """Return True for a pattern of names, such as photos/*.jpg, and not the name of a file."""
    return glob.has_magic(str(path)) and not pages.split(path)[0].exists()


def _list_folder(folder: Path, taken: set[str], written: Sequence[Path]) -> list[ListedSource]:
    name = to_text(folder)
    try:
        files = [
            file
            for file in files_under(folder)
            if not any(real(file).is_relative_to(path) for path in written)
        ]
    except UnreadableSample as error:
        return [ListedSource(folder, name, error=error)]
    if not files:
        return [ListedSource(folder, name, error=BadInput(f"there is no file in {name}"))]
    return [
        ListedSource(file, to_text(file), _free(str(file.relative_to(folder)), taken))
        for file in files
    ]


def _list_pattern(
    pattern: Path, taken: set[str], written: Sequence[Path], hint: str
) -> list[ListedSource]:
    """List the files of a pattern that the shell did not expand; `**` means folders at any depth.

    A folder that fits stands for its files.
    """
    items: list[ListedSource] = []
    for name in sorted(glob.glob(str(pattern), recursive=True)):
        path = Path(name)
        if any(real(path).is_relative_to(output) for output in written):
            continue
        if path.is_dir():
            items += [] if "**" in str(pattern) else _list_folder(path, taken, written)
        else:
            items.append(ListedSource(path, to_text(path), _free(path.name, taken)))
    if not items:
        error = BadInput(f"no file is named like {to_text(pattern)}", hint=hint)
        return [ListedSource(pattern, to_text(pattern), error=error)]
    return items


def _free(path: str, taken: set[str]) -> str:
    """Return a path without its suffix; with it, and then with a number, if that is taken."""
    bare, number = os.path.splitext(path)[0], 1
    stem = bare if bare.casefold() not in taken else path
    while stem.casefold() in taken:  # some disks do not tell A from a
        number += 1
        stem = f"{bare}-{number}"
    taken.add(stem.casefold())
    return stem
