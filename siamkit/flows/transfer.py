"""Export and import: one gallery as a folder of JSON lines and one .npy. No pickle.

gallery.json     format, name, modality, encoder, detector, fingerprint, dim, threshold, calibration
templates.npy    (n, dim) float32, rows of norm 1
samples.jsonl    a line a row: identity, source, digest (hex), region, quality
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from siamkit.errors import BadInput, EncoderMismatch
from siamkit.sdk import regions
from siamkit.stats.calibration_json import from_json, to_json
from siamkit.store import Gallery, Store, galleries, samples, templates
from siamkit.store.samples import NewSample
from siamkit.types import Calibration, Threshold

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
            gallery = galleries.get(store, gallery.name)
            rows = list(samples.of_gallery(store, gallery))
            ids, vectors = templates.load_all(store, gallery)
            owners = templates.owners(store, ids.tolist())
        order = {owners[int(i)].sample_id: n for n, i in enumerate(ids)}
        np.save(inside / "templates.npy", vectors[[order[s.id] for s in rows]], allow_pickle=False)
        with (inside / "samples.jsonl").open("w", encoding="utf-8") as file:
            for s in rows:
                line = {
                    "identity": s.identity,
                    "source": s.source,
                    "inline": bool(s.inline),
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
            "calibration": json.loads(to_json(gallery.calibration))
            if gallery.calibration
            else None,
        }
        (inside / "gallery.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
        try:
            os.rename(inside, folder)
        except OSError as error:  # another process has made it meanwhile
            raise BadInput(f"{folder} exists already") from error
    return len(rows)


def import_gallery(
    store: Store, exported: Export, name: str | None = None
) -> tuple[Gallery, int, int]:
    """Put an export into a gallery, made if it is new; what is there already is kept.

    Returns the gallery, how many samples were new, and how many were there.
    Raises EncoderMismatch if the gallery exists and holds vectors of another encoder.
    """
    card, lines, vectors = exported.card, exported.samples, exported.vectors
    name = name or card.name
    if not galleries.exists(store, name):
        with suppress(galleries.GalleryExists):  # another process was first
            galleries.create(
                store,
                name,
                modality=card.modality,
                fingerprint=card.fingerprint,
                dim=card.dim,
                encoder=card.encoder,
                detector=card.detector,
                threshold=card.threshold,
                calibration=card.calibration,
            )
    gallery = galleries.get(store, name)
    if gallery.space.fingerprint != card.fingerprint:
        raise EncoderMismatch(
            f"gallery {name!r} holds templates of {gallery.space.fingerprint},"
            f" the export those of {card.fingerprint}",
            hint="give another name: --as-gallery NAME",
        )
    new = 0
    for start in range(0, len(lines), BATCH):
        part = lines[start : start + BATCH]
        ids = samples.add(
            store, gallery, card.fingerprint, part, vectors[start : start + len(part)]
        )
        new += sum(i is not None for i in ids)
    return gallery, new, len(lines) - new


@dataclass(frozen=True, slots=True)
class Card:
    """What gallery.json says, every field checked."""

    name: str
    modality: str
    encoder: str | None
    detector: str | None
    fingerprint: str
    dim: int
    threshold: Threshold | None
    calibration: Calibration | None


@dataclass(frozen=True, slots=True, eq=False)
class Export:
    """An exported folder, read and checked: (n, dim) float32 vectors, one a sample."""

    card: Card
    samples: list[NewSample]
    vectors: np.ndarray


def read_export(folder: Path) -> Export:
    """Everything in an exported folder. Raises BadInput, before anything is stored."""
    try:
        card = _card(json.loads((folder / "gallery.json").read_text(encoding="utf-8")))
        with (folder / "templates.npy").open("rb") as file:
            vectors = np.lib.format.read_array(file, allow_pickle=False)
        with (folder / "samples.jsonl").open(encoding="utf-8") as text:
            lines = [_sample(json.loads(line)) for line in text]
        wanted = (len(lines), card.dim)
        if vectors.shape != wanted or vectors.dtype != np.float32:
            got = f"{vectors.dtype} {vectors.shape}"
            raise ValueError(f"templates.npy holds {got}, not float32 {wanted}")
        if not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3):
            raise ValueError("templates.npy has rows that are not of norm 1")
    except BadInput as error:
        raise BadInput(f"{folder}: samples.jsonl: {error}", hint=error.hint) from error
    except _DAMAGED as error:
        raise BadInput(
            f"{folder} is not an exported gallery: {error}", hint="`siamkit export` writes one"
        ) from error
    return Export(card, lines, vectors)


_DAMAGED = (
    OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, EOFError,
)  # fmt: skip


def _card(data: dict[str, Any]) -> Card:
    if data["format"] != FORMAT:
        raise ValueError(f"format {data['format']} is not {FORMAT}")
    limit = data["threshold"]
    if limit is not None:
        limit = Threshold(
            _number(limit["value"], -1, 1),
            None if limit["fmr"] is None else _number(limit["fmr"], 0, 1),
            _text(limit["source"]),
        )
    return Card(
        name=_text(data["name"]),
        modality=_text(data["modality"]),
        encoder=None if data["encoder"] is None else _text(data["encoder"]),
        detector=None if data["detector"] is None else _text(data["detector"]),
        fingerprint=_text(data["fingerprint"]),
        dim=int(_number(data["dim"], 1, 1_000_000)),
        threshold=limit,
        calibration=_calibration(data),
    )


def _calibration(data: dict[str, Any]) -> Calibration | None:
    """What exports of galleries that were not calibrated, and older ones, do not have."""
    written = data.get("calibration")
    if written is None:
        return None
    found = from_json(json.dumps(written))
    if found.fingerprint != data["fingerprint"]:
        raise ValueError(f"its calibration is of another encoder, {found.fingerprint}")
    return found


def _sample(line: dict[str, Any]) -> NewSample:
    region = regions.to_json(regions.from_json(json.dumps(line["region"])))
    digest = bytes.fromhex(_text(line["digest"]))
    if len(digest) != 32:
        raise ValueError(f"digest {line['digest']} is not a SHA-256")
    return NewSample(
        identity=samples.checked_label(_text(line["identity"])),
        source=_text(line["source"]),
        digest=digest,
        region=region,
        quality=None if line["quality"] is None else _number(line["quality"], 0, 1),
        inline=_flag(line["inline"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    value.encode()  # half a surrogate pair cannot be stored
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return value


def _number(value: object, low: float, high: float) -> float:
    if not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{value!r} is not a number in {low} to {high}")
    return value
