"""Which two samples of a batch belong together, which apart, and how far apart they are.

An impostor is a sample that imitates an identity, such as a skilled forgery of a signature. It
carries the label of that identity and is a negative of it, not a class of its own. Two impostors
of one identity may or may not come from the same hand: they are neither positive nor negative.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Relations:
    """Of a batch: row i of the (n, n) bool matrices tells what each sample is to the anchor i.

    The rows of impostors are all False, for an impostor is never an anchor.
    """

    positive: Tensor
    negative: Tensor
    labels: Tensor  # (n,) int64
    impostor: Tensor  # (n,) bool


def relations(labels: Tensor, impostor: Tensor) -> Relations:
    """Of a batch with (n,) int64 labels, where `impostor`, (n,) bool, marks imitations."""
    same = labels[:, None] == labels
    genuine = ~impostor[:, None]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return Relations(
        positive=genuine & same & ~impostor & ~itself,
        negative=genuine & (~same | impostor),
        labels=labels,
        impostor=impostor,
    )


def squared_distances(embeddings: Tensor) -> Tensor:
    """(n, n) squared Euclidean distances, 2 − 2 cos in [0, 4], of (n, d) rows of norm 1."""
    return (2 - 2 * embeddings @ embeddings.T).clamp(min=0)
