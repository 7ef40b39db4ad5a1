"""Move the best boxes of a search to where they match best.

Proposals and windows are guesses: of a logo's box, few have half in common with it. Around the best
of a picture others are tried, and boxes that agree are averaged. docs/regions.md says what it is
worth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamkit.embed.batches import EmbeddedRegion, EmbeddedSource
from siamkit.embed.pipeline import Pipeline
from siamkit.sdk import boxes
from siamkit.types import Image, Match, Region

MOVED = 3  # places of a picture whose boxes are varied
STEPS = (0.2, 0.15)  # of the box's sides: how far it is varied, a round each
SAME_PLACE = 0.5  # intersection over union above which boxes are of one place
SHARPNESS = 15.0  # of the weights: a box whose cosine is 0.1 lower counts a quarter
LEAST_SIDE = 8.0  # px: smaller boxes are not varied
# Changes of left, top, right and bottom, in steps: each side out and in, and all at once.
VARIANTS = np.array(
    [[sign * (side == moved) for side in range(4)] for moved in range(4) for sign in (-1, 1)]
    + [[-0.75, -0.75, 0.75, 0.75], [0.75, 0.75, -0.75, -0.75]]
)

Nearest = Callable[[Sequence[NDArray[np.float32]]], Iterator[Match | None]]


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """A picture whose regions were compared, and the nearest identity of each."""

    source: EmbeddedSource
    matches: list[Match | None]  # (n,) as source.regions

    def corners(self) -> NDArray[np.float32]:
        """Return the boxes, (n, 4), inside the picture."""
        width, height = self.source.size or (0, 0)
        corners = boxes.array([region.region for region in self.source.regions], width, height)
        return corners.clip(0, [width, height] * 2)

    def scores(self) -> NDArray[np.float64]:
        """Return the cosine of each region and its nearest identity, (n,); -1 without one."""
        return np.array([match.score if match else -1.0 for match in self.matches], np.float64)

    def identities(self) -> list[str]:
        return [match.identity if match else "" for match in self.matches]


def refine(pictures: Sequence[Compared], pipeline: Pipeline, nearest: Nearest) -> list[Compared]:
    """Return the pictures with more regions, round their best ones.

    nearest: finds the nearest identity of each vector. Nothing is added round a region with a mask,
    or to a picture that was not compared as a whole too.
    """
    refined = list(pictures)
    for step in STEPS:
        varied = [_vary(picture, step, pipeline) for picture in refined]
        crops = [region.crop for regions in varied for region in regions]
        if not crops:
            break
        vectors, usable = pipeline.embed(crops)
        rows, matches = iter(zip(vectors, usable, strict=True)), nearest(list(vectors))
        for number, regions in enumerate(varied):
            count = len(regions)
            added = zip(regions, islice(rows, count), islice(matches, count), strict=True)
            refined[number] = _extend(refined[number], added)
    return refined


def _vary(picture: Compared, step: float, pipeline: Pipeline) -> list[EmbeddedRegion]:
    """Return variants of the best boxes, cut out but not embedded."""
    regions = picture.source.regions
    whole = next((r.crop for r in regions if r.region.where is None), None)
    if not isinstance(whole, Image):
        return []
    height, width = whole.pixels.shape[:2]
    corners = picture.corners()
    best = boxes.suppress(corners, picture.scores(), SAME_PLACE)[:MOVED]
    rows = [row for row in best if regions[row].region.mask is None]
    sides = np.tile(corners[rows, 2:] - corners[rows, :2], 2)  # (m, 4): widths, heights, twice
    variants = corners[rows, None] + step * VARIANTS * sides[:, None]
    variants = variants.reshape(-1, 4).clip(0, [width, height] * 2)
    wide = (variants[:, 2:] - variants[:, :2]).min(axis=1) >= LEAST_SIDE
    varied = [Region((left, top, right, bottom)) for left, top, right, bottom in variants[wide]]
    return [EmbeddedRegion(r, None, pipeline.modality.crop(whole, r)) for r in varied]


def _extend(
    picture: Compared, added: Iterable[tuple[EmbeddedRegion, tuple[Any, Any], Match | None]]
) -> Compared:
    """Add regions with their vectors; those whose vector is not usable are left out."""
    regions, matches = [*picture.source.regions], [*picture.matches]
    for region, (vector, is_usable), match in added:
        if is_usable:
            region.vector = vector
            regions.append(region)
            matches.append(match)
    return Compared(replace(picture.source, regions=regions), matches)


def average(picture: Compared, rows: Sequence[int]) -> EmbeddedSource:
    """Return the picture with the boxes of places moved to the mean of all that agree.

    rows: the best region of each place. Those of the same identity that overlap it count by how
    well they match. Regions with a mask, and whole pictures, stay where they are.
    """
    corners, scores = picture.corners(), picture.scores()
    identities = np.array(picture.identities())
    regions = [*picture.source.regions]
    for row in rows:
        best = regions[row].region
        if best.where is None or best.mask is not None:
            continue
        agree = boxes.iou(corners[row : row + 1], corners)[0] >= SAME_PLACE
        agree &= identities == identities[row]
        weights = np.exp(SHARPNESS * (scores[agree] - scores[row]))
        left, top, right, bottom = map(float, weights @ corners[agree] / weights.sum())
        moved = replace(regions[row], region=replace(best, where=(left, top, right, bottom)))
        moved.vector = regions[row].vector
        regions[row] = moved
    return replace(picture.source, regions=regions)
