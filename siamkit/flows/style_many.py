"""Render many pictures in a style, to files: bad ones are reported, and what is done is left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from siamkit.errors import BadInput, SiamkitError
from siamkit.flows.style import OpenStyle, Stylised
from siamkit.flows.style_record import StyleRecord, digest_of
from siamkit.io import sources
from siamkit.io.atomic import create_folder, require_writable
from siamkit.io.listed_sources import ListedSource, has_folder, list_sources, refuse_replaced
from siamkit.io.picture_write import PICTURES, save_picture
from siamkit.io.sources import to_text
from siamkit.protocols import Source
from siamkit.types import Progress, ignore_progress

OPAQUE = (".jpg", ".jpeg")  # formats without transparency


@dataclass(frozen=True, slots=True)
class StyleFiles:
    """Files to save pictures in: one file, or a folder, with names after the sources.

    In a folder, a picture that was painted of the same source in the same style is left, and no
    other is replaced, unless they are to be overwritten: an interrupted run goes on where it
    stopped.
    """

    output: Path
    overwrite: bool = False
    is_folder: bool = False  # whatever its name looks like

    def begin(self, items: Sequence[ListedSource], *, several: bool) -> list[Path]:
        """Return the file of each item. Raises BadInput for what cannot be written."""
        is_folder = self.is_folder or self.output.is_dir()
        is_picture = self.output.suffix.lower() in PICTURES and not is_folder
        if several and is_picture:
            raise BadInput(
                f"{to_text(self.output)} is the name of one picture, and there may be several",
                hint="name a folder",
            )
        if is_picture:
            require_writable(self.output, PICTURES)
            return [self.output]
        if not several and self.output.suffix and not is_folder:
            require_writable(self.output, PICTURES)  # raises: pictures have no such suffix
        if self.output.exists() and not self.output.is_dir():
            raise BadInput(f"{to_text(self.output)} is a file", hint="name a folder")
        return [self.output / name for name in _file_names(items)]

    def record(self, targets: Sequence[Path]) -> StyleRecord | None:
        """Open the record of a folder; None if one picture is saved, whatever was there."""
        return StyleRecord(self.output) if targets != [self.output] else None

    def save(self, stylised: Stylised, target: Path) -> None:
        """Write a picture. Raises OSError, or BadInput for a size that its format cannot have."""
        picture = stylised.picture()
        if stylised.opacity is not None and target.suffix.lower() in OPAQUE:
            picture = picture.convert("RGB")  # what was transparent was painted as on white
        create_folder(target.parent)
        save_picture(picture, target)


def stylise_many(
    style: OpenStyle,
    paths: Iterable[Source],
    files: StyleFiles | None = None,
    progress: Progress = ignore_progress,
) -> Iterator[Stylised]:
    """Yield each picture in the style, in order; one that fails has an error, and others go on.

    paths: files, their content as bytes, or folders, whose files are taken. files: where to save
    them; those pictures are not held in memory. Raises BadInput, before the work begins, for files
    that cannot be written, or would replace a source or a style; OSError if the disk is full.
    """
    paths = list(paths)
    items = list_sources(paths, [files.output] if files else ())
    easels = [_Easel(style)] * len(items)
    if files:
        targets = files.begin(items, several=len(items) > 1 or has_folder(paths))
        read = [item.source for item in items if not item.error]
        refuse_replaced(targets, [*read, *style.likes])
        record = files.record(targets)
        easels = [_Easel(style, files, target, record) for target in targets]
    within = progress if len(items) == 1 else ignore_progress
    for number, (item, easel) in enumerate(zip(items, easels, strict=True)):
        if len(items) > 1:
            progress("rendering", number, len(items))
        yield easel.render(item, within)
    if len(items) > 1:
        progress("rendering", len(items), len(items))


@dataclass(frozen=True, slots=True)
class _Easel:
    """A style, and where one picture in it is saved."""

    style: OpenStyle
    files: StyleFiles | None = None
    target: Path | None = None
    record: StyleRecord | None = None

    def render(self, item: ListedSource, progress: Progress) -> Stylised:
        if item.error:
            return Stylised(item.name, "failed", error=item.error)
        try:
            digest = ""
            if self.record and self.target and self.files:
                digest = digest_of(self.style.identity, _read(item.source).digest)
                if not self.files.overwrite and self.record.is_done(self.target, digest):
                    return Stylised(item.name, "exists", output=self.target)
            stylised = self.style.render(item.source, progress)
            return self._save(stylised, digest)
        except SiamkitError as error:
            return Stylised(item.name, "failed", error=error)

    def _save(self, stylised: Stylised, digest: str) -> Stylised:
        if not (self.files and self.target):
            return stylised
        if self.record:
            self.record.begin(self.target, digest)
        self.files.save(stylised, self.target)
        if self.record:
            self.record.finish(self.target, digest)
        return stylised.saved_to(self.target)


def _read(source: Source) -> sources.Content:
    return sources.read(source if isinstance(source, bytes) else Path(source))


def _file_names(items: Sequence[ListedSource]) -> list[str]:
    """Return a relative path for each item, one that other items rarely change.

    Pictures keep their names if they can be written in their format. The others become .png files,
    and keep their suffix before it if that name is taken.
    """
    names = [""] * len(items)
    taken: set[str] = set()
    for number in sorted(range(len(items)), key=lambda number: not _keeps_name(items[number])):
        names[number] = name = _free(_candidates(items[number]), taken)
        taken.add(name.casefold())  # some disks do not tell A from a
    return names


def _keeps_name(item: ListedSource) -> bool:
    return _suffix(item).lower() in PICTURES


def _suffix(item: ListedSource) -> str:
    return "" if isinstance(item.source, bytes) else Path(item.source).suffix


def _candidates(item: ListedSource) -> Iterator[str]:
    suffix, bare = _suffix(item), item.stem
    if suffix and not isinstance(item.source, bytes) and Path(bare).name == Path(item.source).name:
        bare = bare.removesuffix(suffix)  # the stem is the whole name, where two have one stem
    ending = suffix if _keeps_name(item) else ".png"
    yield bare + ending
    if not _keeps_name(item):
        yield bare + suffix + ending
    yield from (f"{bare}-{number}{ending}" for number in count(2))


def _free(candidates: Iterator[str], taken: set[str]) -> str:
    return next(name for name in candidates if name.casefold() not in taken)
