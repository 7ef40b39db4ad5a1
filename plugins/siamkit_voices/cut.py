"""Cut the speech out of a clip: a region's parts, end to end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from siamkit.sdk.regions import spans
from siamkit.types import Clip, Region


def cut(clip: Clip, region: Region) -> NDArray[np.float32]:
    """Return the (n,) samples of a region; all of them if it has neither parts nor span."""
    return np.concatenate(
        [
            clip.samples[max(0, round(start * clip.rate)) : max(0, round(stop * clip.rate))]
            for start, stop in spans(region, clip.seconds)
        ]
    )
