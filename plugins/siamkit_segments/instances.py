"""The region detector `instances`: each object, or what a prompt marks, with a mask."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any

from siamkit.sdk import prompts
from siamkit.types import Image, Prompt, Region

if TYPE_CHECKING:
    from siamkit.protocols import Detector
    from siamkit_segments.cutter import Cutter

WEAKEST = 0.05  # score of `objects` that still says how large the object at a point may be


class Instances:
    """The objects of 80 classes that `objects` finds, each with its label, score and mask.

    Its box is that of its mask: within the box of `objects`, and tight.
    """

    name = "instances"
    kind = "image"

    @cached_property
    def _objects(self) -> Any:
        from siamkit_objects import Objects

        return Objects()

    @cached_property
    def _weak(self) -> Any:
        return self._objects.with_min_score(WEAKEST)

    @cached_property
    def _cutter(self) -> Cutter:
        from siamkit_segments.cutter import Cutter

        return Cutter()

    @property
    def labels(self) -> Sequence[str]:
        """The 80 labels."""
        labels: Sequence[str] = self._objects.labels
        return labels

    @property
    def min_score(self) -> float:
        """The score of `objects` below which nothing is reported."""
        return float(self._objects.min_score)

    def with_min_score(self, score: float) -> Detector[Image]:
        """Return a detector that reports objects of that score or higher; it shares the networks.

        Raises BadInput unless the score is in [0, 1].
        """
        changed = copy(self)
        changed.__dict__.update(_objects=self._objects.with_min_score(score), _cutter=self._cutter)
        return changed

    def find(self, medium: Image) -> list[Region]:
        """Return one region per object, with its mask, best first; [] if there is none."""
        regions = []
        for thing in self._objects.find(medium):
            region = self._cutter.cut_box(
                medium.pixels, thing.where, score=thing.score, label=thing.label
            )
            regions += [region] if region else []
        return regions

    def find_prompted(self, medium: Image, prompt: Prompt) -> list[Region]:
        """Return the object that a prompt marks, with its mask, in a tight box; [] if none.

        Its score is the IoU that the network expects of its mask; it has a label if a point is on
        what `objects` finds. Raises BadInput for a prompt outside the picture.
        """
        prompts.require_inside(prompt, *medium.pixels.shape[1::-1])
        proposals = [] if prompt.box else self._weak.find(medium)
        region = self._cutter.cut_marked(medium.pixels, prompt, proposals)
        return [region] if region else []
