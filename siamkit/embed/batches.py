"""Many sources through a pipeline: read ahead, detect in parallel, embed in batches, keep order.

A source that fails is an item with its error; the others go on. Nothing is held longer than a
batch, so a million files need no more memory than a hundred.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit.embed.pipeline import Pipeline
from siamkit.embed.region_choosers import Chooser, name_sample
from siamkit.errors import PluginError, SiamkitError
from siamkit.io import sources
from siamkit.io.sources import Content
from siamkit.protocols import Notes
from siamkit.types import Quality, Region

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIZE = 32  # sources a batch: what is embedded together, committed together, and lost at most
log = logging.getLogger("siamkit")


@dataclass(frozen=True, slots=True)
class Job:
    """One source to embed. `tag` is the caller's own and comes back with the result."""

    source: Path | str | bytes
    text: bool = False  # the string is the sample itself, not a path
    tag: Any = None


@dataclass(slots=True, eq=False)
class EmbeddedRegion:
    """One region of a source, with its vector once it is embedded."""

    region: Region
    quality: Quality | None
    crop: Any
    vector: NDArray[np.float32] | None = None


@dataclass(slots=True, eq=False)
class EmbeddedSource:
    """What became of one job: regions with vectors, or an error, or neither if it was skipped."""

    job: Job
    name: str
    digest: bytes = b""
    regions: list[EmbeddedRegion] = field(default_factory=list)
    error: SiamkitError | None = None


def embed_all(
    pipeline: Pipeline,
    jobs: Iterable[Job],
    choose: Chooser,
    *,
    skip: Callable[[Job, Content], bool] | None = None,
) -> Iterator[list[EmbeddedSource]]:
    """Embed every job; yields lists in order, each of SIZE, or of what the encoder likes at once.

    `jobs` is drawn from lazily. `skip` is asked, in the caller's thread, before a source is
    decoded; what it raises is that source's error.
    """
    workers = os.cpu_count() or 1
    size = getattr(pipeline.encoder, "batch", SIZE)
    waiting: deque[Future[EmbeddedSource]] = deque()
    feed = iter(jobs)
    with ThreadPoolExecutor(workers, thread_name_prefix="siamkit") as pool:
        try:
            while True:
                batch: list[EmbeddedSource] = []
                while len(batch) < size:
                    for job in islice(feed, 2 * workers - len(waiting)):
                        waiting.append(_submit(pool, pipeline, job, choose, skip))
                    if not waiting:
                        break
                    batch.append(waiting.popleft().result())
                if not batch:
                    return
                _embed(pipeline, batch)
                yield batch
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            _tell_notes(pipeline)


def embed_one(pipeline: Pipeline, content: Content, choose: Chooser) -> EmbeddedSource:
    """Embed a single source in this thread. Raises what went wrong."""
    job = Job(content.data)
    done = _look(pipeline, EmbeddedSource(job, content.name, content.digest), content, choose)
    _embed(pipeline, [done])
    _tell_notes(pipeline)
    if done.error:
        raise done.error
    return done


def _tell_notes(pipeline: Pipeline) -> None:
    if isinstance(pipeline.encoder, Notes):
        for line in pipeline.encoder.notes():
            log.warning(line)


def _submit(
    pool: ThreadPoolExecutor,
    pipeline: Pipeline,
    job: Job,
    choose: Chooser,
    skip: Callable[[Job, Content], bool] | None,
) -> Future[EmbeddedSource]:
    """Read in this thread (so that `skip` may use the caller's database), look in another."""
    ready: Future[EmbeddedSource] = Future()
    try:
        content = sources.read(job.source, text=job.text)
        skipped = skip is not None and skip(job, content)
    except SiamkitError as error:
        ready.set_result(EmbeddedSource(job, _name(job), error=error))
        return ready
    done = EmbeddedSource(job, content.name, content.digest)
    if skipped:
        ready.set_result(done)
        return ready
    return pool.submit(_look, pipeline, done, content, choose)


def _look(
    pipeline: Pipeline, done: EmbeddedSource, content: Content, choose: Chooser
) -> EmbeddedSource:
    """Decode, detect, choose and crop: all that is done source by source."""
    try:
        seen = pipeline.detect(content)
        try:
            chosen = choose(seen)
        except SiamkitError as error:
            raise name_sample(done.name, error) from error
        done.regions = [
            EmbeddedRegion(region, quality, pipeline.crop(seen.medium, region, content))
            for region, quality in chosen
        ]
    except SiamkitError as error:
        done.error = error
    return done


def _embed(pipeline: Pipeline, batch: list[EmbeddedSource]) -> None:
    """Embed what a batch found. Where the batch as a whole fails, source by source."""
    found = [(done, item) for done in batch for item in done.regions]
    if not found:
        return
    try:
        rows, good = pipeline.embed([item.crop for _, item in found])
    except PluginError as error:
        if len(batch) == 1:
            batch[0].error = name_sample(batch[0].name, error)
            batch[0].regions = []
            return
        for done in batch:
            _embed(pipeline, [done])
        return
    for (done, item), row, fine in zip(found, rows, good, strict=True):
        item.vector = row
        if not fine and done.error is None:
            done.error = name_sample(done.name, pipeline.row_error(row))
    for done in batch:
        if done.error:
            done.regions = []


def _name(job: Job) -> str:
    if not isinstance(job.source, str | os.PathLike):
        return type(job.source).__name__  # 'bytes', or what cannot be read
    return str(job.source) if job.text else sources.to_text(Path(job.source))
