"""Semantic segmentation: a class per pixel. Each connected piece of a class becomes a region.

The graph gives scores (1, classes, h, w) of the whole input, in any size. The card's `decode` has
`scores`: "softmax" if they are logits, "share" if they are in [0, 1] already; `background`, the
labels of no object; and `min_share`, the share of the picture below which a piece is left out. The
score of a region is the mean probability of its class over its pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from siamkit.errors import MissingWeights
from siamkit.types import Region
from siamkit_objects.families.detr import softmax
from siamkit_objects.resample import enlarge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from siamkit.sdk.detector_folder import DetectorCard
    from siamkit_objects.inputs import Frame


def require_fit(shapes: list[tuple[int, ...]], card: DetectorCard) -> None:
    """Raise MissingWeights unless the output has a plane per label."""
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][:2] != (1, len(card.labels)):
        raise MissingWeights(
            f"the graph of {card.name} gives {shapes}, not a plane for each of its"
            f" {len(card.labels)} labels"
        )


def decode(outputs: list[NDArray[Any]], card: DetectorCard, frame: Frame) -> list[Region]:
    """Read the output."""
    classes, shares = to_maps(outputs[0][0], card, frame.picture)
    hidden = set(card.decode["background"])
    regions: list[Region] = []
    for index in np.unique(classes):
        if card.labels[index] not in hidden:
            regions += _pieces(classes == index, shares, card, card.labels[index])
    regions.sort(key=lambda region: -region.score)
    return regions[: card.max_regions]


def to_maps(
    planes: NDArray[np.float32], card: DetectorCard, picture: tuple[int, int]
) -> tuple[NDArray[np.uint16], NDArray[np.float32]]:
    """Return the class and its probability for each pixel of a picture, twice (height, width).

    planes: (classes, h, w). The probabilities are interpolated between those of the planes' pixels.
    """
    if card.decode["scores"] == "softmax":
        best = softmax(planes.transpose(1, 2, 0)).max(axis=2)
    else:
        best = np.clip(planes.max(axis=0), 0, 1)
    classes, shares = np.empty(picture, np.uint16), np.empty(picture, np.float32)
    for rows, strip in enlarge(planes, picture):
        classes[rows] = strip.argmax(axis=0)
    for rows, strip in enlarge(best[None], picture):
        shares[rows] = strip[0]
    return classes, shares


def _pieces(
    mask: NDArray[np.bool_], shares: NDArray[np.float32], card: DetectorCard, label: str
) -> Iterator[Region]:
    """Yield each connected piece of a mask that is large and probable enough."""
    _, pieces, measures, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    least = card.decode["min_share"] * mask.size
    for number, (left, top, width, height, area) in enumerate(measures.tolist()):
        if number == 0 or area < least:  # 0 is what is not the mask
            continue
        place = slice(top, top + height), slice(left, left + width)
        piece = pieces[place] == number
        score = float(shares[place][piece].mean(dtype=np.float64))
        if score >= card.min_score:
            where = (float(left), float(top), float(left + width), float(top + height))
            yield Region(where, min(score, 1.0), mask=piece, label=label)
