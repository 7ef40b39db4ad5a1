"""Change the pixels of a picture, a few rows at a time: large ones fill the memory as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from siamkit.errors import BadInput
from siamkit.sdk.media import MAX_PIXELS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROWS = 256
LUMA = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601


def resize(pixels: NDArray[np.uint8], longer: int) -> NDArray[np.uint8]:
    """Scale (h, w, 3) or (h, w) until its longer side has so many px. Raises BadInput."""
    import numpy as np
    from PIL import Image as pil

    height, width = pixels.shape[:2]
    times = longer / max(height, width)
    size = max(1, round(width * times)), max(1, round(height * times))
    if size[0] * size[1] > MAX_PIXELS:
        most = int(longer * (MAX_PIXELS / (size[0] * size[1])) ** 0.5)
        raise BadInput(
            f"{size[0]:,} x {size[1]:,} px are more than {MAX_PIXELS:,} pixels",
            hint=f"the longer side of this picture can have {most:,} px",
        )
    # In two steps where it shrinks much: the same to the eye, and several times faster.
    return np.array(pil.fromarray(pixels).resize(size, pil.Resampling.LANCZOS, reducing_gap=3.0))


def keep_colours(painted: NDArray[np.uint8], pixels: NDArray[np.uint8]) -> None:
    """Give (h, w, 3) RGB, in place, the colours of another picture; its brightness stays."""
    import numpy as np

    weights = np.array(LUMA, np.float32)
    for top in range(0, len(painted), ROWS):
        part = slice(top, top + ROWS)
        colours = pixels[part].astype(np.float32)
        brighter = painted[part] @ weights - colours @ weights
        painted[part] = np.clip(np.rint(colours + brighter[:, :, None]), 0, 255)


def fade(painted: NDArray[np.uint8], pixels: NDArray[np.uint8], strength: float) -> None:
    """Mix (h, w, 3), in place, with another picture. strength: in [0, 1], the share that stays."""
    import numpy as np

    for top in range(0, len(painted), ROWS):
        part = slice(top, top + ROWS)
        mixed = strength * painted[part] + (1 - strength) * pixels[part].astype(np.float32)
        painted[part] = np.rint(mixed)
