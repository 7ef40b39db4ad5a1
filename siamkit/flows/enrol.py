"""Enrol: sources in, durable templates out. What is yielded has been committed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO, TypeAlias

import numpy as np

from siamkit.embed import batches, manifests
from siamkit.embed.batches import EmbedAll, EmbeddedSource, Job
from siamkit.embed.pipeline import Pipeline
from siamkit.embed.region_choosers import Chooser
from siamkit.errors import BadInput, SiamkitError, UnreadableSample
from siamkit.flows.mixups import Mixup, MixupCheck
from siamkit.host import registry
from siamkit.io import microphone, npy, sources
from siamkit.io.presentable import Presentable
from siamkit.io.sources import Content
from siamkit.io.table_read import TextColumns
from siamkit.io.wording import nouns_of
from siamkit.protocols import Source
from siamkit.sdk import regions
from siamkit.store import Gallery, Store, galleries, samples
from siamkit.store.labels import normalise_label
from siamkit.store.live_index import LiveIndex
from siamkit.store.samples import NewSample
from siamkit.types import Fault, Vectors

WHOLE = '{"score":1.0}'  # the region of a sample that is a vector
Status: TypeAlias = Literal["enrolled", "already", "failed"]


@dataclass(frozen=True, slots=True)
class EnrolResult(Presentable):
    """Outcome of enrolling one source. `already`: the same content was enrolled before.

    Examples:
        >>> ws.enrol("questions", "hours", "When are you open?").status
        'already'
    """

    label: str
    source: str
    status: Status
    sample_ids: tuple[int, ...] = ()
    error: SiamkitError | None = None
    warnings: tuple[str, ...] = ()  # it is enrolled, but perhaps under the wrong label


def enrol(
    target: tuple[Store, Gallery] | None,
    create: Callable[[], tuple[Store, Gallery]],
    pipeline: Pipeline,
    items: Iterable[tuple[str | None, Source]],
    choose: Chooser,
    *,
    look_again: bool = False,
    open_index: Callable[[Gallery], LiveIndex] | None = None,
    embed_all: EmbedAll = batches.embed_all,
) -> Iterator[EnrolResult]:
    """Enrol (label, source) pairs; yield one result each, in order, once its batch is durable.

    label: None labels a text with itself.
    A `target` that does not exist is created when the first source is ready, so that a wrong file
    name leaves no empty store behind.

    Content that is already enrolled under its label is not decoded again, so an interrupted batch
    continues where it stopped; `look_again` decodes it all the same, to enrol other regions of it.
    open_index: of a gallery, to warn of what may have the wrong label; None: without warnings.
    embed_all: embeds here, or by workers.
    Raises EncoderMismatch before anything is read.
    """
    mixups = None if open_index is None else MixupCheck(pipeline, open_index)
    if target is not None:
        galleries.require_space(target[1], pipeline.encoder.fingerprint)
    jobs = (_job(pipeline, item) for item in items)

    def is_enrolled(job: Job, content: Content) -> bool:
        label = normalise_label(job.tag)  # may raise
        if look_again or target is None:
            return False
        return samples.is_enrolled(*target, label, content.digest)

    for batch in embed_all(pipeline, jobs, choose, skip=is_enrolled):
        if target is None and any(done.regions for done in batch):
            target = create()
        yield from _commit(target, pipeline, batch, mixups)


def _job(pipeline: Pipeline, item: tuple[str | None, Source]) -> Job:
    """Return a pair as a job; whatever is wrong with it becomes this source's error."""
    try:
        label, source = item
    except (TypeError, ValueError):  # not a pair, and not a source either
        return Job(item, "")  # type: ignore[arg-type]
    if label is None:  # an empty one is refused
        label = manifests.label_of_text(str(source)) if pipeline.is_text(source) else ""
    with suppress(BadInput):  # is_enrolled raises it, as this source's error
        label = normalise_label(label)
    return Job(source, label)


def _commit(
    target: tuple[Store, Gallery] | None,
    pipeline: Pipeline,
    batch: Sequence[EmbeddedSource],
    mixups: MixupCheck | None,
) -> list[EnrolResult]:
    new: list[NewSample] = []
    vectors: list[Vectors] = []
    for done in batch:
        is_text = pipeline.is_text(done.job.source)
        for item in done.regions:
            new.append(
                NewSample(
                    identity=done.job.tag,
                    source=_stored_name(done, is_text),
                    digest=done.digest,
                    region=regions.to_json(item.region),
                    quality=item.quality.score if item.quality else None,
                    inline=is_text,
                )
            )
            vectors.append(item.vector)
    added: Iterator[tuple[int | None, Mixup | None]] = iter(())
    if target and new:
        stacked = np.stack(vectors)
        suspicions = mixups.check(*target, new, stacked) if mixups else [None] * len(new)
        ids = samples.add(*target, pipeline.encoder.fingerprint, new, stacked)
        added = zip(ids, suspicions, strict=True)
    noun = nouns_of(pipeline.modality).singular
    return [_result(done, [next(added) for _ in done.regions], noun) for done in batch]


