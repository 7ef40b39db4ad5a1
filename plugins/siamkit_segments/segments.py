"""The region detector `segments`: everything in a picture, or what points and a box mark."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from siamkit.sdk import boxes
from siamkit.sdk.added_detectors import folders_of_family
from siamkit.types import Image, Prompt, Region
from siamkit_segments.instances import Instances
from siamkit_segments.salient import Salient

SAM = "sam"  # the family of detector folders that take over, if one was added
WEAKEST = 0.1  # score of `objects` that still counts: a segment needs no sure label
SAME = 0.7  # IoU of two masks from which the weaker one repeats the other
COMMON = 0.5  # IoU of their boxes below which masks are not compared


class Segments:
    """Everything that can be cut out of a picture, and whatever a prompt marks, with masks.

    A SAM network that was added (`siamkit detectors add sam transformers:MODEL`) does both, the
    first by name if there are several. Without one, everything is what `instances` and `salient`
    find: objects of 80 classes, weak ones too, and what stands out. Prompts then go to the mask
    network of `instances`.
    """

    name = "segments"
    kind = "image"

    def __init__(self) -> None:
        self._sam: tuple[Path, Any] | None = None

    @cached_property
    def _instances(self) -> Instances:
        return Instances()

    @cached_property
    def _weak(self) -> Any:
        return self._instances.with_min_score(WEAKEST)

    @cached_property
    def _salient(self) -> Salient:
        return Salient()

    def find(self, medium: Image) -> list[Region]:
        """Return one region per segment, with its mask, best first; [] if there is none."""
        if (sam := self._added_sam()) is not None:
            regions: list[Region] = sam.find(medium)
            return regions
        both = [*self._weak.find(medium), *self._salient.find(medium)]  # the label is kept
        distinct = _distinct(both, *medium.pixels.shape[1::-1])
        return sorted(distinct, key=lambda region: -region.score)

    def find_prompted(self, medium: Image, prompt: Prompt) -> list[Region]:
        """Return what a prompt marks, with masks, best first; [] if nothing.

        Raises BadInput for a prompt outside the picture.
        """
        sam = self._added_sam() or self._instances
        regions: list[Region] = sam.find_prompted(medium, prompt)
        return regions

    def _added_sam(self) -> Any:
        """Return the added SAM detector, open, or None. Raises MissingWeights if it is damaged."""
        folder = next(iter(folders_of_family(SAM)), None)
        if folder is None:
            return None
        if self._sam is None or self._sam[0] != folder:
            from siamkit_objects import Objects

            self._sam = folder, Objects().open(folder)
        return self._sam[1]


def _distinct(regions: list[Region], width: int, height: int) -> list[Region]:
    """Drop regions whose mask repeats that of an earlier one."""
    overlaps = boxes.iou(boxes.array(regions), boxes.array(regions))
    chosen: list[int] = []
    for row, region in enumerate(regions):
        rivals = [rival for rival in chosen if overlaps[row, rival] >= COMMON]
        if not any(_mask_iou(region, regions[rival], width, height) >= SAME for rival in rivals):
            chosen.append(row)
    return [regions[row] for row in chosen]


def _mask_iou(left: Any, right: Any, width: int, height: int) -> float:
    """Return the IoU of two masks that cover part of a picture, compared where both boxes lie."""
    first, second = (boxes.pixel_box(r.where, width, height) for r in (left, right))
    x, y = max(first[0], second[0]), max(first[1], second[1])
    right_edge, bottom = min(first[2], second[2]), min(first[3], second[3])
    parts = [
        region.mask[y - box[1] : bottom - box[1], x - box[0] : right_edge - box[0]]
        for region, box in ((left, first), (right, second))
    ]
    common = int(np.count_nonzero(parts[0] & parts[1]))
    total = sum(int(np.count_nonzero(region.mask)) for region in (left, right))
    return common / (total - common) if total > common else 0.0
