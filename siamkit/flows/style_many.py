"""Render many pictures in a style, to files: bad ones are reported, and what exists is left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from siamkit.errors import BadInput, SiamkitError
from siamkit.flows.style import OpenStyle, Stylised
from siamkit.io.atomic import create_folder, require_writable
from siamkit.io.listed_sources import ListedSource, has_folder, list_sources, refuse_replaced
from siamkit.io.picture_write import PICTURES, save_picture
from siamkit.io.sources import to_text
from siamkit.protocols import Source
from siamkit.types import Progress, ignore_progress

OPAQUE = (".jpg", ".jpeg")  # formats without transparency


@dataclass(frozen=True, slots=True)
class StyleFiles:
    """Where pictures are saved: one in a file, or several in a folder, named after their sources.

    In a folder, a file that is there already is left, unless it is to be overwritten: an
    interrupted run goes on where it stopped.
    """

    output: Path
    overwrite: bool = False

    def begin(self, items: Sequence[ListedSource], *, several: bool) -> list[Path]:
        """Return the file of each item. Raises BadInput for what cannot be written."""
        is_picture = self.output.suffix.lower() in PICTURES and not self.output.is_dir()
        if several and is_picture:
            raise BadInput(
                f"{to_text(self.output)} is the name of one picture, and there may be several",
                hint="name a folder",
            )
        if is_picture:
            require_writable(self.output, PICTURES)
            return [self.output]
        if not several and self.output.suffix and not self.output.is_dir():
            require_writable(self.output, PICTURES)  # raises: pictures have no such suffix
        if self.output.exists() and not self.output.is_dir():
            raise BadInput(f"{to_text(self.output)} is a file", hint="name a folder")
        return [self.output / _file_name(item) for item in items]

    def is_left(self, target: Path) -> bool:
        """Return True for a file of an earlier run, which is not written again."""
        return target != self.output and target.exists() and not self.overwrite

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
    that cannot be written, or would replace a source or a style.
    """
    paths = list(paths)
    items = list_sources(paths, [files.output] if files else ())
    targets: list[Path | None] = [None] * len(items)
    if files:
        targets = [*files.begin(items, several=len(items) > 1 or has_folder(paths))]
        read = [item.source for item in items if not item.error]
        refuse_replaced([path for path in targets if path], [*read, *style.likes])
    within = progress if len(items) == 1 else ignore_progress
    for number, (item, target) in enumerate(zip(items, targets, strict=True)):
        if len(items) > 1:
            progress("rendering", number, len(items))
        yield _stylise_one(style, item, files, target, within)
    if len(items) > 1:
        progress("rendering", len(items), len(items))


def _stylise_one(
    style: OpenStyle,
    item: ListedSource,
    files: StyleFiles | None,
    target: Path | None,
    progress: Progress,
) -> Stylised:
    if item.error:
        return Stylised(item.name, "failed", error=item.error)
    if files and target and files.is_left(target):
        return Stylised(item.name, "exists", output=target)
    try:
        stylised = style.render(item.source, progress)
        if files and target:
            files.save(stylised, target)
            stylised = stylised.saved_to(target)
        return stylised
    except SiamkitError as error:
        return Stylised(item.name, "failed", error=error)


def _file_name(item: ListedSource) -> str:
    suffix = "" if isinstance(item.source, bytes) else Path(item.source).suffix
    return f"{item.stem}{suffix if suffix.lower() in PICTURES else '.png'}"
