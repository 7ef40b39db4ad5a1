"""Import: read the folder of an exported gallery, check every field, and store it."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from siamkit.errors import BadInput, EncoderMismatch, SiamkitError
from siamkit.flows.export import FORMAT
from siamkit.sdk import regions
from siamkit.stats.calibration_json import from_json
from siamkit.store import Store, galleries, live_index, samples
from siamkit.store.galleries import DEFAULT_INDEX, GalleryEncoder
from siamkit.store.samples import NewSample
from siamkit.types import Calibration, Threshold

log = logging.getLogger("siamkit")
BATCH = 10_000  # samples per transaction
_DAMAGED = (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Imported:
    """Outcome of an import."""

    gallery: str
    new: int  # samples that were added
    already: int  # samples that the gallery held before


@dataclass(frozen=True, slots=True, eq=False)
class Export:
    """An exported folder, every field checked."""

    name: str
    modality: str
    encoder: GalleryEncoder
    detector: str | None
    index: str
    samples: list[NewSample]
    vectors: np.ndarray  # (n, dim) float32, one per sample


def import_gallery(store: Store, exported: Export, name: str | None = None) -> Imported:
    """Add an export to a gallery, created if it is new. Samples it already holds are kept.

    name: None takes the name that was exported.
    Raises EncoderMismatch if the gallery exists and holds vectors of another encoder.
    """
    name, encoder = name or exported.name, exported.encoder
    if not galleries.exists(store, name):
        with suppress(galleries.GalleryExists):  # another process was first
            index = _installed_index(exported.index, name)
            detector = exported.detector
            galleries.create(
                store, name, exported.modality, encoder, detector=detector, index=index
            )
    gallery = galleries.get(store, name)
    if gallery.space.fingerprint != encoder.fingerprint:
        raise EncoderMismatch(
            f"gallery {name!r} holds templates of {gallery.space.fingerprint},"
            f" the export those of {encoder.fingerprint}",
            hint="give another name: `--as-gallery NAME`",
        )
    new = 0
    for start in range(0, len(exported.samples), BATCH):
        batch = exported.samples[start : start + BATCH]
        rows = exported.vectors[start : start + BATCH]
        ids = samples.add(store, gallery, encoder.fingerprint, batch, rows)
        new += sum(sample_id is not None for sample_id in ids)
    return Imported(gallery.name, new, len(exported.samples) - new)


def read_export(folder: Path) -> Export:
    """Read an exported folder. Raises BadInput, before anything is stored, if it is damaged."""
    try:
        fields = json.loads((folder / "gallery.json").read_text(encoding="utf-8"))
        if fields["format"] != FORMAT:
            raise ValueError(f"format {fields['format']} is not {FORMAT}")
        with (folder / "templates.npy").open("rb") as file:
            vectors = np.lib.format.read_array(file, allow_pickle=False)
        with (folder / "samples.jsonl").open(encoding="utf-8") as text:
            new_samples = [_sample(json.loads(line)) for line in text]
        exported = _export(fields, new_samples, vectors)
        shape = (len(new_samples), exported.encoder.dim)
        if vectors.shape != shape or vectors.dtype != np.float32:
            raise ValueError(
                f"templates.npy holds {vectors.dtype} {vectors.shape}, not float32 {shape}"
            )
        if not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3):
            raise ValueError("templates.npy has rows that are not of norm 1")
    except BadInput as error:
        raise BadInput(f"{folder}: samples.jsonl: {error}", hint=error.hint) from error
    except _DAMAGED as error:
        raise BadInput(
            f"{folder} is not an exported gallery: {error}", hint="`siamkit export` writes one"
        ) from error
    return exported


def _export(fields: dict[str, Any], new_samples: list[NewSample], vectors: np.ndarray) -> Export:
    return Export(
        name=_text(fields["name"]),
        modality=_text(fields["modality"]),
        encoder=GalleryEncoder(
            name=None if fields["encoder"] is None else _text(fields["encoder"]),
            fingerprint=_text(fields["fingerprint"]),
            dim=int(_number(fields["dim"], 1, 1_000_000)),
            threshold=_threshold(fields["threshold"]),
            calibration=_calibration(fields),
        ),
        detector=None if fields["detector"] is None else _text(fields["detector"]),
        index=_text(fields.get("index", DEFAULT_INDEX)),  # older exports have none
        samples=new_samples,
        vectors=vectors,
    )


def _installed_index(index: str, gallery: str) -> str:
    """Return the index of the export, or the default if it is not installed here."""
    try:
        live_index.load_backend(index)
    except SiamkitError as error:
        log.warning(f"{error}: gallery {gallery} uses {DEFAULT_INDEX} instead")
        return DEFAULT_INDEX
    return index


def _threshold(fields: dict[str, Any] | None) -> Threshold | None:
    if fields is None:
        return None
    return Threshold(
        _number(fields["value"], -1, 1),
        None if fields["fmr"] is None else _number(fields["fmr"], 0, 1),
        _text(fields["source"]),
    )


def _calibration(fields: dict[str, Any]) -> Calibration | None:
    """Read the calibration; None if the gallery was not calibrated, or the export is older."""
    data = fields.get("calibration")
    if data is None:
        return None
    calibration = from_json(json.dumps(data))
    if calibration.fingerprint != fields["fingerprint"]:
        raise ValueError(f"its calibration belongs to another encoder, {calibration.fingerprint}")
    return calibration


def _sample(line: dict[str, Any]) -> NewSample:
    region = regions.to_json(regions.from_json(json.dumps(line["region"])))
    digest = bytes.fromhex(_text(line["digest"]))
    if len(digest) != 32:
        raise ValueError(f"digest {line['digest']} is not a SHA-256")
    return NewSample(
        identity=samples.normalise_label(_text(line["identity"])),
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
