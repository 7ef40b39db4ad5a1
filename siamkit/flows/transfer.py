"""Export and import: one gallery as a folder of JSON lines and one .npy. No pickle.

gallery.json     format, name, modality, encoder, detector, fingerprint, dim, threshold
templates.npy    (n, dim) float32, rows of norm 1
samples.jsonl    a line a row: identity, source, digest (hex), region, quality
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from siamkit.errors import BadInput, EncoderMismatch
from siamkit.store import Gallery, Store, galleries, samples, templates
from siamkit.store.samples import NewSample
from siamkit.types import Threshold

FORMAT = 1
BATCH = 10_000


def export_gallery(store: Store, gallery: Gallery, folder: Path) -> int:
    """Write a gallery to a new folder; returns how many samples. Raises BadInput if it exists."""
    if folder.exists():
        raise BadInput(f"{folder} exists already", hint="name a folder that does not")
    if not folder.parent.is_dir():
        raise BadInput(f"the folder of {folder} does not exist", hint=f"mkdir -p {folder.parent}")
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as made:
        inside = Path(made) / "out"
        inside.mkdir()
        with store.read():
            rows = list(samples.of_gallery(store, gallery))
            ids, vectors = templates.everything(store, gallery)
            owners = templates.owners(store, ids.tolist())
        order = {owners[int(i)].sample_id: n for n, i in enumerate(ids)}
        np.save(inside / "templates.npy", vectors[[order[s.id] for s in rows]], allow_pickle=False)
        with (inside / "samples.jsonl").open("w", encoding="utf-8") as file:
            for s in rows:
                line = {
                    "identity": s.identity,
                    "source": s.source,
                    "digest": s.digest.hex(),
                    "region": json.loads(s.region),
                    "quality": s.quality,
                }
                file.write(json.dumps(line) + "\n")
        card = {
            "format": FORMAT,
            "name": gallery.name,
            "modality": gallery.space.modality,
            "encoder": gallery.encoder,
            "detector": gallery.detector,
            "fingerprint": gallery.space.fingerprint,
            "dim": gallery.space.dim,
            "threshold": asdict(gallery.threshold) if gallery.threshold else None,
        }
        (inside / "gallery.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
        try:
            os.rename(inside, folder)
        except OSError:
            shutil.move(inside, folder)
    return len(rows)


def import_gallery(store: Store, folder: Path, name: str | None = None) -> tuple[Gallery, int, int]:
    """Read an exported folder into a gallery, made if it is new; what is there already is kept.

    Returns the gallery, how many samples were new, and how many were there.
    Raises BadInput for a folder that is not an export, EncoderMismatch if the gallery exists
    and holds vectors of another encoder.
    """
    card, lines, vectors = _read(folder)
    name = name or card["name"]
    if galleries.exists(store, name):
        gallery = galleries.get(store, name)
        if gallery.space.fingerprint != card["fingerprint"]:
            raise EncoderMismatch(
                f"gallery {name!r} holds templates of {gallery.space.fingerprint},"
                f" {folder} those of {card['fingerprint']}",
                hint="give another name: --as-gallery NAME",
            )
    else:
        gallery = galleries.create(
            store,
            name,
            modality=card["modality"],
            fingerprint=card["fingerprint"],
            dim=card["dim"],
            encoder=card["encoder"],
            detector=card["detector"],
            threshold=Threshold(**card["threshold"]) if card["threshold"] else None,
        )
    new = 0
    for start in range(0, len(lines), BATCH):
        part = lines[start : start + BATCH]
        ids = samples.add(
            store, gallery, card["fingerprint"], part, vectors[start : start + len(part)]
        )
        new += sum(i is not None for i in ids)
    return gallery, new, len(lines) - new


def _read(folder: Path) -> tuple[dict[str, Any], list[NewSample], np.ndarray]:
    try:
        card = json.loads((folder / "gallery.json").read_text(encoding="utf-8"))
        if card["format"] != FORMAT:
            raise ValueError(f"format {card['format']} is not {FORMAT}")
        vectors = np.load(folder / "templates.npy", allow_pickle=False)
        with (folder / "samples.jsonl").open(encoding="utf-8") as file:
            lines = [_sample(json.loads(line)) for line in file]
        if vectors.shape != (len(lines), card["dim"]) or vectors.dtype != np.float32:
            raise ValueError(
                f"templates.npy holds {vectors.dtype} {vectors.shape},"
                f" not float32 {(len(lines), card['dim'])}"
            )
        if not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3):
            raise ValueError("templates.npy has rows that are not of norm 1")
    except BadInput as error:
        raise BadInput(f"{folder}: samples.jsonl: {error}", hint=error.hint) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"{folder} is not an exported gallery: {error}", hint="`siamkit export` writes one"
        ) from error
    return card, lines, vectors


def _sample(line: dict[str, Any]) -> NewSample:
    region = json.dumps(line["region"], sort_keys=True, separators=(",", ":"))
    return NewSample(
        identity=samples.checked_label(line["identity"]),
        source=line["source"],
        digest=bytes.fromhex(line["digest"]),
        region=region,
        quality=line["quality"],
    )
