"""The region detector `facefinder`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from siamkit.types import Box, Image, Region

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from siamkit.sdk.onnx import Session
    from siamkit_facefinder.centerface import Detections

THRESHOLD = 0.6  # on pictures with known faces the weakest face had 0.65, the best non-face 0.55
LONG_SIDE = (320, 640)  # px: smaller pictures are enlarged to it, larger ones reduced
ENLARGE = 4.0  # at most: beyond it there is no detail to gain
CLOSER = 1280  # px: the long side in the second pass
SMALL = 24  # px in the first pass: a narrower face hints at others too small to detect
MIN_SIDE = 8  # px: a smaller picture holds no face


class FaceFinder:
    """Faces in a picture, best first, with five landmarks each.

    `Region.landmarks` is (5, 2) float32, x and y in pixels of the source: the centre of the eye
    on the left of the picture, of the eye on its right, the tip of the nose, and the left and right
    corners of the mouth. (Left and right are the viewer's, on an upright face.)
    """

    name = "facefinder"
    kind = "image"

    def __init__(self) -> None:
        self._network: Session | None = None

    def find(self, medium: Image) -> list[Region]:
        """Return one region per face, best first; [] if there is none.

        Raises MissingWeights if the package with the weights is not installed.
        """
        height, width = medium.pixels.shape[:2]
        if min(height, width) < MIN_SIDE:
            return []
        faces = self._detect(medium.pixels, max(height, width))
        return [
            Region(where=box, score=min(1.0, float(score)), landmarks=points)
            for box, score, points in zip(
                _inside(faces.boxes, width, height), faces.scores, faces.points, strict=True
            )
        ]

    def _detect(self, pixels: NDArray[np.uint8], long: int) -> Detections:
        """Detect at one scale, and if a large picture seems to hold small faces, at a second."""
        from siamkit_facefinder import centerface

        if self._network is None:
            self._network = centerface.open_network()
        smallest, largest = LONG_SIDE
        scale = min(ENLARGE, min(max(long, smallest), largest) / long)
        faces = centerface.detect(self._network, pixels, scale, THRESHOLD)
        widths = (faces.boxes[:, 2] - faces.boxes[:, 0]) * scale
        if long > largest and (not len(widths) or widths.min() < SMALL):
            closer = centerface.detect(self._network, pixels, min(1.0, CLOSER / long), THRESHOLD)
            faces = centerface.merge(faces, closer)
        return faces


def _inside(boxes: NDArray[np.float32], width: int, height: int) -> list[Box]:
    """Clip boxes to the picture, as tuples. The landmarks of a clipped face stay unchanged."""
    import numpy as np

    cut = np.clip(boxes, 0, np.array([width, height, width, height]))
    return [(left, top, right, bottom) for left, top, right, bottom in cut.tolist()]
