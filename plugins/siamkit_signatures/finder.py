"""The region detector `signatures`: finds handwriting that is a signature on a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from siamkit.types import Image, Region

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from siamkit.types import Box

LONGEST = 1600  # px: a larger page is reduced to it; letters of 10 points have then some 12 px
RULES = (0.07, 0.2)  # of a page's width and height: straight lines as long are rules
MIN_SIDE = 12  # px: in a smaller picture nothing can be told


class SignatureFinder:
    """Signatures on a page, best first; a picture of a signature alone is one region.

    Works by shape alone (rules, rows of print and solid pieces are taken away, what remains is
    grouped and judged), so that neither weights nor a language are needed. Initials, dates and
    other handwriting of a signature's size are reported too, though with lower scores.
    """

    name = "signatures"
    kind = "image"

    def find(self, medium: Image) -> list[Region]:
        """Best first; [] if there is no signature."""
        pixels = medium.pixels
        height, width = pixels.shape[:2]
        if min(height, width) < MIN_SIDE:
            return []
        found = _find(pixels)
        return [Region(where=box, score=score) for box, score in found]


def _find(pixels: NDArray[np.uint8]) -> list[tuple[Box, float]]:
    from siamkit_signatures import groups, ink, page, rules

    small = ink.reduced(pixels, LONGEST)
    mask = rules.without_rules(ink.binarised(small), *RULES)
    parts = page.components(mask)
    scale = max(pixels.shape[:2]) / max(small.shape[:2])
    return [(_enlarged(box, scale, pixels.shape), score) for box, score in groups.signatures(parts)]


def _enlarged(box: NDArray[np.float64], scale: float, shape: tuple[int, ...]) -> Box:
    """A box of the reduced page as one of the page itself, a pixel wider for the ink's rim."""
    left, top, right, bottom = (float(v) * scale for v in box)
    return (
        max(0.0, round(left - 1)),
        max(0.0, round(top - 1)),
        min(float(shape[1]), round(right + 1)),
        min(float(shape[0]), round(bottom + 1)),
    )
