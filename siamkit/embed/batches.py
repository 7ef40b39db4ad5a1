"""Many sources through a pipeline: read ahead, detect in parallel, embed in batches, keep order.

A source that fails is returned with its error, and the others go on. Besides the batch, at most two
sources per CPU core are held, read ahead, and fewer large ones, so a million files need no more
memory than a hundred.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from siamkit.embed.pipeline import Pipeline
from siamkit.embed.region_choosers import Chooser, name_sample
from siamkit.errors import BadInput, NothingFound, PluginError, SiamkitError
from siamkit.io import sources
from siamkit.io.sources import Content
from siamkit.protocols import Notes
from siamkit.sdk import threads
from siamkit.types import Image, Quality, Region

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BATCH_SIZE = 32  # sources embedded together, committed together, and at most lost together
HELD_BYTES = 100_000_000  # per CPU core, of sources and crops at once; then one more may begin
log = logging.getLogger("siamkit.notes")  # answers in JSON list them


@dataclass(frozen=True, slots=True)
class Job:
    """One source to embed. `tag` is the caller's own and comes back with the result."""

    source: Path | str | bytes
    tag: Any = None


Skip: TypeAlias = Callable[[Job, Content], bool]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A source in work, and the bytes that it may take."""

    future: Future[EmbeddedSource]
    bytes: int


@dataclass(slots=True, eq=False)
class EmbeddedRegion:
    """One region of a source, with its vector once it is embedded."""

    region: Region
    quality: Quality | None
    crop: Any
    vector: NDArray[np.float32] = field(init=False, repr=False)  # (dim,)


@dataclass(slots=True, eq=False)
class EmbeddedSource:
    """Outcome of one job: regions with vectors, or an error, or neither if it was skipped."""

    job: Job
    name: str
    digest: bytes = b""
    regions: list[EmbeddedRegion] = field(default_factory=list)  # those that were chosen
    region_count: int = 1  # of all that were detected
    size: tuple[int, int] | None = None  # width and height of a picture, px
    error: SiamkitError | None = None


class EmbedAll(Protocol):
    """Embeds many jobs and keeps their order: `embed_all`, or that of `workers.Workers`."""

    def __call__(
        self,
        pipeline: Pipeline,
        jobs: Iterable[Job],
        choose: Chooser,
        *,
        skip: Skip | None = None,
    ) -> Iterator[list[EmbeddedSource]]: ...


def embed_all(
    pipeline: Pipeline,
    jobs: Iterable[Job],
    choose: Chooser,
    *,
    skip: Skip | None = None,
    first: int | None = None,
) -> Iterator[list[EmbeddedSource]]:
    """Embed every job; yield batches in order, of BATCH_SIZE or the encoder's own batch size.

    jobs: read lazily. first: the size of the first batch, from which sizes double. skip: called in
    the caller's thread before a source is decoded; a SiamkitError that it raises is that source's
    error. At the end, the encoder's notes are logged.
    """
    try:
        yield from embed_batches(pipeline, jobs, choose, skip=skip, first=first)
    finally:
        _log_notes(pipeline)


def embed_batches(
    pipeline: Pipeline,
    jobs: Iterable[Job],
    choose: Chooser,
    *,
    skip: Skip | None = None,
    first: int | None = None,
) -> Iterator[list[EmbeddedSource]]:
    """Do the same as `embed_all`, and leave the encoder's notes where they are."""
    workers = threads.workers()
    largest = batch_size(pipeline)
    size = min(first or largest, largest)
    waiting: deque[_Waiting] = deque()
    remaining, memory, process = iter(jobs), workers * HELD_BYTES, os.getpid()
    with ThreadPoolExecutor(workers, thread_name_prefix="siamkit") as pool:
        try:
            while True:
                _require_process(process)
                batch: list[EmbeddedSource] = []
                held = 0  # bytes of crops
                while len(batch) < size:
                    while (
                        len(waiting) < 2 * workers and held + sum(w.bytes for w in waiting) < memory
                    ):
                        if (job := next(remaining, None)) is None:
                            break
                        waiting.append(_submit(pool, pipeline, job, choose, skip))
                    if not waiting:
                        break
                    batch.append(waiting.popleft().future.result())
                    held += _held_bytes(batch[-1])
                if not batch:
                    return
                _embed(pipeline, batch)
                yield batch
                size = min(2 * size, largest)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def batch_size(pipeline: Pipeline) -> int:
    """Return the number of sources to embed together."""
    return int(getattr(pipeline.encoder, "batch", BATCH_SIZE))


