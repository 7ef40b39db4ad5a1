"""Mark which pairs of a batch are positive and which negative, and measure their distances.

An impostor is a sample that imitates an identity, such as a skilled forgery of a signature. It
carries the label of that identity and is a negative of it, not a class of its own. Two impostors
of one identity may or may not come from the same hand: they are neither positive nor negative.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Relations:
    """Relations in a batch: row i of the (n, n) bool matrices has those of anchor i.

    The rows of impostors are all False: an impostor is never an anchor.
    """

    positive: Tensor
    negative: Tensor
    labels: Tensor  # (n,) int64
    impostor: Tensor  # (n,) bool
    # Pairs with a score, of losses that order pairs: (m, 2) int64 rows, and (m,) float in [0, 1].
    scored: Tensor = field(default_factory=lambda: torch.empty(0, 2, dtype=torch.int64))
    scores: Tensor = field(default_factory=lambda: torch.empty(0))


def relations(labels: Tensor, impostor: Tensor) -> Relations:
    """Relate the samples of a batch with (n,) int64 labels; `impostor`, (n,), marks imitations."""
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
    """Return (n, n) squared Euclidean distances, 2 − 2 cos in [0, 4], of (n, d) unit rows."""
    return (2 - 2 * embeddings @ embeddings.T).clamp(min=0)
