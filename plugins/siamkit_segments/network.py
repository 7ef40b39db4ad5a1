"""The mask network: which pixels of a window belong to the object that a box or a point marks.

The backbone of `objects` (MobileNetV2) with a decoder; `tools/mask_network.py` trains it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from siamkit.types import Box
from siamkit_segments import windows

if TYPE_CHECKING:
    from siamkit.sdk.onnx import Session

GRAPH = Path(__file__).parent / "masks.onnx"
SIDE, CELLS = 192, 48  # px of a window, and cells of its mask
MARGIN = 0.2  # of a box's sides: how much wider its window is, on each side
DOT = 6.0  # px of the window: standard deviation of the spot that marks a point


@dataclass(frozen=True, slots=True, eq=False)
class SoftMask:
    """The probabilities that a window's pixels belong to the object, and how good they are."""

    window: Box
    probabilities: NDArray[np.float32]  # (CELLS, CELLS) in [0, 1]
    quality: float  # expected IoU with the object, in [0, 1]

    def at(self, x: float, y: float) -> float:
        """Return the probability at a point of the picture; 0 outside of the window."""
        left, top, right, bottom = self.window
        rows, columns = self.probabilities.shape
        column = int((x - left) / (right - left) * columns // 1)
        row = int((y - top) / (bottom - top) * rows // 1)
        if not (0 <= row < rows and 0 <= column < columns):
            return 0.0
        return float(self.probabilities[row, column])

    def extent(self) -> Box | None:
        """Return the box, in px, of the cells that reach LEVEL; None if there are none."""
        is_object = self.probabilities >= windows.LEVEL
        rows, columns = (np.flatnonzero(is_object.any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            return None
        left, top, right, bottom = self.window
        x, y = (right - left) / is_object.shape[1], (bottom - top) / is_object.shape[0]
        return (
            left + x * float(columns[0]),
            top + y * float(rows[0]),
            left + x * float(columns[-1] + 1),
            top + y * float(rows[-1] + 1),
        )

    def resampled(self, window: Box, side: int) -> NDArray[np.float32]:
        """Return the (side, side) probabilities over another window; what is beyond repeats."""
        left, top, right, bottom = self.window
        x, y = side / (window[2] - window[0]), side / (window[3] - window[1])
        seen = (
            (left - window[0]) * x,
            (top - window[1]) * y,
            (right - window[0]) * x,
            (bottom - window[1]) * y,
        )
        square = (0, 0, side, side)
        across, down = windows.interpolations(square, seen, self.probabilities.shape)
        return np.asarray(down @ self.probabilities @ across.T, np.float32)


class MaskNetwork:
    """Opens the graph on first use; threads may run it at once."""

    @cached_property
    def _session(self) -> Session:
        from siamkit.sdk.onnx import session

        return session(GRAPH)

    def in_box(self, pixels: NDArray[np.uint8], box: Box) -> SoftMask:
        """Return the object in a box of (h, w, 3) RGB pixels."""
        return self._run(pixels, [windows.widened(box, MARGIN)], _BOX)[0]

    def at_point(
        self, pixels: NDArray[np.uint8], x: float, y: float, sides: Sequence[float]
    ) -> list[SoftMask]:
        """Return the object at a point as seen in windows of some sides, px, in their order."""
        return self._run(pixels, [windows.square(x, y, side) for side in sides], _POINT)

    def _run(
        self, pixels: NDArray[np.uint8], boxes: Sequence[Box], prompt: NDArray[np.float32]
    ) -> list[SoftMask]:
        cuts = np.stack([windows.cut(pixels, box, SIDE) for box in boxes])
        inputs = {
            "windows": np.ascontiguousarray(cuts.transpose(0, 3, 1, 2), np.float32),
            "prompts": np.repeat(prompt[None], len(cuts), axis=0),
        }
        masks, qualities = self._session.run(["masks", "qualities"], inputs)
        return [
            SoftMask(box, mask, float(quality))
            for box, mask, quality in zip(boxes, masks, qualities, strict=True)
        ]


def _prompt_maps() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the prompts of a box and of a point, each (2, CELLS, CELLS): in the box, the spot."""
    centres = (np.arange(CELLS, dtype=np.float32) + 0.5) / CELLS
    low = MARGIN / (1 + 2 * MARGIN)
    edges = np.arange(CELLS + 1, dtype=np.float32) / CELLS
    covered = np.diff(np.clip(edges, low, 1 - low)) * CELLS  # share of each cell
    spot = np.exp(-((centres - 0.5) ** 2) / (2 * (DOT / SIDE) ** 2))
    box, point = np.outer(covered, covered), np.outer(spot, spot)
    zero = np.zeros_like(box)
    return np.stack([box, zero]), np.stack([zero, point])


_BOX, _POINT = _prompt_maps()
