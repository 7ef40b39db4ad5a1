"""The region detector `objects`: 80 classes of everyday things."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.sdk.detector_folder import read_card
from siamkit.types import Image, Region
from siamkit_objects.origins import ORIGINS

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
    origins: Mapping[str, str] = {name: origin.description for name, origin in ORIGINS.items()}

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

    def add(self, origin: str, model: str, folder: Path, *, labels: Path | None = None) -> None:
        """Write the detector folder of another model.

        Raises BadInput, MissingWeights, or PluginError if it finds other regions than the original.
        """
        module, _, function = ORIGINS[origin].exporter.partition(":")
        getattr(import_module(module), function)(model, folder, labels)

    def open(self, folder: Path) -> FolderDetector:
        """Open a detector folder. Raises MissingWeights if it is absent, damaged or misfit."""
        from siamkit_objects.folder import FolderDetector

        return FolderDetector(folder)

    @cached_property
    def _detector(self) -> FolderDetector:
        return self.open(FOLDER)
