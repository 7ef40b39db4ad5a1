"""Reembed: move a gallery to another encoder, from the sources it was enrolled from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from siamkit.embed import batches
from siamkit.embed.pipeline import DetectedSample, Pipeline
from siamkit.embed.region_choosers import ChosenRegions
from siamkit.errors import BadInput, NothingFound, SiamkitError
from siamkit.flows.forget import finish
from siamkit.io import sources
from siamkit.io.sources import Content
from siamkit.sdk import regions
from siamkit.store import Gallery, Store, erasures, galleries, live_index, samples
from siamkit.store.samples import Sample


@dataclass(slots=True)
class Progress:
    """How far a re-embedding has come."""

    done: int
    total: int
    missing: list[SiamkitError] = field(default_factory=list)


def reembed(
    store: Store,
    gallery: Gallery,
    pipeline: Pipeline,
    *,
    encoder: str | None,
    drop_missing: bool = False,
) -> Iterator[Progress]:
    """Compute every template anew with `pipeline`'s encoder, in the regions kept in the store.

    All new templates replace all old ones in one transaction at the end: until then, and if the
    run is broken off, the gallery stays as it was. A source that is gone or has changed since
    fails the run, unless `drop_missing` lets those samples go; an encoder that fails always does.
    Yields first, and after every sample.
    """
    rows = list(samples.of_gallery(store, gallery))
    progress = Progress(0, len(rows))
    kept: list[tuple[int, np.ndarray]] = []
    yield progress
    for sample in rows:
        try:
            kept.append((sample.id, _vector(pipeline, sample, content_of(sample))))
        except (BadInput, NothingFound) as error:
            progress.missing.append(error)
        progress.done += 1
        yield progress
    if progress.missing and not (drop_missing and kept):
        way_out = "bring the files back"
        if kept:
            way_out += ", or use --drop-missing to let those samples go"
        raise BadInput(
            f"{len(progress.missing)} of {len(rows)} sources cannot be embedded again, first:"
            f" {progress.missing[0]}; gallery {gallery.name!r} is unchanged",
            hint=way_out,
        )
    _replace(store, gallery, pipeline, encoder, {sample.id for sample in rows}, kept)


def content_of(sample: Sample) -> Content:
    """What was enrolled, byte for byte. Raises BadInput if it is gone or another."""
    source = sample.source if sample.inline else sources.to_path(sample.source)
    content = sources.read(source, text=sample.inline)
    if content.digest != sample.digest:
        raise BadInput(f"{sample.source} has changed since it was enrolled")
    return content


def _vector(pipeline: Pipeline, sample: Sample, content: Content) -> np.ndarray:
    def stored(seen: DetectedSample) -> ChosenRegions:
        return [(regions.from_json(sample.region), None)]

    blind = Pipeline(pipeline.modality, None, pipeline.encoder)  # the region is known already
    vector = batches.embed_one(blind, content, stored).regions[0].vector
    assert vector is not None
    return vector


def _replace(
    store: Store,
    gallery: Gallery,
    pipeline: Pipeline,
    encoder: str | None,
    seen: set[int],
    kept: list[tuple[int, np.ndarray]],
) -> None:
    fingerprint, dim = pipeline.encoder.fingerprint, pipeline.encoder.dim
    with store.write() as db:
        live = {
            i for (i,) in db.execute("SELECT id FROM samples WHERE gallery_id = ?", (gallery.id,))
        }
        if live - seen:
            raise BadInput(
                f"samples were enrolled into {gallery.name!r} meanwhile; nothing was changed",
                hint="run the same command again",
            )
        space_id = galleries.ensure_space(store, gallery.space.modality, fingerprint, dim)
        db.execute("DELETE FROM templates WHERE gallery_id = ?", (gallery.id,))
        db.execute(
            "UPDATE galleries SET space_id = ?, encoder = ? WHERE id = ?",
            (space_id, encoder, gallery.id),
        )
        for sample_id, vector in kept:
            if sample_id in live:
                db.execute(
                    "INSERT INTO templates (sample_id, gallery_id, vector) VALUES (?, ?, ?)",
                    (sample_id, gallery.id, vector.astype("<f4").tobytes()),
                )
        db.execute(
            "DELETE FROM samples WHERE gallery_id = ? AND id NOT IN"
            " (SELECT sample_id FROM templates WHERE gallery_id = ?)",
            (gallery.id, gallery.id),
        )
        galleries.drop_empty_identities(store)
        # What the old vectors scored says nothing of these, nor of any that an encoder that comes
        # back would make of the samples that are left.
        db.execute("DELETE FROM calibrations WHERE gallery_id = ?", (gallery.id,))
        db.execute("DELETE FROM observations WHERE gallery_id = ?", (gallery.id,))
        galleries.calibrate(
            store, gallery.id, fingerprint, pipeline.threshold, pipeline.calibration
        )
        if len(kept) < len(live):
            erasures.note(store, gallery.id)
    live_index.drop(store, gallery.id)
    finish(store)
