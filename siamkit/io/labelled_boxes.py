"""Pictures with labelled boxes, as every reader of annotations returns them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from siamkit.errors import BadInput
from siamkit.io.sources import to_text
from siamkit.types import Box, Fault

# Suffixes of the pictures that lie beside annotations, of which the first that exists is taken.
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".heic", ".avif")


@dataclass(frozen=True, slots=True)
class LabelledBox:
    """One object of a picture."""

    label: str
    box: Box  # px, or shares of the picture's sides if `BoxedPicture.relative`


@dataclass(frozen=True, slots=True)
class BoxedPicture:
    """A picture file with all objects that are marked in it; without any, nothing is there."""

    path: Path
    boxes: tuple[LabelledBox, ...]
    size: tuple[int, int] | None = None  # width and height that the annotations state
    relative: bool = False
    split: str | None = None  # "train" or "validation", if the annotations say so


@dataclass(frozen=True, slots=True)
class BoxedPictures:
    """The usable pictures of a set, and a fault per item that is not.

    A picture is left out if any of its boxes has a fault: what else it shows is not known then.
    """

    pictures: list[BoxedPicture]
    faults: list[Fault]
    notes: tuple[str, ...] = ()  # oddities of the set that people should know


def require_box(sides: Iterable[float]) -> Box:
    """Return left, top, right and bottom. Raises ValueError for a box without area."""
    left, top, right, bottom = (float(side) for side in sides)
    text = ", ".join(f"{side:g}" for side in (left, top, right, bottom))
    if not all(map(math.isfinite, (left, top, right, bottom))):
        raise ValueError(f"its box ({text}) is not four numbers")
    if left >= right or top >= bottom:
        raise ValueError(f"its box ({text}) has no area")
    return left, top, right, bottom


def find_picture(name: str, folders: Sequence[Path]) -> Path:
    """Return the file of this name in the first folder that has it. Raises ValueError if none."""
    relative = name.replace("\\", os.sep)
    for folder in folders:
        path = folder / relative
        try:
            if path.is_file():
                return path
        except (OSError, ValueError):  # a NUL byte, or a name that is too long
            break
    looked = ", ".join(dict.fromkeys(to_text(folder) for folder in folders))
    raise ValueError(f"there is no such picture in {looked}")


def require_pictures(name: str, pictures: BoxedPictures, hint: str) -> BoxedPictures:
    """Return the pictures. Raises BadInput, with the first faults, if there is none."""
    if pictures.pictures:
        return pictures
    faults = pictures.faults
    listed = "; ".join(str(fault) for fault in faults[:5])
    more = f"; … and {len(faults) - 5:,} more" if len(faults) > 5 else ""
    reason = f": {listed}{more}" if faults else ""
    raise BadInput(f"{name} holds no usable picture{reason}", hint=hint)
