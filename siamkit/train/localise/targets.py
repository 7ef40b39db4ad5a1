"""Choose what a localiser learns of each picture, and split pictures into two sides."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import BadInput
from siamkit.io.labelled_boxes import BoxedPicture
from siamkit.io.sources import to_text
from siamkit.sdk import boxes
from siamkit.store.labels import normalise_label
from siamkit.types import Box

VALIDATION = "validation"  # a split that a picture may state


@dataclass(frozen=True, slots=True)
class Target:
    """The object of a picture, of several the largest; an empty label if nothing is there."""

    label: str = ""
    box: Box = (0.0, 0.0, 0.0, 0.0)  # left, top, right, bottom as shares of the picture's sides
    objects: int = 0  # that are marked in the picture
    cut: int = 0  # boxes that reach out of the picture: only the part inside counts


@dataclass(frozen=True, slots=True)
class Row:
    """A picture that was read, with its target."""

    path: Path
    target: Target
    split: str | None
    digest: str  # of its pixels: copies of a picture go to one side

    @property
    def name(self) -> str:
        return to_text(self.path)


def choose_target(picture: BoxedPicture, width: int, height: int) -> Target:
    """Return the target of a decoded picture of width x height px.

    Raises BadInput for a box outside the picture, for a label that no detector can have, and if
    the annotations were made for a picture of another size.
    """
    if picture.size not in (None, (width, height)):
        raise BadInput(
            f"its annotations are for {picture.size[0]} x {picture.size[1]} px, but it has"
            f" {width} x {height}",
            hint="annotate the picture as it is, upright, or scale its boxes",
        )
    sides = (1, 1) if picture.relative else (width, height)
    cut, largest, target = 0, 0.0, Target(objects=len(picture.boxes))
    for labelled in picture.boxes:
        left, top, right, bottom = box = boxes.clip(labelled.box, *sides)
        area = (right - left) * (bottom - top)
        if area <= 0:
            text = ", ".join(f"{side:g}" for side in labelled.box)
            raise BadInput(f"its box ({text}) lies outside the picture, {width} x {height} px")
        cut += max(abs(a - b) for a, b in zip(box, labelled.box, strict=True)) > 0.01 * max(sides)
        if area > largest:
            shares = left / sides[0], top / sides[1], right / sides[0], bottom / sides[1]
            largest = area
            target = Target(normalise_label(labelled.label), shares, len(picture.boxes))
    return Target(target.label, target.box, target.objects, cut)


def split_rows(rows: Sequence[Row], share: float, seed: int) -> NDArray[np.bool_]:
    """Return (n,) True for the pictures to train on.

    Of each label, and of the pictures that show nothing, `share` goes to validation, of two or
    more at least one; the side that a picture states counts. Equal pictures are on one side. The
    draw depends on the seed and the pictures alone. Raises BadInput if no object is left to train
    on.
    """
    stated = any(row.split for row in rows)
    groups: dict[str, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        groups[row.target.label].append(number)
    training = np.ones(len(rows), bool)
    for members in groups.values():
        free = sorted((_lot(seed, rows[n].digest), n) for n in members if not rows[n].split)
        count = round(share * len(members))
        if share and len(members) > 1:
            count = max(1, count)
        if not stated:
            training[[n for _, n in free[:count]]] = False
    training[[n for n, row in enumerate(rows) if row.split == VALIDATION]] = False
    _keep_copies_together(rows, training)
    if not any(rows[n].target.label for n in np.flatnonzero(training).tolist()):
        raise BadInput(
            "no object is left to train on",
            hint="add pictures, or lower the share: `--set validation=0`",
        )
    return training


def _keep_copies_together(rows: Sequence[Row], training: NDArray[np.bool_]) -> None:
    """Move a validation picture to training if one equal to it is there."""
    trained = {rows[n].digest for n in np.flatnonzero(training).tolist()}
    for number in np.flatnonzero(~training).tolist():
        training[number] = rows[number].digest in trained


def _lot(seed: int, digest: str) -> bytes:
    return hashlib.sha256(f"{seed}\n{digest}".encode()).digest()


def target_notes(rows: Iterable[Row]) -> list[str]:
    """Describe the oddities of the targets, one line each."""
    targets = [row.target for row in rows]
    several = sum(target.objects > 1 for target in targets)
    cut = sum(target.cut for target in targets)
    notes = []
    if several:
        notes.append(
            f"{several:,} of {len(targets):,} pictures show several objects: the largest is learnt"
        )
    if cut:
        notes.append(f"{cut:,} boxes reach out of their pictures: the part inside counts")
    if all(target.label for target in targets):
        notes.append("every picture shows an object: a picture that shows none is never recognised")
    return notes
