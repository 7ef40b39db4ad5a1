"""The region detector `objects`: 80 classes of everyday things."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from siamkit.sdk.detector_folder import read_card
from siamkit.types import Image, Region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from siamkit_objects.folder import FolderDetector

FOLDER = Path(__file__).with_name("detector")  # made by tools/object_detector.py


class Objects:
    """People, animals, vehicles, furniture, food …: the 80 classes of COCO, a box and a label each.

    SSDLite-MobileNetV2 (M. Sandler et al., CVPR 2018) on the whole picture, shrunk to 300 x 300 px:
    what is smaller than a twentieth of the picture is seldom found. `with_min_score(0.02)` gives
    proposals.
    """

    name = "objects"
    kind = "image"
    origins: ClassVar = {"onnx": "the file of a YOLO export"}

    @cached_property
    def labels(self) -> Sequence[str]:
        """The 80 labels."""
        return read_card(FOLDER).labels

    @cached_property
    def min_score(self) -> float:
        """The score below which nothing is reported."""
        return read_card(FOLDER).min_score

    def find(self, medium: Image) -> list[Region]:
        """Return one region per object, best first; [] if there is none."""
        return self._detector.find(medium)

    def with_min_score(self, score: float) -> FolderDetector:
        """Return a detector that reports objects of that score or higher."""
        return self._detector.with_min_score(score)

    def open(self, folder: Path) -> FolderDetector:
        """Open a detector folder. Raises MissingWeights if it is absent, damaged or misfit."""
        from siamkit_objects.folder import FolderDetector

        return FolderDetector(folder)

    def add(self, origin: str, model: str, folder: Path, *, labels: Path | None = None) -> None:
        """Write the detector folder of another model: see siamkit.protocols.AddsDetectors."""
        from siamkit_objects.yolo_files import write_yolo_folder

        write_yolo_folder(Path(model), folder, labels)

    @cached_property
    def _detector(self) -> FolderDetector:
        return self.open(FOLDER)
