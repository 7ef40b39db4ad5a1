"""Which triplets of a batch are worth learning from.

A miner sees distances, never embeddings, so that nothing it does is differentiated. Unless it
says otherwise it takes every anchor with every positive, one negative each: with K samples of an
identity that is K − 1 triplets an anchor.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from siamkit.train.relations import Relations

# Wu et al. 2017, "Sampling Matters in Deep Embedding Learning", §4 and their code: negatives
# nearer than 0.5 are drawn as if at 0.5, where the noise would outweigh the signal; those
# beyond 1.4, about the distance of two random vectors, teach nothing.
NEAR, FAR = 0.5, 1.4


class Triplets(NamedTuple):
    """Row numbers of a batch, (t,) int64 each; t may be 0."""

    anchor: Tensor
    positive: Tensor
    negative: Tensor


# (distances: (n, n) squared, without gradient; relations; generator, of any device)
Miner: TypeAlias = Callable[[Tensor, Relations, torch.Generator], Triplets]

NO_TRIPLETS = Triplets(*torch.empty(3, 0, dtype=torch.int64))


def miner(name: str, margin: float, dim: int) -> Miner:
    """The miner of that name, for vectors of `dim` components. Raises KeyError."""
    miners: dict[str, Miner] = {
        "random": random,
        "semi-hard": partial(semi_hard, margin=margin),
        "batch-hard": batch_hard,
        "distance-weighted": partial(distance_weighted, dim=dim),
    }
    return miners[name]


def random(distances: Tensor, relations: Relations, generator: torch.Generator) -> Triplets:
    """Any negative, all equally likely."""
    anchor, positive = relations.positive.nonzero(as_tuple=True)
    return _draw(anchor, positive, relations.negative[anchor], generator)


def semi_hard(
    distances: Tensor, relations: Relations, generator: torch.Generator, *, margin: float
) -> Triplets:
    """Any negative with d²(a, p) < d²(a, n) < d²(a, p) + margin (FaceNet, §3.2).

    A pair without one is left out. Random within the band rather than the hardest in it: that
    would be the same mislabelled sample every time, and sits where gradients are mostly noise.
    """
    anchor, positive = relations.positive.nonzero(as_tuple=True)
    candidates = distances.masked_fill(~relations.negative, torch.inf)[anchor]
    least = distances[anchor, positive][:, None]
    band = (candidates > least) & (candidates < least + margin)
    return _draw(anchor, positive, band, generator)


def batch_hard(distances: Tensor, relations: Relations, generator: torch.Generator) -> Triplets:
    """For each anchor its farthest positive and its nearest negative (Hermans et al. 2017, §2)."""
    anchor = (relations.positive.any(1) & relations.negative.any(1)).nonzero()[:, 0]
    if not len(anchor):
        return Triplets(anchor, anchor, anchor)
    farthest = distances.masked_fill(~relations.positive, -torch.inf).argmax(1)
    nearest = distances.masked_fill(~relations.negative, torch.inf).argmin(1)
    return Triplets(anchor, farthest[anchor], nearest[anchor])


def distance_weighted(
    distances: Tensor, relations: Relations, generator: torch.Generator, *, dim: int
) -> Triplets:
    """Negatives of all distances equally often (Wu et al. 2017, §4).

    Nearly all pairs of random vectors are about √2 apart. With the density of distances on the
    sphere, q(d) ∝ d^(dim − 2) (1 − d²/4)^((dim − 3) / 2), a negative is drawn with the weight
    1 / q(d), 0 from FAR on; but where all are that far, any may come.
    """
    anchor, positive = relations.positive.nonzero(as_tuple=True)
    near = relations.negative & (distances < FAR**2)
    allowed = torch.where(near.any(1, keepdim=True), near, relations.negative)
    squared = distances.float().clamp(NEAR**2, FAR**2)
    log = -(dim - 2) / 2 * squared.log() - (dim - 3) / 2 * (1 - squared / 4).log()
    # As a softmax: the weights themselves would overflow in some hundred dimensions.
    weight = log.masked_fill(~allowed, torch.finfo(log.dtype).min).softmax(1) * allowed
    return _draw(anchor, positive, weight[anchor], generator)


def active_fraction(distances: Tensor, relations: Relations, margin: float) -> float:
    """The share of all possible triplets with d²(a, p) − d²(a, n) + margin > 0; 0 of none is 0."""
    anchor, positive = relations.positive.nonzero(as_tuple=True)
    candidates = distances.masked_fill(~relations.negative, torch.inf)[anchor]
    active = (candidates < distances[anchor, positive][:, None] + margin).sum()
    possible = relations.negative.sum(1)[anchor].sum()
    return float(active / possible.clamp(min=1))


def _draw(anchor: Tensor, positive: Tensor, weight: Tensor, generator: torch.Generator) -> Triplets:
    """A negative for each pair, as likely as its `weight`, (t, n) and 0 or more; none where all
    are 0.

    By inversion: one random number a pair, where torch.multinomial takes one a candidate.
    """
    if not weight.numel():
        return Triplets(anchor, positive, anchor)
    uniform = torch.rand(len(weight), 1, generator=generator, device=generator.device)
    reached = weight.float().cumsum(1)
    wanted = uniform.to(weight.device) * reached[:, -1:]
    negative = torch.searchsorted(reached, wanted, right=True).clamp(max=weight.shape[1] - 1)
    found = (weight.gather(1, negative) > 0)[:, 0]
    return Triplets(anchor[found], positive[found], negative[found, 0])