def _result(
    done: EmbeddedSource, added: Sequence[tuple[int | None, Mixup | None]], noun: str
) -> EnrolResult:
    """Return the result of a source. added: the sample id of each region, and why to doubt it."""
    label = done.job.tag
    if done.error:
        return EnrolResult(label, done.name, "failed", error=done.error)
    new = [(sample_id, mixup) for sample_id, mixup in added if sample_id is not None]
    ids = tuple(sample_id for sample_id, _ in new)
    warnings = tuple(
        mixup.describe(done.name, label, sample_id, noun) for sample_id, mixup in new if mixup
    )
    status: Status = "enrolled" if ids else "already"
    return EnrolResult(label, done.name, status, ids, warnings=warnings)


def _stored_name(done: EmbeddedSource, is_text: bool) -> str:
    source = done.job.source
    if is_text or not isinstance(source, str | os.PathLike):
        return getattr(source, "stored_as", "") or done.name
    return sources.to_text(sources.absolute(Path(source)))


def read_labelled(
    origin: str, columns: TextColumns | None, stdin: TextIO
) -> tuple[list[tuple[str | None, Path | str]], list[EnrolResult]]:
    """Read (label, source) pairs from a folder, a list or, with columns, a table of texts.

    Also returns a failed result for each row and each folder that cannot be used.
    See siamkit.embed.manifests for the formats. Raises BadInput if none can be.
    """
    columns = columns or TextColumns()
    if not columns.are_named:
        pairs, faults = manifests.read_labelled_sources(
            origin, stdin, table=columns.table, encoding=columns.encoding
        )
        return [*pairs], [_failure(origin, fault) for fault in faults]
    texts, unusable = manifests.read_labelled_texts(origin, stdin, columns)
    return [*texts], [_failure(origin, Fault(r.error, r.id or "", r.line)) for r in unusable]


def _failure(origin: str, fault: Fault) -> EnrolResult:
    """Return the result of a row or a folder that holds no sample."""
    where = fault.where if fault.line is None else f"{origin}, {fault.where}"
    error = UnreadableSample(str(fault) if fault.line is None else f"{origin}, {fault}")
    return EnrolResult(fault.name if fault.line else "", where, "failed", error=error)


def record(
    seconds: float, label: str, modality: str, folder: Path, started: Callable[[], None]
) -> Path:
    """Record a sample from the microphone to LABEL-DATE.wav; see siamkit.io.microphone.

    Raises BadInput for a modality whose samples are not sounds, and for a bad label.
    """
    if registry.load("siamkit.modalities", modality).kind != "audio":
        raise BadInput(f"a microphone records sounds, not {modality}")
    normalise_label(label)
    return microphone.record(seconds, label, folder, started)


def add_templates(
    store: Store, gallery: Gallery, labels: Sequence[str], vectors: Vectors, *, size: int = 10_000
) -> Iterator[int]:
    """Enrol (n, dim) vectors that were embedded elsewhere by this gallery's encoder.

    vectors may be a file (`numpy.load(FILE, mmap_mode="r")`): a batch of `size` is in memory, and
    no more. Rows are scaled to norm 1. Yields how many rows are durable, after each batch.
    Raises BadInput for a wrong shape, a row that is not finite, or a row of zeros.
    """
    vectors = np.asarray(vectors)
    shape = (len(labels), gallery.space.dim)
    if vectors.shape != shape:
        raise BadInput(f"vectors have shape {vectors.shape}, not {shape}")
    norms = npy.row_norms(vectors)[:, None]
    bad = np.flatnonzero(~np.isfinite(norms[:, 0]) | (norms[:, 0] == 0))
    if len(bad):
        raise BadInput(f"row {bad[0]} of the vectors is zero, NaN or Inf ({len(bad)} such rows)")
    for label in labels:
        normalise_label(label)  # may raise, before anything is stored
    for start in range(0, len(labels), size):
        part = slice(start, start + size)
        batch = vectors[part].astype(np.float32) / norms[part]
        new = [
            NewSample(
                normalise_label(label), "vector", Content("", row.tobytes()).digest, WHOLE, None
            )
            for label, row in zip(labels[part], batch, strict=True)
        ]
        samples.add(store, gallery, gallery.space.fingerprint, new, batch)
        yield start + len(batch)
