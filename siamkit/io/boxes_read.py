"""Read pictures with labelled boxes: COCO JSON, Pascal VOC, YOLO, or a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from siamkit.errors import BadInput
from siamkit.io.absent import hint_for_absent
from siamkit.io.coco_read import read_coco
from siamkit.io.labelled_boxes import (
    BoxedPicture,
    BoxedPictures,
    LabelledBox,
    require_box,
    require_pictures,
)
from siamkit.io.sources import shorten, to_text
from siamkit.io.table_read import open_table
from siamkit.io.table_record import list_columns, parse_each
from siamkit.io.table_values import MISSING, as_number, as_text, plain_text
from siamkit.io.voc import list_annotations, read_voc
from siamkit.io.yolo import is_yolo, read_yolo
from siamkit.types import Fault

SIDES = ("left", "top", "right", "bottom")
COLUMNS = ("image", "label", *SIDES)
SPLITS = {"train": "train", "validation": "validation", "val": "validation", "": None}
KINDS = (
    "give a COCO .json, a folder of VOC's XML, a folder for YOLO (images, labels, data.yaml), or"
    " a table with the columns image,label,left,top,right,bottom"
)
_Row: TypeAlias = tuple[Path, LabelledBox | None, str | None]


def read_boxed_pictures(
    origin: str | Path, *, table: str | None = None, encoding: str | None = None
) -> BoxedPictures:
    """Read pictures with labelled boxes; the format shows by itself, see KINDS.

    table: of a database, or a sheet. encoding: of a table that is not UTF-8. Raises BadInput for
    anything else, and if no picture can be used.
    """
    path = Path(origin)
    if not path.exists():
        hint = hint_for_absent(path) or KINDS
        raise BadInput(f"{to_text(path)} is neither a folder nor a file", hint=hint)
    if path.suffix.lower() == ".json" and path.is_file():
        return read_coco(path)
    if path.is_file():
        return read_box_table(path, table=table, encoding=encoding)
    if is_yolo(path):
        return read_yolo(path)
    if list_annotations(path):
        return read_voc(path)
    raise BadInput(
        f"{to_text(path)} has neither XML as VOC's nor images and labels as YOLO's", hint=KINDS
    )


def read_box_table(
    path: Path, *, table: str | None = None, encoding: str | None = None
) -> BoxedPictures:
    """Read a table with a row per object: image, label, left, top, right, bottom, in px.

    Paths are relative to the table. An empty label and box: nothing is in the picture. An optional
    column split is train, validation, val or empty. Raises BadInput if no row can be used.
    """
    with open_table(path, table=table, plain=".csv", encoding=encoding) as opened:
        absent = [name for name in COLUMNS if opened.has_header and opened.find(name) is None]
        if absent:
            raise BadInput(
                f"{opened.name} has the columns {list_columns(opened.columns)}",
                hint=f"its first line must name {', '.join(COLUMNS)}",
            )
        spoilt: set[Path] = set()  # pictures of which a row has a fault

        def read_row(values: dict[str, Any]) -> _Row:
            image, fault = as_text(values["image"])
            if fault:
                raise ValueError(f"its image {fault}")
            try:
                return path.parent / image, *_read_target(values)
            except ValueError:
                spoilt.add(path.parent / image)
                raise

        records, hint = opened.read(*COLUMNS, "split"), "a label needs a box, and a box a label"
        rows, faults = parse_each(records, read_row, opened.name, hint)
    by_image: dict[Path, list[_Row]] = {}
    for row in rows:
        if row[0] not in spoilt:
            by_image.setdefault(row[0], []).append(row)
    pictures = []
    for image, own in by_image.items():
        try:
            pictures.append(_join_rows(image, own))
        except ValueError as error:
            faults.append(Fault(str(error), to_text(image)))
    return require_pictures(to_text(path), BoxedPictures(pictures, faults), KINDS)


def _join_rows(image: Path, rows: list[_Row]) -> BoxedPicture:
    boxes = tuple(box for _, box, _ in rows if box is not None)
    splits = {split for _, _, split in rows}
    if 0 < len(boxes) < len(rows):
        raise ValueError("one row says that nothing is there, and another has a box")
    if len(splits) > 1:
        raise ValueError("its rows state two splits")
    return BoxedPicture(image, boxes, split=splits.pop())


def _read_target(values: Mapping[str, Any]) -> tuple[LabelledBox | None, str | None]:
    """Return the object and the split of a row. Raises ValueError."""
    split = (plain_text(values["split"]) or "").strip().lower()
    if split not in SPLITS:
        raise ValueError(f"split is {shorten(split)!r}, not one of train, validation, val")
    sides = [values[side] for side in SIDES]
    empty = [_is_empty(value) for value in (values["label"], *sides)]
    if all(empty):
        return None, SPLITS[split]
    label, fault = as_text(values["label"])
    if fault:
        raise ValueError(f"its label {fault}, but it has a box")
    if any(empty):
        raise ValueError(f"its label is {shorten(label)!r}, but its box is not complete")
    box = require_box(map(as_number, sides))
    return LabelledBox(label, box), SPLITS[split]


def _is_empty(value: Any) -> bool:
    text = plain_text(value)
    return value is None or (text is not None and (not text.strip() or text.strip() in MISSING))
