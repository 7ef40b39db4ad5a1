"""Export: one gallery as a folder of JSON lines and one .npy. No pickle.

gallery.json     format, name, modality, encoder, detector, index, fingerprint, dim, threshold,
                 calibration, find_calibrations
templates.npy    (n, dim) float32, rows of norm 1
samples.jsonl    one line per row: identity, source, inline, digest (hex), region, quality
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput
from siamkit.io import npy
from siamkit.io.atomic import writing_folder
from siamkit.io.unfinished import store_register
from siamkit.sdk import regions
from siamkit.stats import find_calibration
from siamkit.stats.calibration_json import to_json
from siamkit.stats.find_calibration import FindCalibration
from siamkit.store import Gallery, Store, find_calibrations, galleries
from siamkit.store.gallery_vectors import stream_vectors
from siamkit.store.samples import Sample
from siamkit.types import Progress, ignore_progress

FORMAT = 1  # of gallery.json; an import refuses any other


def export_gallery(
    store: Store, gallery: Gallery, folder: Path, progress: Progress = ignore_progress
) -> int:
    """Write a gallery to a new folder, complete or not at all. Return the number of samples.

    It is written as it is read, as of one moment; a block of rows is in memory, and no more.
    Raises BadInput if the folder exists, or its parent does not.
    """
    if folder.exists():
        raise BadInput(f"{folder} already exists", hint="name a new folder")
    if not folder.parent.is_dir():
        raise BadInput(
            f"the folder of {folder} does not exist", hint=f"run `mkdir -p {folder.parent}`"
        )
    register = store_register(store.root)
    with writing_folder(folder, register=register) as unfinished, store.read():
        gallery = galleries.get(store, gallery.name)
        searches = find_calibrations.of_gallery(store, gallery)
        card = json.dumps(_card(gallery, searches), indent=2)
        (unfinished / "gallery.json").write_text(card + "\n", encoding="utf-8")
        return _write_rows(store, gallery, unfinished, progress)


def _write_rows(store: Store, gallery: Gallery, folder: Path, progress: Progress) -> int:
    done, total = 0, galleries.count(store, gallery)[1]
    with (
        npy.writing_rows(folder / "templates.npy", gallery.space.dim) as write_vectors,
        (folder / "samples.jsonl").open("w", encoding="utf-8") as lines,
    ):
        for _, vectors, samples in stream_vectors(store, gallery):
            write_vectors(vectors)
            lines.writelines(f"{json.dumps(_line(sample))}\n" for sample in samples)
            done += len(samples)
            progress(f"exporting {gallery.name}", done, total)
    return done


def _line(sample: Sample) -> dict[str, Any]:
    return {
        "identity": sample.identity,
        "source": sample.source,
        "inline": bool(sample.inline),
        "digest": sample.digest.hex(),
        "region": regions.to_dict(sample.read_region()),
        "quality": sample.quality,
    }


def _card(gallery: Gallery, searches: Sequence[FindCalibration]) -> dict[str, Any]:
    calibration = gallery.calibration
    return {
        "format": FORMAT,
        "name": gallery.name,
        "modality": gallery.space.modality,
        "encoder": gallery.encoder,
        "detector": gallery.detector,
        "index": gallery.index,
        "fingerprint": gallery.space.fingerprint,
        "dim": gallery.space.dim,
        "threshold": asdict(gallery.threshold) if gallery.threshold else None,
        "calibration": json.loads(to_json(calibration)) if calibration else None,
        "find_calibrations": [find_calibration.to_dict(search) for search in searches],
    }
