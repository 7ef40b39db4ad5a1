"""Read pictures with labelled boxes from a folder of Pascal VOC's XML, one file per picture."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from siamkit.errors import BadInput
from siamkit.io import foreign
from siamkit.io.folders import entries
from siamkit.io.labelled_boxes import (
    PICTURES,
    BoxedPicture,
    BoxedPictures,
    LabelledBox,
    find_picture,
    require_box,
    require_pictures,
)
from siamkit.io.sources import to_text
from siamkit.types import Box, Fault

ANNOTATIONS, IMAGES = "Annotations", ("JPEGImages", "images")
MAX_BYTES = 16 << 20  # of one XML file; a picture with a thousand objects has 300 KB
HINT = "VOC has an XML per picture: <annotation> with filename and objects of name and bndbox"


def list_annotations(folder: Path) -> list[Path]:
    """Return the XML files of a folder, or of its `Annotations`, by name; empty if none."""
    for place in (folder / ANNOTATIONS, folder):
        if place.is_dir():
            files = [path for path in entries(place) if path.suffix.lower() == ".xml"]
            if files:
                return files
    return []


def read_voc(folder: Path) -> BoxedPictures:
    """Read the XML files of a folder; pictures lie beside them, or in `JPEGImages` or `images`.

    A picture may also be named after its XML file. VOC's pixels count from 1 and a box contains
    its last ones: xmin = 1, xmax = 5 is 0 to 5 here. Raises BadInput if no picture can be used.
    """
    pictures: list[BoxedPicture] = []
    faults = []
    for path in list_annotations(folder):
        try:
            pictures.append(_read_file(path))
        except (BadInput, ValueError) as error:
            faults.append(Fault(str(error).removeprefix(f"{to_text(path)} "), to_text(path)))
    return require_pictures(to_text(folder), BoxedPictures(pictures, faults), HINT)


def _read_file(path: Path) -> BoxedPicture:
    content = foreign.read_bytes(path, MAX_BYTES)
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # Lookup: its encoding
        raise ValueError(f"is not XML: {error}") from error
    if root.tag != "annotation":
        raise ValueError(f"begins with <{root.tag}>, not <annotation>")
    boxes = tuple(
        LabelledBox(_text(item, "name"), _read_box(item.find("bndbox")))
        for item in root.iterfind("object")
    )
    return BoxedPicture(_find(path, root.findtext("filename")), boxes, _size(root))


def _find(path: Path, file_name: str | None) -> Path:
    """Return the picture of an XML file: the one that it names, or one of its own name."""
    above = path.parent.parent if path.parent.name == ANNOTATIONS else path.parent
    folders = [path.parent, *(above / name for name in IMAGES)]
    stated = [file_name.strip()] if file_name and file_name.strip() else []
    for name in [*stated, *(path.stem + suffix for suffix in PICTURES)]:
        try:
            return find_picture(name, folders)
        except ValueError:
            continue
    raise ValueError(f"there is no picture {(stated or [path.stem])[0]!r} beside it")


def _read_box(bounds: ElementTree.Element | None) -> Box:
    if bounds is None:
        raise ValueError("an object has no bndbox")
    try:
        sides = [float(_text(bounds, side)) for side in ("xmin", "ymin", "xmax", "ymax")]
    except ValueError as error:
        raise ValueError(f"a bndbox is not four numbers: {error}") from error
    return require_box((sides[0] - 1, sides[1] - 1, sides[2], sides[3]))


def _size(root: ElementTree.Element) -> tuple[int, int] | None:
    """Return the width and height that are stated; some programs write 0."""
    try:
        width, height = (int(root.findtext(f"size/{side}") or 0) for side in ("width", "height"))
    except ValueError:
        return None
    return (width, height) if width > 0 and height > 0 else None


def _text(item: ElementTree.Element, tag: str) -> str:
    text = (item.findtext(tag) or "").strip()
    if not text:
        raise ValueError(f"<{item.tag}> has no <{tag}>")
    return text
