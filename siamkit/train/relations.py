"""Which two samples of a batch belong together, which apart, and how far apart they are.

A skilled forgery carries the label of the identity it imitates and is a negative of it, not a
class of its own. Whether two forgeries of one identity are alike, nobody knows: they are neither.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Relations:
    """Of a batch: row i of the (n, n) bool matrices tells what each sample is to the anchor i.

    The rows of forged samples are all False, for a forgery is never an anchor.
    """

    positive: Tensor
    negative: Tensor
    labels: Tensor  # (n,) int64
    forged: Tensor  # (n,) bool


def relations(labels: Tensor, forged: Tensor) -> Relations:
    """Of a batch with (n,) int64 labels, of which `forged`, (n,) bool, are imitations."""
    same = labels[:, None] == labels
    genuine = ~forged[:, None]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return Relations(
        positive=genuine & same & ~forged & ~itself,
        negative=genuine & (~same | forged),
        labels=labels,
        forged=forged,
    )


def squared_distances(embeddings: Tensor) -> Tensor:
    """(n, n) squared Euclidean distances, 2 − 2 cos in [0, 4], of (n, d) rows of norm 1."""
    return (2 - 2 * embeddings @ embeddings.T).clamp(min=0)
