"""Pictures whose content is known: a folder without anything enrolled, or a COCO JSON."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from siamkit.errors import BadInput
from siamkit.io.coco_read import read_coco
from siamkit.io.folders import files_under
from siamkit.io.labelled_boxes import LabelledBox
from siamkit.io.sources import shorten, to_text
from siamkit.store.labels import normalise_label
from siamkit.types import Fault

NAMED = 5  # labels in a message


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """A picture, and the box of every enrolled thing that it shows, labelled by identity."""

    path: Path
    things: tuple[LabelledBox, ...] = ()


def read_pictures(
    origin: Path, enrolled: Collection[str], report_fault: Callable[[Fault], None]
) -> list[LabelledPicture]:
    """Read a folder of pictures without anything enrolled, or a COCO JSON.

    enrolled: identities. The categories of a JSON are identities; what belongs to another category
    is not enrolled. Raises BadInput for a JSON whose labels are all of that kind, since they may be
    spelled otherwise, and for a folder without a file.
    """
    name = to_text(origin)
    if origin.is_dir():
        if pictures := [LabelledPicture(path) for path in files_under(origin)]:
            return pictures
        raise BadInput(f"there is no picture in {name}")
    document = read_coco(origin)
    for fault in document.faults:
        report_fault(fault)
    labels = {box.label for picture in document.pictures for box in picture.boxes}
    identities = {label: normalise_label(label) for label in labels}
    if labels and not any(identity in enrolled for identity in identities.values()):
        raise BadInput(
            f"no category of {name} is enrolled: {_list(labels)}",
            hint=f"name categories as identities are named: {_list(enrolled)}",
        )
    return [
        LabelledPicture(
            picture.path,
            tuple(
                LabelledBox(identities[box.label], box.box)
                for box in picture.boxes
                if identities[box.label] in enrolled
            ),
        )
        for picture in document.pictures
    ]


def _list(labels: Collection[str]) -> str:
    names = sorted(labels)[:NAMED]
    more = f" and {len(labels) - NAMED:,} more" if len(labels) > NAMED else ""
    return shorten(", ".join(names) + more)
