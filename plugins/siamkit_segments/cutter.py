"""Cut out the object that a prompt marks, by the mask network, saliency and colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from siamkit.sdk import masks
from siamkit.types import Box, Prompt, Region
from siamkit_segments import refine, windows
from siamkit_segments.candidates import Point, list_candidates, rank
from siamkit_segments.network import MaskNetwork, SoftMask
from siamkit_segments.u2net import SaliencyNetwork

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPOT = 0.05  # of the root of a mask's area: how far a point reaches where no mask fits it


class Cutter:
    """Opens its networks on first use. Threads may use it at once."""

    def __init__(self) -> None:
        self._network, self._saliency = MaskNetwork(), SaliencyNetwork()

    def cut_box(
        self, pixels: NDArray[np.uint8], box: Box, *, score: float | None = None, label: str = ""
    ) -> Region | None:
        """Return the object in a box of (h, w, 3) RGB pixels, with its mask; None if there is none.

        score: of the region; None for the IoU that the network expects of its mask.
        """
        soft = self._sharpened(pixels, self._network.in_box(pixels, box), box)
        score = soft.quality if score is None else score
        return _draw(pixels, soft, within=box, score=score, label=label)

    def cut_marked(
        self, pixels: NDArray[np.uint8], prompt: Prompt, proposals: Sequence[Region] = ()
    ) -> Region | None:
        """Return the object that a prompt marks, with its mask; None if there is none.

        Its points are in the mask, its other points are not. proposals: what `objects` found, for
        points alone.
        """
        if prompt.box is not None:
            region = self.cut_box(pixels, prompt.box)
        else:
            region = self._cut_points(pixels, prompt.points, prompt.not_points, proposals)
        return self._obeying(pixels, region, prompt)

    def _cut_points(
        self,
        pixels: NDArray[np.uint8],
        points: Sequence[Point],
        not_points: Sequence[Point],
        proposals: Sequence[Region],
    ) -> Region | None:
        candidates = [
            candidate
            for point in points
            for candidate in list_candidates(self._network, pixels, point, proposals)
        ]
        if not candidates:
            return None
        best = rank(candidates, points, not_points)[0]
        soft = self._sharpened(pixels, best.soft, best.box)
        return _draw(pixels, soft, score=best.soft.quality, label=best.label)

    def _sharpened(self, pixels: NDArray[np.uint8], soft: SoftMask, box: Box) -> SoftMask:
        if refine.is_large(box):
            return refine.refine(pixels, soft, box, self._saliency)
        return soft

    def _obeying(
        self, pixels: NDArray[np.uint8], region: Region | None, prompt: Prompt
    ) -> Region | None:
        """Add what the points mark to a region, and take away what the other points mark."""
        missed = [point for point in prompt.points if not _covers(region, point)]
        covered = [point for point in prompt.not_points if _covers(region, point)]
        if not (missed or covered):
            return region
        height, width = pixels.shape[:2]
        mask = (
            masks.on_picture(region, width, height) if region else np.zeros((height, width), bool)
        )
        for point in missed:
            mask |= self._part(pixels, point, prompt.not_points, mask)
        for point in covered:
            mask &= ~self._part(pixels, point, prompt.points, mask)
        for points, value in ((prompt.points, True), (prompt.not_points, False)):
            for x, y in points:
                mask[min(int(y), height - 1), min(int(x), width - 1)] = value
        score, label = (region.score, region.label) if region else (0.0, "")
        return masks.of_picture(mask, score, label)

    def _part(
        self,
        pixels: NDArray[np.uint8],
        point: Point,
        others: Sequence[Point],
        mask: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        """Return the pixels of a picture that a point marks, and none of the other points.

        That is the best mask at the point without the others, or else a spot around it.
        """
        height, width = pixels.shape[:2]
        ranked = rank(list_candidates(self._network, pixels, point, ()), [point], others)
        if ranked and not any(ranked[0].soft.at(*other) >= windows.LEVEL for other in others):
            region = _draw(pixels, ranked[0].soft)
            if region is not None:
                return masks.on_picture(region, width, height)
        radius = max(1.0, SPOT * float(np.sqrt(np.count_nonzero(mask))))
        window = windows.square(*point, 2 * radius)
        spot = np.zeros((height, width), bool)
        left, top, right, bottom = windows.clipped(window, width, height)
        spot[top:bottom, left:right] = True
        return spot


def _draw(
    pixels: NDArray[np.uint8],
    soft: SoftMask,
    *,
    within: Box | None = None,
    score: float = 1.0,
    label: str = "",
) -> Region | None:
    height, width = pixels.shape[:2]
    return windows.draw(
        soft.probabilities, soft.window, width, height, within=within, score=score, label=label
    )


def _covers(region: Region | None, point: Point) -> bool:
    """True if a point is on the mask of a region."""
    if region is None or region.where is None or region.mask is None:
        return False
    left, top = region.where[:2]
    row, column = int(point[1] - top // 1), int(point[0] - left // 1)
    rows, columns = region.mask.shape
    return 0 <= row < rows and 0 <= column < columns and bool(region.mask[row, column])
