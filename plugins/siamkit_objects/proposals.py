"""The region detector `proposals`: where anything might be, for what no detector was trained on."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from siamkit.types import Image, Region
from siamkit_objects.objects import Objects

if TYPE_CHECKING:
    from siamkit_objects.folder import FolderDetector

MIN_SCORE = 0.01  # of an object of any class


class Proposals:
    """At most 150 boxes, best first: selective search, joined with weak objects of any class.

    The weak objects are those of `objects` in the picture, its quarters and its ninths. The two
    lists alternate, so the first few proposals are worth the most; a score says no more than the
    place in the list, from 1 down.
    """

    name = "proposals"
    kind = "image"
    approximate = True

    def find(self, medium: Image) -> list[Region]:
        """Return the proposals; only the whole of a picture that is of one colour."""
        from siamkit_objects import propose

        boxes = propose.find_boxes(self._objects, medium.pixels).tolist()
        return [
            Region((left, top, right, bottom), 1 - rank / propose.MOST)
            for rank, (left, top, right, bottom) in enumerate(boxes)
        ]

    @cached_property
    def _objects(self) -> FolderDetector:
        return Objects().with_min_score(MIN_SCORE)
