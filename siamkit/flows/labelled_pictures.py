"""Pictures whose content is known: a folder without anything enrolled."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from siamkit.errors import BadInput
from siamkit.io.folders import files_under
from siamkit.io.sources import to_text
from siamkit.types import Box, Fault


@dataclass(frozen=True, slots=True)
class LabelledBox:
    """An enrolled thing in a picture."""

    label: str
    box: Box


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """A picture, and the box of every enrolled thing that it shows, labelled by identity."""

    path: Path
    things: tuple[LabelledBox, ...] = ()


def read_pictures(
    origin: Path, enrolled: Collection[str], report_fault: Callable[[Fault], None]
) -> list[LabelledPicture]:
    """Read a folder of pictures without anything enrolled. Raises BadInput for anything else."""
    if not origin.is_dir():
        raise BadInput(f"{to_text(origin)} is not a folder of pictures")
    if pictures := [LabelledPicture(path) for path in files_under(origin)]:
        return pictures
    raise BadInput(f"there is no picture in {to_text(origin)}")
