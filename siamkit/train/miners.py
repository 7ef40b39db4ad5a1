"""Mine the triplets of a batch that are worth learning from.

A miner is given distances, never embeddings, so nothing it does is differentiated. Unless it says
otherwise it pairs every anchor with every positive, and draws one negative for each pair: with K
samples of an identity that is K − 1 triplets per anchor.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from siamkit.train.relations import Relations

# Wu et al. 2017, "Sampling Matters in Deep Embedding Learning", §4 and their code: negatives
# nearer than 0.5, where noise would outweigh the signal, are drawn as if at 0.5; those beyond
# 1.4, about the distance of two random vectors, teach nothing.
NEAR, FAR = 0.5, 1.4


class Triplets(NamedTuple):
    """Row numbers of a batch, (t,) int64 each; t may be 0. An anchor is below a, others below c."""

    anchor: Tensor
    positive: Tensor
    negative: Tensor


# (distances: (a, c) squared, without gradient; relations; generator, of any device)
Miner: TypeAlias = Callable[[Tensor, Relations, torch.Generator], Triplets]

NO_TRIPLETS = Triplets(*torch.empty(3, 0, dtype=torch.int64))


def miner(name: str, margin: float, dim: int) -> Miner:
    """Return a miner by name, for vectors of `dim` components. Raises KeyError."""
    miners: dict[str, Miner] = {
        "random": random,
        "semi-hard": partial(semi_hard, margin=margin),
        "batch-hard": batch_hard,
        "distance-weighted": partial(distance_weighted, dim=dim),
    }
    return miners[name]


def random(distances: Tensor, relations: Relations, generator: torch.Generator) -> Triplets:
    """Draw any negative, all equally likely."""
    anchor, positive = relations.positive.nonzero(as_tuple=True)
    return _draw(anchor, positive, relations.negative[anchor], generator)


def semi_hard(
    distances: Tensor, relations: Relations, generator: torch.Generator, *, margin: float
) -> Triplets:
    """Draw any negative with d²(a, p) < d²(a, n) < d²(a, p) + margin (FaceNet, §3.2).

    A pair without one is left out. The hardest in the band is not preferred: it would be the same
    mislabelled sample every time, and lies where gradients are mostly noise.
    """
    anchor, positive = relations.positive.nonzero(as_tuple=True)
    candidates = distances.masked_fill(~relations.negative, torch.inf)[anchor]
    least = distances[anchor, positive][:, None]
    band = (candidates > least) & (candidates < least + margin)
    return _draw(anchor, positive, band, generator)


def batch_hard(distances: Tensor, relations: Relations, generator: torch.Generator) -> Triplets:
    """Pair each anchor's farthest positive and nearest negative (Hermans et al. 2017, §2)."""
    anchor = (relations.positive.any(1) & relations.negative.any(1)).nonzero()[:, 0]
    if not len(anchor):
        return Triplets(anchor, anchor, anchor)
    farthest = distances.masked_fill(~relations.positive, -torch.inf).argmax(1)
    nearest = distances.masked_fill(~relations.negative, torch.inf).argmin(1)
    return Triplets(anchor, farthest[anchor], nearest[anchor])


def distance_weighted(
    distances: Tensor, relations: Relations, generator: torch.Generator, *, dim: int
) -> Triplets:
    """Draw negatives of all distances equally often (Wu et al. 2017, §4).

    Nearly all pairs of random vectors are about √2 apart. With the density of distances on the
    sphere, q(d) ∝ d^(dim − 2) (1 − d²/4)^((dim − 3) / 2), a negative is drawn with the weight
    1 / q(d), or 0 from FAR on; if all are that far, any is drawn.
    """
    anchor, positive = relations.positive.nonzero(as_tuple=True)
    near = relations.negative & (distances < FAR**2)
    allowed = torch.where(near.any(1, keepdim=True), near, relations.negative)
    squared = distances.float().clamp(NEAR**2, FAR**2)
    log = -(dim - 2) / 2 * squared.log() - (dim - 3) / 2 * (1 - squared / 4).log()
    # As a softmax: the weights themselves would overflow in some hundred dimensions.
    weight = log.masked_fill(~allowed, torch.finfo(log.dtype).min).softmax(1) * allowed
    return _draw(anchor, positive, weight[anchor], generator)


def active_fraction(distances: Tensor, relations: Relations, margin: float) -> Tensor:
    """Return the () share of all possible triplets with d²(a, p) − d²(a, n) + margin > 0.

    It is 0 if there are none.
    """
    candidates = distances.masked_fill(~relations.negative, torch.inf).sort(1)[0]
    nearer = torch.searchsorted(candidates, distances + margin)  # negatives of each pair
    active = (nearer * relations.positive).sum()
    possible = (relations.positive.sum(1) * relations.negative.sum(1)).sum()
    return active / possible.clamp(min=1)


def _draw(anchor: Tensor, positive: Tensor, weight: Tensor, generator: torch.Generator) -> Triplets:
    """Draw a negative for each pair, in proportion to its (t, n) weights, each 0 or more.

    A pair whose weights are all 0 is left out. Drawn by inversion, which takes one random number
    per pair; torch.multinomial takes one per candidate.
    """
    if not weight.numel():
        return Triplets(anchor, positive, anchor)
    uniform = torch.rand(len(weight), 1, generator=generator, device=generator.device)
    cumulative = weight.float().cumsum(1)
    target = uniform.to(weight.device) * cumulative[:, -1:]
    negative = torch.searchsorted(cumulative, target, right=True).clamp(max=weight.shape[1] - 1)
    drawn = (weight.gather(1, negative) > 0)[:, 0]
    return Triplets(anchor[drawn], positive[drawn], negative[drawn, 0])
