"""Detect in many sources: bad ones are reported, and an interrupted run can be resumed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from siamkit.errors import BadInput, SiamkitError
from siamkit.flows.detect import Detected, PreparedDetector
from siamkit.io import pages, sources
from siamkit.io.listed_sources import ListedSource, has_folder, list_sources, refuse_replaced
from siamkit.protocols import Source
from siamkit.types import Progress, Region, ignore_progress


class Output(Protocol):
    """Files that are written while many sources are searched: see siamkit.reports.region_files."""

    def begin(self, kind: str, labels: Sequence[str], name: str, *, several: bool) -> None:
        """Prepare to write regions. Raises BadInput for files that cannot be written.

        kind: of the sources. labels: that regions may have. name: of regions without a label.
        several: there is more than one source, or a folder of them.
        """
        ...

    @property
    def key(self) -> str:
        """Every choice that changes the files, their paths included."""
        ...

    @property
    def paths(self) -> Sequence[Path]:
        """The files and folders that are written, which are not read, wherever they are."""
        ...

    def annotated_of(self, source: Source, stem: str) -> Path | None:
        """Return where the annotated picture of a source is saved; None if none is."""
        ...

    def save(self, detected: Detected, medium: Any, stem: str) -> Sequence[Path]:
        """Write the files of one source, and return them. stem: a relative path, unique."""
        ...

    def add(self, detected: Detected, stem: str) -> None:
        """Take the regions of one source into the files that are written at the end."""
        ...

    def finish(self) -> None:
        """Write the files that hold the regions of all sources."""
        ...


def detect_many(
    prepared: PreparedDetector,
    paths: Iterable[Source],
    output: Output | None = None,
    progress: Progress = ignore_progress,
) -> Iterator[Detected]:
    """Yield the regions of each source in order; one that fails has an error, and others go on.

    paths: files, their content as bytes, or folders, whose files are taken. output: what to write;
    an interrupted run of the same sources with the same output goes on where it stopped. Raises
    OSError if a file cannot be written.
    """
    paths = list(paths)
    items = list_sources(paths, output.paths if output else ())
    if prepared.settings.prompt and len(items) > 1:
        raise BadInput("a prompt marks an object in one picture", hint="give one source")
    if output:
        output.begin(
            prepared.kind,
            prepared.labels,
            prepared.detector.name,
            several=len(items) > 1 or has_folder(paths),
        )
        drawn = (output.annotated_of(item.source, item.stem) for item in items if not item.error)
        refuse_replaced(filter(None, drawn), (item.source for item in items))
    done = _Done(prepared, items, output) if output and len(items) > 1 else None
    for number, item in enumerate(items):
        progress("detecting", number, len(items))
        detected = done.get(number, item) if done else None
        if detected is None:
            detected, medium = _detect_one(prepared, item)
            if output and not detected.error:
                files = output.save(detected, medium, item.stem)
                if done:
                    done.add(number, detected, files)
            del medium  # not held while the next one is decoded
        if output and not detected.error:
            output.add(detected, item.stem)
        yield detected
    progress("detecting", len(items), len(items))
    if output:
        output.finish()
    if done:
        done.delete()


class _Done:
    """The sources that an interrupted run has searched, and the files it has written of them."""

    def __init__(
        self, prepared: PreparedDetector, items: Sequence[ListedSource], output: Output
    ) -> None:
        from siamkit.embed.resumable import ResumableRecords

        self._detector = prepared.detector.name
        key = f"{prepared.identity}\n{prepared.settings}\n{output.key}\n"
        self._records = ResumableRecords(key, map(_digest, items))

    def get(self, number: int, item: ListedSource) -> Detected | None:
        """Return the regions of a source that is done; None if it is not, or a file is gone."""
        record = self._records.records.get(number)
        if record is None:
            return None
        with suppress(ValueError, KeyError, TypeError):
            if all(sources.to_path(name).exists() for name in record["files"]):
                regions = [_region(fields) for fields in record["regions"]]
                size = record["width"], record["height"]
                return Detected(
                    item.name, *size, regions, record["seconds"], detector=self._detector
                )
        return None

    def add(self, number: int, detected: Detected, files: Sequence[Path]) -> None:
        """Keep the regions of a source whose files are written."""
        record = {
            "width": detected.width,
            "height": detected.height,
            "seconds": detected.seconds,
            "regions": [_fields(region) for region in detected.regions],
            "files": [sources.to_text(sources.absolute(file)) for file in files],
        }
        self._records.add({number: record})

    def delete(self) -> None:
        """Forget them, at the end of the run."""
        self._records.delete()


def _detect_one(prepared: PreparedDetector, item: ListedSource) -> tuple[Detected, Any]:
    if item.error:
        return Detected(item.name, detector=prepared.detector.name, error=item.error), None
    try:
        return prepared.detect(item.source)
    except SiamkitError as error:
        return Detected(item.name, detector=prepared.detector.name, error=error), None


def _digest(item: ListedSource) -> bytes:
    """Return what changes when a source does: a file's path, size and time of change."""
    if isinstance(item.source, bytes):
        return hashlib.sha256(item.source).digest()
    path = Path(item.source)
    state = ""
    with suppress(OSError, ValueError):
        status = pages.split(path)[0].stat()
        state = f"{status.st_size} {status.st_mtime_ns}"
    return hashlib.sha256(os.fsencode(sources.absolute(path)) + state.encode()).digest()


def _fields(region: Region) -> dict[str, Any]:
    """Return a region as JSON values, exactly: the store's form rounds boxes and scores."""
    from siamkit.sdk import masks, regions

    where = None if region.where is None else [float(v) for v in region.where]
    mask = None if region.mask is None else masks.to_rle(region.mask)
    rest = regions.to_json(replace(region, mask=None))
    return {"region": rest, "where": where, "score": float(region.score), "mask": mask}


def _region(fields: Mapping[str, Any]) -> Region:
    from siamkit.sdk import masks, regions

    where = None if fields["where"] is None else tuple(fields["where"])
    mask = None if fields["mask"] is None else masks.from_rle(fields["mask"])
    region = regions.from_json(fields["region"])
    return replace(region, where=where, score=fields["score"], mask=mask)
