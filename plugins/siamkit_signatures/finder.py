"""The region detector `signatures`: finds signatures on a page."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from siamkit.types import Box, Image, Region

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_SIDE = 1600  # px: larger pages are reduced to it; 10-point letters then have about 12 px
RULES = (0.07, 0.2)  # of a page's width and height: straight lines at least as long are rules
MIN_SIDE = 12  # px: a smaller picture shows too little
WHOLE = 0.85  # of both sides: a region at least as wide and high is the whole picture
ALONE = 60  # pieces of ink: more are a page, or noise; of 75 signatures alone none had more than 56
log = logging.getLogger("siamkit")


class SignatureFinder:
    """Signatures on a page, best first; a picture of a signature alone is one region.

    It goes by shape alone: rules, rows of print and solid pieces are removed, and the remaining ink
    is grouped and scored. So it needs no weights and works for any language. Initials, dates and
    other handwriting of a signature's size are reported too, with lower scores. A warning says so
    if the whole of a picture with much on it is taken, as no signature stands out.
    """

    name = "signatures"
    sought = "signature"
    kind = "image"

    def find(self, medium: Image) -> list[Region]:
        """Return one region per signature, best first; [] if there is none."""
        from siamkit_signatures import groups, ink, lid, page, rules, ruling, seals

        pixels = medium.pixels
        if min(pixels.shape[:2]) < MIN_SIDE:
            return []
        small = ink.reduce(ruling.lift_rules(seals.lift_seals(lid.lift_lid(pixels))), MAX_SIDE)
        mask = rules.remove_rules(ink.binarise(small), *RULES)
        scale = max(pixels.shape[:2]) / max(small.shape[:2])
        parts = page.find_components(mask)
        scored = groups.find_signatures(parts)
        if len(parts.boxes) > ALONE and any(_is_whole(box, mask.shape) for box, _ in scored):
            log.warning(
                "no signature stands out, so all of the picture is taken for one: crop it, or give"
                " --box"
            )
        return [Region(where=_enlarge(box, scale, pixels.shape), score=s) for box, s in scored]


def _is_whole(box: NDArray[np.float64], shape: tuple[int, ...]) -> bool:
    """Is a box nearly as large as the page?"""
    width, height = box[2:] - box[:2]
    return bool(width >= WHOLE * shape[1] and height >= WHOLE * shape[0])


def _enlarge(box: NDArray[np.float64], scale: float, shape: tuple[int, ...]) -> Box:
    """Convert a box of the reduced page to the page itself, a pixel wider for the ink's rim."""
    left, top, right, bottom = (float(v) * scale for v in box)
    return (
        max(0.0, round(left - 1)),
        max(0.0, round(top - 1)),
        min(float(shape[1]), round(right + 1)),
        min(float(shape[0]), round(bottom + 1)),
    )
