"""Prepare pictures with boxes as one array on disk: read, check, stretch and split them.

A prepared run folder holds `arrays.npy` and `data.json`. The latter is written last: if it is
there, the arrays are complete.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from siamkit.embed.region_choosers import name_sample
from siamkit.errors import BadInput, NothingFound, SiamkitError
from siamkit.io import foreign
from siamkit.io.labelled_boxes import BoxedPicture, BoxedPictures
from siamkit.io.sources import read, to_text
from siamkit.sdk import threads
from siamkit.sdk.media import load_image
from siamkit.train.arrays import write_arrays
from siamkit.train.data import MAX_FACTS_BYTES
from siamkit.train.folder import ARRAYS, FACTS, replacing
from siamkit.train.localise.config import LocaliserConfig
from siamkit.train.localise.targets import Row, choose_target, split_rows, target_notes
from siamkit.train.threads import map_ahead
from siamkit.types import Progress

NOTHING = -1  # label of a picture that shows none of the objects
log = logging.getLogger("siamkit")
_Loaded: TypeAlias = "tuple[Row, NDArray[np.uint8]] | SiamkitError"


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Training and validation pictures with their targets."""

    arrays: NDArray[np.uint8]  # (n, size, size, 3) RGB; mapped from the disk
    labels: NDArray[np.int64]  # (n,) into names, or NOTHING
    boxes: NDArray[np.float32]  # (n, 4) left, top, right, bottom as shares of the sides
    training: NDArray[np.bool_]  # (n,) False for the validation pictures
    names: list[str]  # of the labels
    sources: list[str]  # (n,) paths


@dataclass(frozen=True, slots=True, eq=False)
class PreparedPictures:
    """Pictures, and remarks on those that they were prepared from."""

    dataset: Pictures
    faults: list[str]  # one line per item that could not be used, with the reason
    notes: list[str]  # one line per other oddity that people should know
    digest: str  # of all that the arrays depend on


def stretch(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return a picture of size x size px, (size, size, 3), as the detector will see it."""
    import cv2

    stretched: Any = cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(stretched, np.uint8)


def prepare(
    boxed: BoxedPictures, config: LocaliserConfig, run: Path, progress: Progress
) -> PreparedPictures:
    """Read every picture into the existing folder `run`, unless they are there already.

    Items that cannot be used become faults. Raises NothingFound if no picture can be used, BadInput
    if no object is left to train on.
    """
    digest = _digest(boxed.pictures, config)
    if (earlier := load(run)) and earlier.digest == digest:
        return earlier
    (run / FACTS).unlink(missing_ok=True)
    faults = [str(fault) for fault in boxed.faults]
    pictures = sorted(boxed.pictures, key=lambda picture: to_text(picture.path))
    workers = threads.workers()
    load_one = partial(_load_picture, size=config.size)
    loaded = map_ahead(load_one, pictures, workers=workers, ahead=4 * workers)
    usable = _usable(loaded, len(pictures), faults, progress)
    rows: list[Row] = write_arrays(run / ARRAYS, usable, "siamkit")
    if not rows:
        raise NothingFound(
            f"none of {len(pictures):,} pictures can be used; the first: {faults[0]}"
        )
    training = split_rows(rows, config.validation, config.seed)
    facts, untrained = _row_facts(rows, training)
    notes = [*boxed.notes, *target_notes(rows)]
    if untrained:
        notes.append(f"{untrained:,} pictures for validation show nothing that is trained on")
    for note in notes:
        log.warning(note)
    facts |= {"digest": digest, "faults": faults, "notes": notes}
    with replacing(run / FACTS) as temporary:
        temporary.write_text(json.dumps(facts), encoding="utf-8")
    prepared = load(run)
    assert prepared is not None  # it was written just now
    return prepared


def _row_facts(rows: Sequence[Row], training: NDArray[np.bool_]) -> tuple[dict[str, Any], int]:
    """Return the facts of the rows, and how many have a label that is not trained on.

    To those nothing is there: none of the labels that the localiser knows.
    """
    names = sorted({rows[n].target.label for n in np.flatnonzero(training).tolist()} - {""})
    numbers = {name: number for number, name in enumerate(names)}
    facts = {
        "names": names,
        "labels": [numbers.get(row.target.label, NOTHING) for row in rows],
        "boxes": [row.target.box for row in rows],
        "training": training.tolist(),
        "sources": [row.name for row in rows],
    }
    return facts, sum(row.target.label not in {"", *names} for row in rows)


def load(run: Path) -> PreparedPictures | None:
    """Load what `prepare` wrote to a run folder; None if it is absent or incomplete."""
    try:
        facts = _read_facts(run)
        dataset = Pictures(
            foreign.open_npy(run / ARRAYS),
            np.array(facts["labels"], np.int64),
            np.array(facts["boxes"], np.float32).reshape(-1, 4),
            np.array(facts["training"], np.bool_),
            facts["names"],
            facts["sources"],
        )
        per_row = dataset.labels, dataset.boxes, dataset.training, dataset.sources
        if any(len(values) != len(dataset.arrays) for values in per_row):
            return None
        if not set(dataset.labels.tolist()) <= {NOTHING, *range(len(dataset.names))}:
            return None
        return PreparedPictures(dataset, facts["faults"], facts["notes"], facts["digest"])
    except (BadInput, ValueError, KeyError, TypeError, OverflowError):
        return None


def _read_facts(run: Path) -> dict[str, Any]:
    return foreign.require_object(foreign.read_json(run / FACTS, MAX_FACTS_BYTES))


def _load_picture(picture: BoxedPicture, size: int) -> _Loaded:
    """Read and check one picture. Raises nothing."""
    name = to_text(picture.path)
    try:
        content = read(picture.path)
        assert isinstance(content.data, bytes)
        try:
            pixels = load_image(content.data).pixels
            height, width = pixels.shape[:2]
            target = choose_target(picture, width, height)
        except SiamkitError as error:
            raise name_sample(name, error) from error
        array = stretch(pixels, size)
        digest = hashlib.sha256(array.tobytes()).hexdigest()
        return Row(picture.path, target, picture.split, digest), array
    except SiamkitError as error:
        return error


def _usable(
    loaded: Iterable[_Loaded], total: int, faults: list[str], progress: Progress
) -> Iterator[tuple[Row, NDArray[np.uint8]]]:
    for done, item in enumerate(loaded, 1):
        progress("preparing", done, total)
        if isinstance(item, SiamkitError):
            faults.append(str(item))
        else:
            yield item


def _digest(pictures: Sequence[BoxedPicture], config: LocaliserConfig) -> str:
    """Hash all that the arrays depend on (SHA-256); of a file: name, size and time of change."""
    digest = hashlib.sha256(json.dumps([config.size, config.validation, config.seed]).encode())
    for picture in sorted(pictures, key=lambda picture: to_text(picture.path)):
        try:
            state = picture.path.stat()
            changed = f"{state.st_size} {state.st_mtime_ns}"
        except (OSError, ValueError):
            changed = "absent"
        boxes = [(labelled.label, labelled.box) for labelled in picture.boxes]
        line = [to_text(picture.path), changed, boxes, picture.size, picture.split]
        digest.update(json.dumps(line).encode())
    return digest.hexdigest()
