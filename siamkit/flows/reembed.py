"""Reembed: move a gallery to another encoder, from the sources it was enrolled from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from siamkit.embed import batches
from siamkit.embed.pipeline import DetectedSample, Pipeline
from siamkit.embed.region_choosers import ChosenRegions
from siamkit.errors import BadInput, NothingFound, SiamkitError
from siamkit.flows.forget import finish_erasing
from siamkit.io import sources
from siamkit.io.sources import Content
from siamkit.store import Gallery, Store, samples, saved_indexes, templates
from siamkit.store.samples import Sample
from siamkit.types import Progress, ignore_progress


@dataclass(frozen=True, slots=True)
class Reembedded:
    """Outcome of a re-embedding.

    Examples:
        >>> ws.reembed("questions").samples
        5
    """

    samples: int  # that the gallery now holds
    fingerprint: str  # of the encoder that it now uses
    dropped: tuple[SiamkitError, ...]  # one per sample that was dropped, naming its source


def reembed(
    store: Store,
    gallery: Gallery,
    pipeline: Pipeline,
    encoder: str | None,
    *,
    drop_missing: bool = False,
    progress: Progress = ignore_progress,
) -> Reembedded:
    """Recompute every template with `pipeline`'s encoder, in the regions kept in the store.

    All new templates replace all old ones in one transaction at the end: until then, and if the
    run is interrupted, the gallery stays as it was. A source that is gone or has changed since
    fails the run, unless `drop_missing` drops its sample; an encoder that fails always does.
    encoder: the name or path that the gallery keeps.
    """
    saved_indexes.backend_of(gallery)  # its saved files are deleted at the end
    enrolled = list(samples.each_of_gallery(store, gallery))
    vectors: list[tuple[int, np.ndarray]] = []
    missing: list[SiamkitError] = []
    progress("embedding", 0, len(enrolled))
    for done, (sample_id, sample) in enumerate(enrolled, 1):
        try:
            if sample is None:
                raise BadInput(f"sample {sample_id} is damaged in the store")
            vectors.append((sample_id, _vector(pipeline, sample, read_enrolled(sample))))
        except (BadInput, NothingFound) as error:
            missing.append(error)
        progress("embedding", done, len(enrolled))
    if missing and not (drop_missing and vectors):
        drop = ", or use --drop-missing to drop those samples" if vectors else ""
        raise BadInput(
            f"{len(missing)} of {len(enrolled)} sources cannot be embedded again, first:"
            f" {missing[0]}; gallery {gallery.name!r} is unchanged",
            hint=f"{missing[0].hint or 'restore the files'}{drop}",
        )
    ids = {sample_id for sample_id, _ in enrolled}
    templates.replace_all(store, gallery, pipeline.gallery_encoder(encoder), ids, vectors)
    saved_indexes.drop(store, gallery.id, gallery.index)
    finish_erasing(store)
    return Reembedded(len(vectors), pipeline.encoder.fingerprint, tuple(missing))


def read_enrolled(sample: Sample) -> Content:
    """Read a sample's source again. Raises BadInput if it is gone or has changed."""
    if not sample.inline and sample.source.startswith(sources.IMPORTED):
        raise BadInput(
            f"{sample.source}: no file is read that only an import names",
            hint="import it as another gallery with `--media FOLDER`, which holds its files",
        )
    source = sample.source if sample.inline else sources.to_path(sample.source)
    content = sources.read(source, text=sample.inline)
    if content.digest != sample.digest:
        raise BadInput(f"{sample.source} has changed since it was enrolled")
    return content


def _vector(pipeline: Pipeline, sample: Sample, content: Content) -> np.ndarray:
    def stored(detected: DetectedSample) -> ChosenRegions:
        return [(sample.read_region(), None)]

    undetected = Pipeline(pipeline.modality, None, pipeline.encoder)  # the region is known already
    return batches.embed_one(undetected, content, stored).regions[0].vector
