"""The region detector `facefinder`."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from siamkit.types import Box, Image, Region

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from siamkit_facefinder.yunet import YuNet

MIN_SIDE = 8  # px: a smaller picture holds no face


class FaceFinder:
    """Faces in a picture, best first, with five landmarks each.

    `Region.landmarks` is (5, 2) float32, x and y in pixels of the source: the centre of the eye
    on the left of the picture, of the eye on its right, the tip of the nose, and the left and right
    corners of the mouth. (Left and right are the viewer's, on an upright face.)
    """

    name = "facefinder"
    sought = "face"
    kind = "image"

    @cached_property
    def _network(self) -> YuNet:
        from siamkit_facefinder.yunet import YuNet

        return YuNet()

    def find(self, medium: Image) -> list[Region]:
        """Return one region per face, best first; [] if there is none."""
        height, width = medium.pixels.shape[:2]
        if min(height, width) < MIN_SIDE:
            return []
        from siamkit_facefinder.passes import find_faces

        faces = find_faces(self._network, medium.pixels)
        return [
            Region(where=box, score=min(1.0, float(score)), landmarks=points)
            for box, score, points in zip(
                _inside(faces.boxes, width, height), faces.scores, faces.points, strict=True
            )
        ]


def _inside(boxes: NDArray[np.float32], width: int, height: int) -> list[Box]:
    """Clip boxes to the picture, as tuples. The landmarks of a clipped face stay unchanged."""
    import numpy as np

    cut = np.clip(boxes, 0, np.array([width, height, width, height]))
    return [(left, top, right, bottom) for left, top, right, bottom in cut.tolist()]
