"""Mark which pairs of a batch are positive and which negative, and measure their distances.

A batch has c candidates, of which the first a are its anchors: the samples that are being learned
from. The other c - a, such as embeddings of earlier batches or of other processes, are positives
and negatives of these, and anchors of nothing. Usually there are none, and a = c.

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
    """Relations in a batch: row i of the (a, c) bool matrices has those of anchor i.

    Column j is candidate j, so column i is anchor i itself. The rows of impostors are all False:
    an impostor is never an anchor.
    """

    positive: Tensor
    negative: Tensor
    labels: Tensor  # (c,) int64
    impostor: Tensor  # (c,) bool
    # Pairs with a score, of losses that order pairs: (m, 2) int64 rows, and (m,) float in [0, 1].
    scored: Tensor = field(default_factory=lambda: torch.empty(0, 2, dtype=torch.int64))
    scores: Tensor = field(default_factory=lambda: torch.empty(0))

    @property
    def anchors(self) -> int:
        """The number of anchors, a."""
        return len(self.positive)

    def among_anchors(self) -> Relations:
        """Return the relations of the anchors alone, without further candidates."""
        count = self.anchors
        return Relations(
            self.positive[:, :count],
            self.negative[:, :count],
            self.labels[:count],
            self.impostor[:count],
        )


def relations(
    labels: Tensor,
    impostor: Tensor,
    anchors: int | None = None,
    *,
    rows: Tensor | None = None,
    draws: Tensor | None = None,
) -> Relations:
    """Relate the samples of a batch with (c,) int64 labels; `impostor`, (c,), marks imitations.

    anchors: how many rows, the first ones, are anchors; default: all.
    rows: (c,) int64, equal where two are the same sample, which is not its own positive; default:
    all differ. draws: (c,) int64; samples of one identity are positives only where these are equal;
    default: all are.
    """
    count = len(labels) if anchors is None else anchors
    if rows is None:
        rows = torch.arange(len(labels), device=labels.device)
    same = labels[:count, None] == labels
    genuine = ~impostor[:count, None]
    alike = same & (rows[:count, None] != rows)
    if draws is not None:
        alike &= draws[:count, None] == draws
    return Relations(
        positive=genuine & alike & ~impostor,
        negative=genuine & (~same | impostor),
        labels=labels,
        impostor=impostor,
    )


def squared_distances(embeddings: Tensor, anchors: int | None = None) -> Tensor:
    """Return (a, c) squared Euclidean distances, 2 − 2 cos in [0, 4], of (c, d) unit rows.

    anchors: a, how many of the first rows are compared with all; default: all.
    """
    return (2 - 2 * embeddings[:anchors] @ embeddings.T).clamp(min=0)
