"""Read the folder of an exported gallery: every field is checked before anything is stored.

Samples are read line by line, once to check them and again to store them: none stays in memory.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from siamkit.errors import BadInput
from siamkit.flows.export import FORMAT
from siamkit.host.contract import PLUGIN_NAME
from siamkit.io import foreign, npy
from siamkit.io.sources import to_text
from siamkit.sdk import masks, regions
from siamkit.sdk.model_folder import MAX_DIM
from siamkit.stats import calibration_json, find_calibration
from siamkit.stats.find_calibration import FindCalibration
from siamkit.store.galleries import DEFAULT_INDEX, GalleryEncoder, require_name
from siamkit.store.labels import normalise_label
from siamkit.store.samples import DIGEST_BYTES, NewSample
from siamkit.types import (
    Calibration,
    Progress,
    Region,
    Span,
    Threshold,
    Vectors,
    ignore_progress,
)

HINT = "`siamkit export` writes one"
CARD, TEMPLATES, SAMPLES = "gallery.json", "templates.npy", "samples.jsonl"
MAX_NAME = 200  # characters of a plugin's or encoder's name, and of a fingerprint
MAX_PLACE = 1e7  # px or s: no picture is larger, and no recording longer
KEY_BYTES = 16  # of a hash that tells samples apart
LINES_PER_STEP = 5_000  # between two reports of progress
MAX_POINTS = 10_000  # landmarks or parts of a region


@dataclass(frozen=True, slots=True, eq=False)
class Export:
    """An exported folder, every field checked."""

    name: str
    modality: str
    encoder: GalleryEncoder
    detector: str | None
    index: str
    find_calibrations: list[FindCalibration]
    folder: Path
    vectors: Vectors  # (n, dim) float32, one per sample, read from the file where they are used

    def samples(self) -> Iterator[NewSample]:
        """Read the n samples again, in order. Raises BadInput if the file has changed since."""
        path, count = self.folder / SAMPLES, 0
        for _, sample in _parse_lines(path):
            count += 1
            if count > len(self.vectors):
                break
            yield sample
        if count != len(self.vectors):
            raise _damaged(path, "it has changed while it was read")


def read_export(folder: Path, progress: Progress = ignore_progress) -> Export:
    """Read an exported folder. Raises BadInput, naming the file, if it is damaged."""
    card = foreign.read_json(folder / CARD, hint=HINT)
    vectors = foreign.open_npy(folder / TEMPLATES, hint=HINT)
    try:
        fields = _parse_card(card)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(folder / CARD, error) from error
    count = _check_samples(folder / SAMPLES, len(vectors) if vectors.ndim else 0, progress)
    shape = (count, fields["encoder"].dim)
    if vectors.shape != shape or vectors.dtype != np.float32:
        fault = f"it holds {vectors.dtype} {vectors.shape}, not float32 {shape}"
        raise _damaged(folder / TEMPLATES, fault)
    deviations = np.abs(npy.row_norms(vectors) - 1)
    if len(bad := np.flatnonzero(~(deviations <= npy.NORM_TOLERANCE))):
        raise _damaged(folder / TEMPLATES, f"row {bad[0]} is not of norm 1")
    return Export(**fields, folder=folder, vectors=vectors)


def _check_samples(path: Path, most: int, progress: Progress) -> int:
    """Check all samples, and count them. most: the number of templates, as more are a fault."""
    keys, numbers = bytearray(), array("Q")
    for number, sample in _parse_lines(path):
        if len(numbers) == most:
            raise _damaged(path, f"there are only {most:,} templates", f", line {number}")
        numbers.append(number)
        key = repr((sample.identity, sample.digest, sample.region))
        keys += blake2b(key.encode("utf-8", "backslashreplace"), digest_size=KEY_BYTES).digest()
        if len(numbers) % LINES_PER_STEP == 0:
            progress("checking", len(numbers), most)
    _, first = np.unique(np.frombuffer(keys, f"V{KEY_BYTES}"), return_index=True)
    if len(first) < len(numbers):
        is_repeated = np.ones(len(numbers), np.bool_)
        is_repeated[first] = False
        line = numbers[int(np.argmax(is_repeated))]
        raise _damaged(path, "an earlier line holds the same sample", f", line {line}")
    return len(numbers)


def _parse_lines(path: Path) -> Iterator[tuple[int, NewSample]]:
    for number, line in foreign.read_json_lines(path, hint=HINT):
        try:
            yield number, _parse_sample(line)
        except (BadInput, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _damaged(path, error, f", line {number}") from error


def _damaged(path: Path, error: Exception | str, where: str = "") -> BadInput:
    reason = f"there is no {error}" if isinstance(error, KeyError) else str(error)
    name = to_text(path.parent)
    return BadInput(f"{name} is not an exported gallery: {path.name}{where}: {reason}", hint=HINT)


def _parse_card(value: object) -> dict[str, Any]:
    card = foreign.require_object(value)
    if card["format"] != FORMAT:
        raise ValueError(f"format {card['format']!r} is not {FORMAT}")
    if not PLUGIN_NAME.fullmatch(_text(card["modality"])):
        raise ValueError(f"modality {card['modality'][:80]!r} is not a modality's name")
    try:
        require_name(_text(card["name"]))
    except BadInput as error:
        raise ValueError(str(error)) from error
    return {
        "name": card["name"],
        "modality": card["modality"],
        "encoder": GalleryEncoder(
            name=None if card["encoder"] is None else _text(card["encoder"], most=4096),
            fingerprint=_text(card["fingerprint"]),
            dim=_whole(card["dim"], 1, MAX_DIM),
            threshold=_threshold(card["threshold"]),
            calibration=_calibration(card),
        ),
        "detector": None if card["detector"] is None else _text(card["detector"]),
        "index": _text(card.get("index", DEFAULT_INDEX)),  # older exports have none
        "find_calibrations": _find_calibrations(card),
    }


def _threshold(value: object) -> Threshold | None:
    if value is None:
        return None
    fields = foreign.require_object(value)
    return Threshold(
        _number(fields["value"], -1, 1),
        None if fields["fmr"] is None else _number(fields["fmr"], 0, 1),
        _text(fields["source"], most=10_000),
    )


def _calibration(card: dict[str, Any]) -> Calibration | None:
    """Read the calibration; None if the gallery was not calibrated, or the export is older."""
    data = card.get("calibration")
    if data is None:
        return None
    calibration = calibration_json.from_dict(data)
    if calibration.fingerprint != card["fingerprint"]:
        raise ValueError(f"its calibration belongs to another encoder, {calibration.fingerprint}")
    return calibration


def _find_calibrations(card: dict[str, Any]) -> list[FindCalibration]:
    """Read the calibrations of searches in pictures; older exports have none."""
    searches = [find_calibration.from_dict(value) for value in card.get("find_calibrations", [])]
    for search in searches:
        if search.fingerprint != card["fingerprint"]:
            raise ValueError(f"a calibration belongs to another encoder, {search.fingerprint}")
    return searches


def _parse_sample(value: object) -> NewSample:
    line = foreign.require_object(value)
    digest = bytes.fromhex(_text(line["digest"]))
    if len(digest) != DIGEST_BYTES:
        raise ValueError(f"digest {line['digest']} is not a SHA-256")
    return NewSample(
        identity=normalise_label(_text(line["identity"], most=10_000)),
        source=_text(line["source"], most=foreign.MAX_LINE_BYTES),
        digest=digest,
        region=regions.to_json(_region(line["region"])),
        quality=None if line["quality"] is None else _number(line["quality"], 0, 1),
        inline=_flag(line["inline"]),
    )


def _region(value: object) -> Region:
    fields = foreign.require_object(value)
    where, landmarks, mask = (fields.get(name) for name in ("where", "landmarks", "mask"))
    return regions.snap(
        Region(
            where=None if where is None else _place(where),
            score=_number(fields["score"], 0, 1),
            mask=None if mask is None else masks.from_rle(foreign.require_object(mask)),
            landmarks=None if landmarks is None else np.array(_points(landmarks), np.float32),
            parts=tuple(_span(part) for part in _points(fields.get("parts", []))),
            label=_text(fields.get("label", "")),
        )
    )


def _place(where: list[Any]) -> Any:
    """Return a box or a span. Raises ValueError if it is empty."""
    if len(where) == 2:
        return _span(where)
    left, top, right, bottom = (_number(value, -MAX_PLACE, MAX_PLACE) for value in where)
    if not (left < right and top < bottom):
        raise ValueError(f"region {where} is empty")
    return left, top, right, bottom


def _span(values: Sequence[Any]) -> Span:
    start, stop = (_number(value, 0, MAX_PLACE) for value in values)
    if not start < stop:
        raise ValueError(f"region {values} is empty")
    return start, stop


def _points(values: list[Any]) -> list[tuple[float, float]]:
    if not isinstance(values, list) or len(values) > MAX_POINTS:
        raise TypeError(f"{str(values)[:80]} is not a list of up to {MAX_POINTS:,} points")
    return [
        (_number(x, -MAX_PLACE, MAX_PLACE), _number(y, -MAX_PLACE, MAX_PLACE)) for x, y in values
    ]


def _text(value: object, most: int = MAX_NAME) -> str:
    if not isinstance(value, str) or len(value) > most or "\0" in value:
        raise TypeError(f"{str(value)[:80]!r} is not a text of up to {most:,} characters")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{str(value)[:80]!r} is neither true nor false")
    return value


def _whole(value: object, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{str(value)[:80]!r} is not a whole number in {low} to {high:,}")
    return value


def _number(value: object, low: float, high: float) -> float:
    if type(value) not in (int, float) or not low <= float(value) <= high:  # type: ignore[arg-type]
        raise ValueError(f"{str(value)[:80]!r} is not a number in {low:g} to {high:g}")
    assert isinstance(value, int | float)
    return value
