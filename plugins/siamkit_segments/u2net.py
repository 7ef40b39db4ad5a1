"""The network U²-Net-P (X. Qin et al. 2020, Apache-2.0): how salient each pixel of a picture is.

`tools/saliency_network.py` takes the weights from the package that ships them.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from siamkit.sdk.onnx import Session

GRAPH = Path(__file__).parent / "u2netp.onnx"
SIDE = 320  # px, of the input and of the map
FUSED = "1959"  # the output that joins the six others
MEAN = np.array([0.485, 0.456, 0.406], np.float32)  # RGB of ImageNet
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


class SaliencyNetwork:
    """Opens the graph on first use; threads may run it at once."""

    @cached_property
    def _session(self) -> Session:
        from siamkit.sdk.onnx import session

        return session(GRAPH)

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (SIDE, SIDE) float32 in [0, 1], stretched over (h, w, 3) RGB pixels."""
        small = resize(pixels, SIDE).astype(np.float32)
        normal = (small / max(1.0, float(small.max())) - MEAN) / DEVIATION
        planes = np.ascontiguousarray(normal.transpose(2, 0, 1)[None], dtype=np.float32)
        saliency: NDArray[np.float32] = self._session.run([FUSED], {"input.1": planes})[0][0, 0]
        return saliency


def resize(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Stretch (h, w, 3) pixels to a square: averages where it shrinks, cubic where it grows."""
    height, width = pixels.shape[:2]
    shrunk = (min(width, side), min(height, side))
    if shrunk != (width, height):
        pixels = cv2.resize(pixels, shrunk, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return cv2.resize(pixels, (side, side), interpolation=cv2.INTER_CUBIC)  # type: ignore[return-value]
