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

import numpy as np

from siamkit.errors import BadInput
from siamkit.io.atomic import writing_folder
from siamkit.io.unfinished import store_register
from siamkit.sdk import regions
from siamkit.stats import find_calibration
from siamkit.stats.calibration_json import to_json
from siamkit.stats.find_calibration import FindCalibration
from siamkit.store import Gallery, Store, find_calibrations, galleries
from siamkit.store.gallery_vectors import load_vectors
from siamkit.store.samples import Sample

FORMAT = 1  # of gallery.json; an import refuses any other


def export_gallery(store: Store, gallery: Gallery, folder: Path) -> int:
    """Write a gallery to a new folder, complete or not at all. Return the number of samples.

    Raises BadInput if the folder exists, or its parent does not.
    """
    if folder.exists():
        raise BadInput(f"{folder} already exists", hint="name a new folder")
    if not folder.parent.is_dir():
        raise BadInput(
            f"the folder of {folder} does not exist", hint=f"run `mkdir -p {folder.parent}`"
        )
    with store.read():
        gallery = galleries.get(store, gallery.name)
        enrolled = load_vectors(store, gallery)
        searches = find_calibrations.of_gallery(store, gallery)
    with writing_folder(folder, register=store_register(store.root)) as unfinished:
        np.save(unfinished / "templates.npy", enrolled.vectors, allow_pickle=False)
        _write_samples(unfinished / "samples.jsonl", enrolled.samples)
        card = json.dumps(_card(gallery, searches), indent=2)
        (unfinished / "gallery.json").write_text(card + "\n", encoding="utf-8")
    return len(enrolled.samples)


def _write_samples(path: Path, rows: Sequence[Sample]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for sample in rows:
            line = {
                "identity": sample.identity,
                "source": sample.source,
                "inline": bool(sample.inline),
                "digest": sample.digest.hex(),
                "region": regions.to_dict(sample.read_region()),
                "quality": sample.quality,
            }
            file.write(json.dumps(line) + "\n")


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
