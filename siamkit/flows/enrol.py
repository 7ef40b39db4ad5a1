"""Enrol: sources in, durable templates out. What is yielded has been committed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from siamkit.embed import batches
from siamkit.embed.batches import EmbeddedSource, Job
from siamkit.embed.pipeline import Pipeline
from siamkit.embed.region_choosers import Chooser
from siamkit.errors import BadInput, SiamkitError
from siamkit.io import sources
from siamkit.io.sources import Content
from siamkit.sdk import regions
from siamkit.store import Gallery, Store, galleries, samples
from siamkit.store.samples import NewSample

if TYPE_CHECKING:
    from siamkit.types import Vectors


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What became of one source. `already` says that this very content was enrolled before."""

    label: str
    source: str
    status: Literal["enrolled", "already", "failed"]
    sample_ids: tuple[int, ...] = ()
    error: SiamkitError | None = None


def enrol(
    place: tuple[Store, Gallery] | None,
    make_place: Callable[[], tuple[Store, Gallery]],
    pipeline: Pipeline,
    items: Iterable[tuple[str, Path | str | bytes]],
    choose: Chooser,
    *,
    look_again: bool = False,
) -> Iterator[Enrolled]:
    """Enrol (label, source) pairs; yields one result each, in order, after its batch is durable.

    Where there is no place for them yet, it is made once something is ready to go there, so that
    a wrong file name leaves no empty store behind.

    Content that is enrolled under its label already is not decoded again, so a batch that was
    broken off goes on where it stopped; `look_again` decodes it all the same, for a choice of
    other regions of it. Raises EncoderMismatch before anything is read.
    """
    fingerprint = pipeline.encoder.fingerprint
    if place is not None:
        galleries.require_space(place[1], fingerprint)
    jobs = (Job(source, text=pipeline.is_text(source), tag=label) for label, source in items)

    def known(job: Job, content: Content) -> bool:
        label = samples.checked_label(job.tag)
        if look_again or place is None:
            return False
        return samples.is_enrolled(*place, label, content.digest)

    for batch in batches.embed_all(pipeline, jobs, choose, skip=known):
        if place is None and any(done.regions for done in batch):
            place = make_place()
        yield from _commit(place, fingerprint, batch)


def _commit(
    place: tuple[Store, Gallery] | None, fingerprint: str, batch: Sequence[EmbeddedSource]
) -> list[Enrolled]:
    new, vectors = [], []
    for done in batch:
        for item in done.regions:
            assert item.vector is not None
            new.append(
                NewSample(
                    identity=samples.checked_label(done.job.tag),
                    source=_stored_name(done),
                    digest=done.digest,
                    region=regions.to_json(item.region),
                    quality=item.quality.score if item.quality else None,
                    inline=done.job.text,
                )
            )
            vectors.append(item.vector)
    ids = iter(samples.add(*place, fingerprint, new, np.stack(vectors)) if place and new else [])
    return [_result(done, [next(ids) for _ in done.regions]) for done in batch]


def _result(done: EmbeddedSource, ids: Sequence[int | None]) -> Enrolled:
    label = done.job.tag
    if done.error:
        return Enrolled(label, done.name, "failed", error=done.error)
    made = tuple(i for i in ids if i is not None)
    return Enrolled(label, done.name, "enrolled" if made else "already", made)


def _stored_name(done: EmbeddedSource) -> str:
    source = done.job.source
    if isinstance(source, bytes) or done.job.text:
        return done.name
    return sources.to_text(sources.absolute(Path(source)))


def add_templates(
    store: Store, gallery: Gallery, labels: Sequence[str], vectors: Vectors, *, size: int = 10_000
) -> Iterator[int]:
    """Enrol (n, dim) vectors that were embedded elsewhere by this gallery's encoder.

    Rows are brought to norm 1. Yields how many rows are durable, after each batch of `size`.
    Raises BadInput for a wrong shape, a row that is not finite, or a row of zeros.
    """
    vectors = np.asarray(vectors, dtype=np.float32)
    wanted = (len(labels), gallery.space.dim)
    if vectors.shape != wanted:
        raise BadInput(f"vectors have shape {vectors.shape}, not {wanted}")
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    bad = np.flatnonzero(~np.isfinite(norms[:, 0]) | (norms[:, 0] == 0))
    if len(bad):
        raise BadInput(f"row {bad[0]} of the vectors is zero, NaN or Inf ({len(bad)} such rows)")
    unit = vectors / norms
    names = [samples.checked_label(label) for label in labels]
    for start in range(0, len(names), size):
        part = unit[start : start + size]
        new = [
            NewSample(name, "vector", _digest(row), '{"score":1.0}', None)
            for name, row in zip(names[start : start + size], part, strict=True)
        ]
        samples.add(store, gallery, gallery.space.fingerprint, new, part)
        yield start + len(part)


def _digest(row: np.ndarray) -> bytes:
    return Content("vector", row.tobytes()).digest
