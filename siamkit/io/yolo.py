"""Read pictures with labelled boxes from a folder for YOLO: `images`, `labels` and names.

Each `images/…/NAME.jpg` has a `labels/…/NAME.txt`: a line per object with its class and the centre,
width and height of its box, as shares of the picture's sides; or its outline, x and y in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput
from siamkit.io import foreign
from siamkit.io.folders import files_under
from siamkit.io.labelled_boxes import (
    PICTURES,
    BoxedPicture,
    BoxedPictures,
    LabelledBox,
    require_box,
    require_pictures,
)
from siamkit.io.sources import shorten, to_text
from siamkit.types import Fault

IMAGES, LABELS = "images", "labels"
NAME_FILES = ("data.yaml", "dataset.yaml", "classes.txt", "labels/classes.txt", "obj.names")
# Folders of a split, as `images/val` or `valid/images`; a test set is left to the user.
SPLITS = {"train": "train", **dict.fromkeys(("val", "valid", "validation"), "validation")}
TEST = "test"
SLACK = 1e-3  # by how much rounding may put a share outside [0, 1]
HINT = "YOLO has images/, labels/ with a .txt each, and data.yaml or classes.txt with the names"


def is_yolo(folder: Path) -> bool:
    """Return True for a folder with a file of names, and `images` in it or in a split's folder."""
    places = [folder, *(folder / split for split in (*SPLITS, TEST))]
    return any((place / IMAGES).is_dir() for place in places) and bool(_names_file(folder))


def read_yolo(folder: Path) -> BoxedPictures:
    """Read a folder. A picture without a label file, or with an empty one, shows nothing.

    Raises BadInput if the names cannot be read, or no picture can be used.
    """
    names = read_names(folder)
    pictures: list[BoxedPicture] = []
    faults: list[Fault] = []
    unlabelled = 0
    for path in files_under(folder):
        parts = path.relative_to(folder).parts[:-1]
        if IMAGES not in parts or path.suffix.lower() not in PICTURES or TEST in parts:
            continue
        place = len(parts) - 1 - parts[::-1].index(IMAGES)
        file = folder.joinpath(*parts[:place], LABELS, *parts[place + 1 :], f"{path.stem}.txt")
        split = next((SPLITS[part] for part in parts if part in SPLITS), None)
        unlabelled += not file.exists()
        boxes, own = _read_labels(file, names) if file.exists() else ([], [])
        faults += own
        if not own:
            pictures.append(BoxedPicture(path, tuple(boxes), None, True, split))
    notes = (f"{unlabelled:,} pictures have no label file: nothing there",) if unlabelled else ()
    read = BoxedPictures(pictures, faults, notes)
    return require_pictures(to_text(folder), read, HINT)


def read_names(folder: Path) -> list[str]:
    """Return the names of the classes in a folder for YOLO, in their order. Raises BadInput."""
    path = _names_file(folder)
    if path is None:
        raise BadInput(f"{to_text(folder)} has neither data.yaml nor classes.txt", hint=HINT)
    text = foreign.read_text(path, hint=HINT)
    if path.suffix != ".yaml":
        return [line.strip() for line in text.splitlines() if line.strip()]
    import yaml

    try:
        document = yaml.safe_load(text)
        names = document.get("names") if isinstance(document, dict) else None
        if isinstance(names, dict):
            names = [names[number] for number in range(len(names))]
    except (yaml.YAMLError, KeyError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise BadInput(f"{to_text(path)} cannot be read: {reason}", hint=HINT) from error
    if not isinstance(names, list) or not names:
        raise BadInput(f"{to_text(path)} has no list of names", hint="names: [cat, dog]")
    return [str(name) for name in names]


def _names_file(folder: Path) -> Path | None:
    return next((folder / name for name in NAME_FILES if (folder / name).is_file()), None)


def _read_labels(path: Path, names: Sequence[str]) -> tuple[list[LabelledBox], list[Fault]]:
    boxes, faults = [], []
    try:
        lines = foreign.read_text(path).splitlines()
    except BadInput as error:
        return [], [Fault(str(error))]
    for number, line in enumerate(lines, 1):
        try:
            if line.strip():
                boxes.append(_read_line(line.split(), names))
        except ValueError as error:
            faults.append(Fault(str(error), f"{to_text(path)}, line {number}"))
    return boxes, faults


def _read_line(fields: list[str], names: Sequence[str]) -> LabelledBox:
    if len(fields) != 5 and (len(fields) < 7 or not len(fields) % 2):
        raise ValueError(f"{len(fields)} numbers are neither a box nor an outline")
    number = _parse(int, fields[0], "a class")
    if not 0 <= number < len(names):
        raise ValueError(f"class {number}, and there are {len(names)} names, from 0")
    shares = [_parse(float, field, "a number") for field in fields[1:]]
    outside = [share for share in shares if not -SLACK <= share <= 1 + SLACK]
    if outside:
        raise ValueError(f"{outside[0]:g} is not in [0, 1]: a share of the picture's side")
    if len(shares) == 4:
        x, y, width, height = shares
        sides = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    else:
        sides = (min(shares[::2]), min(shares[1::2]), max(shares[::2]), max(shares[1::2]))
    return LabelledBox(names[number], require_box(sides))


def _parse(kind: Any, text: str, noun: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"{shorten(text)!r} is not {noun}") from None
