"""Find in many pictures, and write files about them: what is done is written, if it is stopped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from siamkit.errors import SiamkitError
from siamkit.flows.decide import DEFAULT_RULE, DecisionRule
from siamkit.flows.find import SearchedPicture, find
from siamkit.flows.find_places import PictureSearch
from siamkit.host import registry
from siamkit.io.listed_sources import ListedSource, has_folder, list_sources, refuse_replaced
from siamkit.protocols import Source
from siamkit.types import Progress, ignore_progress


class FindOutput(Protocol):
    """Files about searched pictures: see siamkit.reports.find."""

    @property
    def paths(self) -> Sequence[Path]:
        """The files and folders that are written, which are not read, wherever they are."""
        ...

    @property
    def needs_picture(self) -> bool:
        """True if the pixels of pictures are needed, which are then decoded once more."""
        ...

    def begin(self, search: PictureSearch, *, several: bool) -> None:
        """Prepare to write. Raises BadInput for what cannot be written."""
        ...

    def annotated_of(self, source: Source, stem: str) -> Path | None:
        """Return where the annotated picture of a source is saved; None if none is."""
        ...

    def add(self, searched: SearchedPicture, medium: Any | None, stem: str) -> None:
        """Take one picture, or its error. stem: a relative path, unique."""
        ...

    def finish(self) -> None:
        """Write the files that are about all pictures."""
        ...


def find_many(
    search: PictureSearch,
    paths: Iterable[Source],
    rule: DecisionRule = DEFAULT_RULE,
    output: FindOutput | None = None,
    progress: Progress = ignore_progress,
) -> Iterator[SearchedPicture]:
    """Search pictures as `find` does; yield each, in order, with its sightings or its error.

    paths: files, their content as bytes, or folders, whose files are taken. output: what to write;
    if the caller stops, the files hold the pictures that are done; older files stay if none is.
    Raises as `find` does, BadInput for files that cannot be written, OSError if the disk fails.
    """
    paths = list(paths)
    items = list_sources(paths, output.paths if output else ())
    if output is None:
        yield from _search(search, items, rule, progress)
        return
    output.begin(search, several=len(items) > 1 or has_folder(paths))
    annotated = (output.annotated_of(item.source, item.stem) for item in items if not item.error)
    refuse_replaced(filter(None, annotated), (item.source for item in items))
    is_worth_writing = False
    try:
        results = _search(search, items, rule, progress)
        for item, searched in zip(items, results, strict=True):
            searched, medium = _reload(search, item, searched, output)
            output.add(searched, medium, item.stem)
            is_worth_writing = is_worth_writing or not searched.error
            del medium  # not held while the next one is decoded
            yield searched
        is_worth_writing = True  # a complete run, even if every picture failed
    finally:
        if is_worth_writing:
            output.finish()


def _search(
    search: PictureSearch, items: Sequence[ListedSource], rule: DecisionRule, progress: Progress
) -> Iterator[SearchedPicture]:
    results = find(search, (item.source for item in items if not item.error), rule)
    for number, item in enumerate(items, 1):
        searched = SearchedPicture(item.name, error=item.error) if item.error else next(results)
        progress("searching pictures", number, len(items))
        yield searched


def _reload(
    search: PictureSearch, item: ListedSource, searched: SearchedPicture, output: FindOutput
) -> tuple[SearchedPicture, Any | None]:
    """Decode a picture once more, if that is needed; one that is gone by now is an error."""
    if searched.error or not output.needs_picture:
        return searched, None
    modality = search.pipeline.modality
    try:
        content = search.pipeline.read(item.source)
        with registry.calling(modality, "load"):
            return searched, modality.load(content.data)
    except SiamkitError as error:
        return replace(searched, error=error), None
