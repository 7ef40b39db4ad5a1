"""Mask classification: a fixed number of queries, each a mask and its class, or nothing.

B. Cheng et al., "Masked-attention Mask Transformer for Universal Image Segmentation", CVPR 2022
(arXiv 2112.01527), as instances. The graph gives logits (1, q, classes + 1), the last for
"nothing", and mask logits (1, q, h, w) of the whole input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.errors import MissingWeights
from siamkit.sdk.masks import of_picture
from siamkit_objects.families.detr import softmax
from siamkit_objects.resample import nearest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.sdk.detector_folder import DetectorCard
    from siamkit.types import Region
    from siamkit_objects.inputs import Frame


def require_fit(shapes: list[tuple[int, ...]], card: DetectorCard) -> None:
    """Raise MissingWeights unless there is a score per query and label, and a mask per query."""
    classes = len(card.labels) + 1
    queries = shapes[0][1] if shapes and len(shapes[0]) == 3 else 0
    is_fit = len(shapes) == 2 and shapes[0] == (1, queries, classes)
    if not is_fit or len(shapes[1]) != 4 or shapes[1][:2] != (1, queries):
        raise MissingWeights(
            f"the graph of {card.name} gives {shapes}, not scores of {classes} classes and masks"
        )


def decode(outputs: list[NDArray[Any]], card: DetectorCard, frame: Frame) -> list[Region]:
    """Read the outputs as post_process_instance_segmentation of transformers does.

    A score is the class's, times the mean probability of the mask's pixels.
    """
    shares, planes = softmax(outputs[0][0])[:, :-1], outputs[1][0]
    best = np.argsort(-shares.ravel(), kind="stable")[: len(shares)]
    queries, classes = np.divmod(best, shares.shape[1])
    inside = planes > 0
    with np.errstate(over="ignore"):
        sums = (inside / (1 + np.exp(-planes))).sum(axis=(1, 2), dtype=np.float64)
    certainty = sums / (inside.sum(axis=(1, 2)) + 1e-6)
    scores = shares.ravel()[best] * certainty[queries]
    regions: list[Region] = []
    for place in np.argsort(-scores, kind="stable"):
        if scores[place] < card.min_score or len(regions) == card.max_regions:
            break
        mask = nearest(inside[queries[place]], frame.picture)
        region = of_picture(mask, float(scores[place]), card.labels[classes[place]])
        regions += [region] if region else []
    return regions
