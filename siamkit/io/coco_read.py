"""Read pictures with labelled boxes from a COCO JSON (https://cocodataset.org/#format-data)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput
from siamkit.io import foreign
from siamkit.io.labelled_boxes import (
    BoxedPicture,
    BoxedPictures,
    LabelledBox,
    find_picture,
    require_box,
    require_pictures,
)
from siamkit.io.sources import shorten, to_text
from siamkit.types import Fault

MAX_BYTES = 512 << 20  # COCO's own instances_train2017.json has 448 MB
HINT = "COCO JSON has lists of images, annotations and categories"


@dataclass(slots=True)
class _Objects:
    """The annotations of one image."""

    boxes: list[LabelledBox] = field(default_factory=list)
    crowds: int = 0  # boxes around many objects
    faults: int = 0


def read_coco(path: Path) -> BoxedPictures:
    """Read a COCO JSON; each `file_name` is looked for beside it, in `images/`, and as COCO does.

    Boxes of a crowd mark no single object: a picture that has nothing else is left out. Raises
    BadInput for another JSON, and if no picture can be used.
    """
    name = to_text(path)
    try:
        document = foreign.require_object(
            foreign.read_json(path, MAX_BYTES, hint=HINT), "images", "annotations", "categories"
        )
        if not all(isinstance(document[key], list) for key in ("images", "annotations")):
            raise ValueError("images or annotations is not a list")
        labels = {_whole(item, "id"): _text(item, "name") for item in document["categories"]}
    except (ValueError, TypeError) as error:
        raise BadInput(f"{name} is not COCO JSON: {error}", hint=HINT) from error
    objects, faults = _read_annotations(document["annotations"], labels)
    listed: set[int] = set()
    pictures = []
    for number, item in enumerate(document["images"], 1):
        where = f"image {number:,}"
        try:
            file_name = _text(item, "file_name")
            where = shorten(file_name)
            image = _whole(item, "id")
            if image in listed:
                raise ValueError(f"its id {image} is that of an earlier image")
            listed.add(image)
            source = find_picture(file_name, _folders(path))
            own = objects.get(image, _Objects())
            if own.crowds and not own.boxes:
                raise ValueError("only a crowd is marked in it")
            if not own.faults:  # else they are reported already
                pictures.append(BoxedPicture(source, tuple(own.boxes), _size(item)))
        except ValueError as error:
            faults.append(Fault(str(error), where))
    faults += [
        Fault("it has annotations, but is not among the images", f"image id {image}")
        for image in sorted(objects.keys() - listed)
    ]
    return require_pictures(name, BoxedPictures(pictures, faults), HINT)


def _read_annotations(
    annotations: list[Any], labels: dict[int, str]
) -> tuple[dict[int, _Objects], list[Fault]]:
    """Return the objects of each image by its id, and a fault per annotation without a box."""
    objects: dict[int, _Objects] = {}
    faults = []
    for number, item in enumerate(annotations, 1):
        where, own = f"annotation {number:,}", None
        try:
            image = _whole(item, "image_id")
            where += f" (image id {image})"
            own = objects.setdefault(image, _Objects())
            if item.get("iscrowd"):
                own.crowds += 1
                continue
            category = _whole(item, "category_id")
            if category not in labels:
                raise ValueError(f"its category {category} is not among the categories")
            own.boxes.append(LabelledBox(labels[category], _read_bbox(item.get("bbox"))))
        except ValueError as error:
            faults.append(Fault(str(error), where))
            if own is not None:
                own.faults += 1
    return objects, faults


def _read_bbox(bbox: Any) -> tuple[float, float, float, float]:
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(map(_is_number, bbox)):
        raise ValueError(f"its bbox {shorten(str(bbox))} is not [left, top, width, height]")
    left, top, width, height = bbox
    return require_box((left, top, left + width, top + height))


def _folders(path: Path) -> list[Path]:
    """List where pictures may lie: COCO keeps `annotations/instances_S.json` beside `S/`."""
    split = path.stem.removeprefix("instances_")
    roots = (
        [path.parent, path.parent.parent] if path.parent.name == "annotations" else [path.parent]
    )
    return [root / part for root in roots for part in ("", "images", split, f"images/{split}")]


def _size(item: dict[str, Any]) -> tuple[int, int] | None:
    width, height = item.get("width"), item.get("height")
    if type(width) is type(height) is int and width > 0 and height > 0:
        return width, height
    return None


def _whole(item: Any, key: str) -> int:
    """Return a whole number of a JSON object. Raises ValueError if it is anything else."""
    value = foreign.require_object(item, key)[key]
    if type(value) is not int:
        raise ValueError(f"its {key} {shorten(str(value))!r} is not a whole number")
    return value


def _text(item: Any, key: str) -> str:
    value = foreign.require_object(item, key)[key]
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"its {key} {shorten(str(value))!r} is not a name")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
