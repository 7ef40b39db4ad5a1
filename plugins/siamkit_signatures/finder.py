"""The region detector `signatures`: finds signatures on a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from siamkit.types import Box, Image, Region

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_SIDE = 1600  # px: larger pages are reduced to it; 10-point letters then have about 12 px
RULES = (0.07, 0.2)  # of a page's width and height: straight lines at least as long are rules
MIN_SIDE = 12  # px: a smaller picture shows too little


class SignatureFinder:
    """Signatures on a page, best first; a picture of a signature alone is one region.

    It goes by shape alone: rules, rows of print and solid pieces are removed, and the remaining ink
    is grouped and scored. So it needs no weights and works for any language. Initials, dates and
    other handwriting of a signature's size are reported too, with lower scores.
    """

    name = "signatures"
    kind = "image"

    def find(self, medium: Image) -> list[Region]:
        """Return one region per signature, best first; [] if there is none."""
        from siamkit_signatures import groups, ink, page, rules, ruling, seals

        pixels = medium.pixels
        if min(pixels.shape[:2]) < MIN_SIDE:
            return []
        small = ink.reduce(ruling.lift_rules(seals.lift_seals(pixels)), MAX_SIDE)
        mask = rules.remove_rules(ink.binarise(small), *RULES)
        scale = max(pixels.shape[:2]) / max(small.shape[:2])
        return [
            Region(where=_enlarge(box, scale, pixels.shape), score=score)
            for box, score in groups.find_signatures(page.find_components(mask))
        ]


def _enlarge(box: NDArray[np.float64], scale: float, shape: tuple[int, ...]) -> Box:
    """Convert a box of the reduced page to the page itself, a pixel wider for the ink's rim."""
    left, top, right, bottom = (float(v) * scale for v in box)
    return (
        max(0.0, round(left - 1)),
        max(0.0, round(top - 1)),
        min(float(shape[1]), round(right + 1)),
        min(float(shape[0]), round(bottom + 1)),
    )
