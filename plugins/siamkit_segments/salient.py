"""The region detector `salient`: the main things of a picture, each with a mask."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from siamkit.types import Image, Region

if TYPE_CHECKING:
    from siamkit_segments.u2net import SaliencyNetwork

SALIENT = 0.5  # of a pixel; a picture of one colour reaches 0.06
LEAST = 0.001  # of the picture: smaller islands are specks of the map


class Salient:
    """Things that stand out, one region each, by the network U²-Net-P.

    Things that touch are one region. The score is the mean saliency of its pixels; a picture of
    one colour has no region.
    """

    name = "salient"
    kind = "image"

    @cached_property
    def _network(self) -> SaliencyNetwork:
        from siamkit_segments.u2net import SaliencyNetwork

        return SaliencyNetwork()

    def find(self, medium: Image) -> list[Region]:
        """Return one region per thing, with its mask, best first; [] if nothing stands out."""
        import cv2
        import numpy as np

        from siamkit_segments import windows

        height, width = medium.pixels.shape[:2]
        saliency = self._network.run(medium.pixels)
        count, islands, stats, _ = cv2.connectedComponentsWithStats(
            (saliency >= SALIENT).astype(np.uint8)
        )
        regions = []
        for number in range(1, count):
            if stats[number, cv2.CC_STAT_AREA] < LEAST * saliency.size:
                continue
            is_own = islands == number
            own = np.where(is_own | (islands == 0), saliency, 0)  # with its soft edge
            around = cv2.dilate(is_own.astype(np.uint8), np.ones((3, 3), np.uint8))
            region = windows.draw(
                np.asarray(own * around, np.float32),
                (0, 0, width, height),
                width,
                height,
                level=SALIENT,
                score=float(saliency[is_own].mean()),
            )
            regions += [region] if region else []
        return sorted(regions, key=lambda region: -region.score)
