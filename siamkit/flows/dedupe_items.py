"""Read the items to dedupe, and embed every region of each distinct one once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

import numpy as np

from siamkit.embed import batches, region_choosers
from siamkit.embed.batches import EmbedAll, EmbeddedSource, Job
from siamkit.embed.pipeline import Pipeline
from siamkit.embed.resumable import EmbeddedPart, ResumableRegions, ResumableVectors
from siamkit.errors import SiamkitError
from siamkit.flows.objections import of_quality
from siamkit.flows.trials import number_distinct
from siamkit.io import sources
from siamkit.io.sources import Content
from siamkit.protocols import Source
from siamkit.types import Fault, Ids, Progress, Quality, Region, Vectors


@dataclass(frozen=True, slots=True)
class Item:
    """A text (str) or a file (Path) to compare with others; once detected, one region of it.

    Examples:
        >>> sk.Item(line=1, id="q1", source="How do I log in?").shown
        'How do I log in?'
    """

    line: int  # in its list, from 1
    id: str
    source: Source
    region: Region | None = None

    def __repr__(self) -> str:
        """The item in short: `<Item How do I log in? (id q1)>`."""
        return f"<Item {sources.shorten(self.shown)} ({self.place or self.origin})>"

    @property
    def shown(self) -> str:
        """The text, or the name of the file or of the sample in memory."""
        if isinstance(self.source, bytes):
            return sources.name_of_bytes(self.source)
        return self.source if isinstance(self.source, str) else sources.to_text(Path(self.source))

    @property
    def origin(self) -> str:
        """Its place in its list: `id 7`, or `line 8` if it has no id of its own."""
        return f"line {self.line}" if self.id == str(self.line) else f"id {self.id}"

    @property
    def place(self) -> str:
        """The region in its file, LEFT,TOP,RIGHT,BOTTOM or START-STOP; empty for a whole one."""
        is_part = self.region and self.region.where
        return region_choosers.describe_region(self.region) if self.region and is_part else ""


class RowItems(Sequence[Item]):
    """An item for each of n rows of a file, made when it is asked for."""

    def __init__(self, rows: Ids, names: Mapping[int, str]) -> None:
        self.rows = rows  # (n,) row numbers, from 0
        self.names = names  # of the rows that have one

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, at: int) -> Item: ...
    @overload
    def __getitem__(self, at: slice) -> list[Item]: ...
    def __getitem__(self, at: int | slice) -> Item | list[Item]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        row = int(self.rows[at])
        return Item(row + 1, str(row), self.names.get(row, str(row)))


class Media(Sequence[Any]):
    """Distinct items, cropped again when they are first asked for: few are near another."""

    def __init__(self, pipeline: Pipeline, items: Sequence[Item], firsts: Ids) -> None:
        self.pipeline, self.items = pipeline, items
        self.firsts = firsts  # (m,) the first item of each content
        self._crops: dict[int, Any] = {}

    def __len__(self) -> int:
        return len(self.firsts)

    def __getitem__(self, at: Any) -> Any:
        number = int(at)
        if number not in self._crops:
            self._crops[number] = _crop(self.pipeline, self.items[self.firsts[number]])
        return self._crops[number]


@dataclass(slots=True, eq=False)
class EmbeddedItems:
    """The n items that can be compared, one for each region, and the m vectors of the distinct."""

    items: list[Item]
    distinct: Ids  # (n,) numbers in 0 … m - 1; exact copies share one
    vectors: Vectors  # (m, dim)
    faults: list[Fault]  # items that could not be used
    left_out: list[Fault]  # items that no comparison can tell anything about
    resumable: ResumableVectors | ResumableRegions  # to delete at the end of the run

    def media(self, pipeline: Pipeline) -> Media:
        """Return the m distinct items for a reranker or an objection."""
        _, firsts = np.unique(self.distinct, return_index=True)
        return Media(pipeline, self.items, firsts)


@dataclass(slots=True, eq=False)
class _Reading:
    """The n items that could be read, and their m distinct contents."""

    items: list[Item]
    distinct: Ids  # (n,) numbers in 0 … m - 1
    unique: list[Item]  # (m,) the first item of each content
    digests: list[bytes]  # (m,)
    faults: list[Fault]
    left_out: list[Fault]


def embed_items(
    pipeline: Pipeline,
    items: Iterable[Item],
    progress: Progress,
    embed_all: EmbedAll = batches.embed_all,
) -> EmbeddedItems:
    """Embed every region of each distinct item. An interrupted run resumes.

    embed_all: embeds here, or by workers.

    Copies are texts that are equal once the modality has normalised them, or files of equal
    content.
    """
    embed = _embed_texts if pipeline.modality.kind == "text" else _embed_files
    return embed(pipeline, _read(pipeline, items, progress), progress, embed_all)


def why_left_out(quality: Quality | None) -> str:
    """Return why no comparison tells anything about a region; empty if one does."""
    objection = of_quality(quality)
    return objection.reason if objection else ""


def _crop(pipeline: Pipeline, item: Item) -> Any:
    content = pipeline.read(item.source)
    return pipeline.crop(pipeline.load(content), item.region or Region(), content)


def _read(pipeline: Pipeline, items: Iterable[Item], progress: Progress) -> _Reading:
    usable: list[Item] = []
    digests: list[bytes] = []
    faults: list[Fault] = []
    left_out: list[Fault] = []
    for number, item in enumerate(items, 1):
        try:
            digest, reason = _digest(pipeline, item.source)
            if reason:
                left_out.append(Fault(reason, item.id, item.line))
            else:
                digests.append(digest)
                usable.append(item)
        except SiamkitError as error:
            faults.append(Fault(str(error), item.id, item.line))
        if number % 1_000 == 0:
            progress("reading", number, 0)
    unique_digests, distinct = number_distinct(digests)
    _, firsts = np.unique(distinct, return_index=True)
    unique = [usable[i] for i in firsts.tolist()]
    return _Reading(usable, distinct, unique, unique_digests, faults, left_out)


def _digest(pipeline: Pipeline, source: Source) -> tuple[bytes, str]:
    """Return what is equal for copies, and why a text cannot be compared: empty if it can."""
    content = pipeline.read(source)
    if pipeline.modality.kind != "text":
        return content.digest, ""
    medium = pipeline.load(content)
    reason = why_left_out(pipeline.assess(medium, Region(), content))
    is_text = pipeline.is_text(source) and isinstance(medium, str)
    return Content("", medium).digest if is_text else content.digest, reason


def _detector(pipeline: Pipeline) -> str:
    return pipeline.detector.name if pipeline.detector else "none"


def _embed_missing(
    pipeline: Pipeline,
    unique: Sequence[Item],
    missing: list[int],
    progress: Progress,
    embed_all: EmbedAll,
) -> Iterator[list[EmbeddedSource]]:
    # Items of similar length share a batch, which wastes the least on padding.
    missing.sort(key=lambda i: len(unique[i].shown))
    jobs = (Job(unique[i].source, i) for i in missing)
    done = len(unique) - len(missing)
    for batch in embed_all(pipeline, jobs, region_choosers.all_regions):
        yield batch
        done += len(batch)
        progress("embedding", done, len(unique))


def _embed_texts(
    pipeline: Pipeline, reading: _Reading, progress: Progress, embed_all: EmbedAll
) -> EmbeddedItems:
    """Embed whole samples, straight into a matrix on disk."""
    encoder, unique, distinct = pipeline.encoder, reading.unique, reading.distinct
    resumable = ResumableVectors(
        encoder.fingerprint, _detector(pipeline), reading.digests, len(unique), encoder.dim
    )
    errors: dict[int, str] = {}
    missing = resumable.missing_rows().tolist()
    for batch in _embed_missing(pipeline, unique, missing, progress, embed_all):
        for source in batch:
            if source.error:
                errors[source.job.tag] = str(source.error)
            else:
                resumable.vectors[source.job.tag] = source.regions[0].vector
    vectors, items, faults = resumable.vectors, reading.items, reading.faults
    if errors:
        faults += _faults_of(reading, errors)
        numbered = zip(items, distinct.tolist(), strict=True)
        items = [item for item, n in numbered if n not in errors]
        usable = np.setdiff1d(np.arange(len(unique)), list(errors))
        distinct = np.searchsorted(usable, distinct[np.isin(distinct, usable)])
        vectors = vectors[usable]
    return EmbeddedItems(items, distinct, vectors, faults, reading.left_out, resumable)


def _embed_files(
    pipeline: Pipeline, reading: _Reading, progress: Progress, embed_all: EmbedAll
) -> EmbeddedItems:
    """Embed every region of files; each becomes an item of its own."""
    fingerprint, unique, distinct = pipeline.encoder.fingerprint, reading.unique, reading.distinct
    resumable = ResumableRegions(fingerprint, _detector(pipeline), reading.digests)
    errors: dict[int, str] = {}
    missing = [i for i in range(len(unique)) if i not in resumable.parts]
    for batch in _embed_missing(pipeline, unique, missing, progress, embed_all):
        for source in batch:
            if source.error:
                errors[source.job.tag] = str(source.error)
        resumable.add({source.job.tag: _parts(source) for source in batch if not source.error})
    faults = reading.faults + _faults_of(reading, errors)
    left_out, items, numbers = reading.left_out, [], []
    rows: list[Vectors] = []
    rows_of: dict[int, list[int]] = {}
    for number, item in zip(distinct.tolist(), reading.items, strict=True):
        parts = resumable.parts.get(number, [])
        left_out += [Fault(p.left_out, item.id, item.line) for p in parts if p.left_out]
        usable = [part for part in parts if not part.left_out]
        if number not in rows_of:
            rows_of[number] = list(range(len(rows), len(rows) + len(usable)))
            rows += [part.vector for part in usable]
        items += [replace(item, region=part.region) for part in usable]
        numbers += rows_of[number]
    dim = pipeline.encoder.dim
    vectors = np.stack(rows) if rows else np.empty((0, dim), np.float32)
    return EmbeddedItems(items, np.array(numbers, np.int64), vectors, faults, left_out, resumable)


def _parts(source: EmbeddedSource) -> list[EmbeddedPart]:
    return [
        EmbeddedPart(region.region, region.vector, why_left_out(region.quality))
        for region in source.regions
    ]


def _faults_of(reading: _Reading, errors: dict[int, str]) -> list[Fault]:
    """Return the fault of every copy of a content; an error names the first, which was embedded."""
    faults = []
    for item, number in zip(reading.items, reading.distinct.tolist(), strict=True):
        if reason := errors.get(number):
            first = reading.unique[number].shown
            if reason.startswith(first):
                reason = item.shown + reason.removeprefix(first)
            faults.append(Fault(reason, item.id, item.line))
    return faults