def _require_process(process: int) -> None:
    """Raise BadInput in the child of a fork: the threads of the pool are its parent's."""
    if process != os.getpid():
        raise BadInput(
            "work that was begun before a fork goes on in the parent alone",
            hint="start it again in the child",
        )


def embed_one(pipeline: Pipeline, content: Content, choose: Chooser) -> EmbeddedSource:
    """Embed a single source in this thread. Raises its error."""
    source = EmbeddedSource(Job(content.data), content.name)
    _detect(pipeline, source, content, choose)
    _embed(pipeline, [source])
    _log_notes(pipeline)
    if source.error:
        raise source.error
    return source


def read_notes(pipeline: Pipeline) -> list[str]:
    """Return the encoder's notes since the last call."""
    return pipeline.encoder.notes() if isinstance(pipeline.encoder, Notes) else []


def _log_notes(pipeline: Pipeline) -> None:
    for line in read_notes(pipeline):
        log.warning(line)


def _submit(
    pool: ThreadPoolExecutor,
    pipeline: Pipeline,
    job: Job,
    choose: Chooser,
    skip: Skip | None,
) -> _Waiting:
    """Read in this thread, so that `skip` may use the caller's database; detect in another."""
    source, content = read_job(pipeline, job, skip)
    if content is not None:
        future = pool.submit(_detect, pipeline, source, content, choose)
        return _Waiting(future, pipeline.estimate_bytes(content))
    skipped: Future[EmbeddedSource] = Future()
    skipped.set_result(source)
    return _Waiting(skipped, 0)


def read_job(
    pipeline: Pipeline, job: Job, skip: Skip | None
) -> tuple[EmbeddedSource, Content | None]:
    """Read a job's source; the content is None if it is skipped, or cannot be read."""
    try:
        content = pipeline.read(job.source)
        source = EmbeddedSource(job, content.name, content.digest)
        return source, None if skip is not None and skip(job, content) else content
    except SiamkitError as error:
        return EmbeddedSource(job, _name(pipeline, job.source), error=error), None


def _held_bytes(source: EmbeddedSource) -> int:
    """Return the size of the arrays that a source's crops are, or are views of."""
    sizes = {}
    for region in source.regions:
        array = getattr(region.crop, "pixels", getattr(region.crop, "samples", None))
        if array is not None:  # media without an array are small
            owner = array if array.base is None else array.base
            sizes[id(owner)] = getattr(owner, "nbytes", array.nbytes)
    return sum(sizes.values())


def _detect(
    pipeline: Pipeline, source: EmbeddedSource, content: Content, choose: Chooser
) -> EmbeddedSource:
    """Decode, detect, choose and crop: the steps that are done source by source."""
    try:
        detected = pipeline.detect(content)
        source.region_count = len(detected.regions)
        if isinstance(detected.medium, Image):
            source.size = detected.medium.pixels.shape[1::-1]
        try:
            if not (chosen := choose(detected)):
                raise NothingFound("no region was chosen")
        except SiamkitError as error:
            raise name_sample(source.name, error) from error
        source.regions = [
            EmbeddedRegion(region, quality, pipeline.crop(detected.medium, region, content))
            for region, quality in chosen
        ]
    except SiamkitError as error:
        source.error = error
    return source


def _embed(pipeline: Pipeline, batch: list[EmbeddedSource]) -> None:
    """Embed the regions of a batch. If the batch as a whole fails, go source by source."""
    pairs = [(source, region) for source in batch for region in source.regions]
    if not pairs:
        return
    try:
        rows, usable = pipeline.embed([region.crop for _, region in pairs])
    except PluginError as error:
        if len(batch) > 1:
            for source in batch:
                _embed(pipeline, [source])
        else:
            batch[0].error = name_sample(batch[0].name, error)
            batch[0].regions = []
        return
    for (source, region), row, is_usable in zip(pairs, rows, usable, strict=True):
        region.vector = row
        if not is_usable and source.error is None:
            source.error = name_sample(source.name, pipeline.row_error(row))
    for source in batch:
        if source.error:
            source.regions = []


def _name(pipeline: Pipeline, source: Path | str | bytes) -> str:
    if not isinstance(source, str | os.PathLike):
        return sources.name_of_bytes(source)
    return str(source) if pipeline.is_text(source) else sources.to_text(Path(source))
