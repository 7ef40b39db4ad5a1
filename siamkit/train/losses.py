"""Losses of a batch. All are called alike; `mined` says which of them read the triplets.

Distances are squared Euclidean distances of unit vectors, d² = 2 − 2 cos, so a margin in d² is
half as wide in the cosine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

from siamkit.errors import PluginError
from siamkit.train import own_loss
from siamkit.train.config import TrainConfig
from siamkit.train.loss_settings import PARAMETERS, PROXY_LOSSES, Term
from siamkit.train.miners import Triplets
from siamkit.train.relations import Relations


class Loss(nn.Module):
    """Maps (c, d) float embeddings of norm 1 to a () float with a gradient, 0 without any pair.

    The first a of them are anchors; see siamkit.train.relations.

    Its parameters, if it has any, are trained with the encoder and discarded afterwards.
    """

    mined = False  # True if `triplets` is read

    def forward(self, embeddings: Tensor, relations: Relations, triplets: Triplets) -> Tensor:
        raise NotImplementedError


def build_loss(config: TrainConfig, classes: int) -> Loss:
    """Build the configured loss, for labels in [0, classes).

    Raises BadInput or PluginError if it is one's own and cannot be had.
    """
    terms = config.loss_terms()
    losses = [_build(term, classes, config.dim) for term in terms]
    if len(terms) == 1 and terms[0].weight == 1:
        return losses[0]
    return WeightedSum(losses, [term.weight for term in terms])


def _build(term: Term, classes: int, dim: int) -> Loss:
    name, parameters = term.name, term.parameters
    if name not in PARAMETERS:
        return OwnLoss(name, parameters, classes, dim)
    if name in PROXY_LOSSES:
        return ProxyLoss(name, parameters, classes, dim)
    match name:
        case "triplet":
            return TripletLoss(**parameters)
        case "soft-triplet":
            return SoftTripletLoss(**parameters)
        case "multiple-negatives":
            return MultipleNegativesLoss(**parameters)
        case "cosent":
            return CosentLoss(**parameters)
        case _:
            return PairLoss(name, parameters)


class WeightedSum(Loss):
    """Adds losses of the same batch, each times its weight."""

    def __init__(self, losses: Sequence[Loss], weights: Sequence[float]) -> None:
        super().__init__()
        self.losses, self.weights = nn.ModuleList(losses), weights
        self.mined = any(loss.mined for loss in losses)

    def forward(self, embeddings: Tensor, relations: Relations, triplets: Triplets) -> Tensor:
        terms = [
            weight * loss(embeddings, relations, triplets)
            for weight, loss in zip(self.weights, self.losses, strict=True)
        ]
        return torch.stack(terms).sum()


class TripletLoss(Loss):
    """max(d²(a, p) − d²(a, n) + margin, 0), the mean of those above 0 (FaceNet, §3.1).

    The mean of all would fade as fewer triplets are active, and the steps with it.

    power: 1 takes d in place of d². swap: p takes the place of a if it is nearer to n.
    """

    mined = True

    def __init__(self, margin: float, power: int, swap: bool) -> None:
        super().__init__()
        self.margin, self.power, self.swap = margin, power, swap

    def forward(self, embeddings: Tensor, relations: Relations, triplets: Triplets) -> Tensor:
        losses: Tensor = relu(self._excess(embeddings, triplets))
        return losses.sum() / (losses > 0).sum().clamp(min=1)

    def _excess(self, embeddings: Tensor, triplets: Triplets) -> Tensor:
        """Return (t,) d²(a, p) − d²(a, n) + margin."""
        anchor, positive, negative = (embeddings[rows] for rows in triplets)
        farther = self._distance(anchor, negative)
        if self.swap:
            farther = torch.minimum(farther, self._distance(positive, negative))
        return self._distance(anchor, positive) - farther + self.margin

    def _distance(self, first: Tensor, second: Tensor) -> Tensor:
        """Return distances as sums of squares: 2 − 2 cos would lose digits where they are small."""
        if self.power == 2:
            return (first - second).square().sum(1)
        distance: Tensor = torch.linalg.vector_norm(first - second, dim=1)
        return distance


class SoftTripletLoss(TripletLoss):
    """ln(1 + exp(d²(a, p) − d²(a, n) + margin)), the mean of all (Hermans et al. 2017, §2)."""

    def forward(self, embeddings: Tensor, relations: Relations, triplets: Triplets) -> Tensor:
        losses = softplus(self._excess(embeddings, triplets))
        return losses.sum() / max(len(losses), 1)


class MultipleNegativesLoss(Loss):
    """−ln(exp(s(a, p)) / (exp(s(a, p)) + Σₙ exp(s(a, n)))) with s = cos / temperature.

    The mean over the positive pairs. Each pair competes with the anchor's negatives alone, not
    with its other positives (Henderson et al. 2017, §4.4; InfoNCE, van den Oord et al. 2018;
    NT-Xent, Chen et al. 2020).

    symmetric: also of the pair among the anchors of which p is a positive or a negative, the mean
    of both (Radford et al. 2021, §2.3). Labelled batches without impostors are symmetric anyway.
    """

    def __init__(self, temperature: float, symmetric: bool) -> None:
        super().__init__()
        self.temperature, self.symmetric = temperature, symmetric

    def forward(self, embeddings: Tensor, relations: Relations, triplets: Triplets) -> Tensor:
        scores = embeddings[: relations.anchors] @ embeddings.T / self.temperature
        # Not −inf: the gradient of a row without negatives would be NaN.
        lowest = torch.finfo(scores.dtype).min
        negative = scores.masked_fill(~relations.negative, lowest)
        losses = softplus((negative.logsumexp(1)[:, None] - scores)[relations.positive])
        if self.symmetric:
            turned = softplus((negative.logsumexp(0) - scores)[relations.positive])
            losses = (losses + turned) / 2
        return losses.sum() / max(len(losses), 1)


class CosentLoss(Loss):
    """ln(1 + Σ exp((cos_low − cos_high) / temperature)) over all two pairs that differ in score.

    Su 2022, "CoSENT", kexue.fm/archives/8847. In a batch without scored pairs, each positive pair
    has a higher score than each negative one.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, embeddings: Tensor, relations: Relations, triplets: Triplets) -> Tensor:
        if not len(relations.scored):
            cosines = embeddings[: relations.anchors] @ embeddings.T / self.temperature
            low, high = cosines[relations.negative], cosines[relations.positive]
            if not len(low) or not len(high):
                return embeddings.sum() * 0
            return softplus(low.logsumexp(0) + (-high).logsumexp(0))
        first, second = embeddings[relations.scored.T]
        cosines = (first * second).sum(1) / self.temperature
        higher, lower = torch.where(relations.scores[:, None] > relations.scores)
        if not len(higher):
            return embeddings.sum() * 0
        return softplus((cosines[lower] - cosines[higher]).logsumexp(0))


class PairLoss(Loss):
    """Losses over every positive and negative pair, from pytorch-metric-learning.

    contrastive: max(d²(a, p) − positive_margin, 0) and max(margin − d²(a, n), 0), each the mean of
    those above 0 (after Hadsell et al. 2006), of d if power is 1. multi-similarity: Wang
    et al. 2019, equation 12. supcon: Khosla et al. 2020, equation 2. circle: Sun et al. 2020,
    equation 6.
    """

    def __init__(self, name: str, parameters: Mapping[str, Any]) -> None:
        from pytorch_metric_learning import distances, losses

        super().__init__()
        cosine = distances.DotProductSimilarity(normalize_embeddings=False)
        self.scale = 1.0
        match name:
            case "contrastive" if parameters["power"] == 1:
                distance = distances.LpDistance(normalize_embeddings=False)
                near, far = parameters["positive_margin"], parameters["margin"]
                self.term = losses.ContrastiveLoss(near, far, distance=distance)
            case "contrastive":
                self.scale = 2.0  # from 1 − cos to d²
                near, far = 1 - parameters["positive_margin"] / 2, 1 - parameters["margin"] / 2
                self.term = losses.ContrastiveLoss(near, far, distance=cosine)
            case "multi-similarity":
                self.term = losses.MultiSimilarityLoss(**parameters, distance=cosine)
            case "supcon":
                self.term = losses.SupConLoss(**parameters, distance=cosine)
            case "circle":
                self.term = losses.CircleLoss(parameters["margin"], parameters["gamma"])

    def forward(self, embeddings: Tensor, relations: Relations, triplets: Triplets) -> Tensor:
        pairs = (*torch.where(relations.positive), *torch.where(relations.negative))
        if all(len(rows) <= 1 for rows in pairs):
            # The library drops single pairs. Given twice, they cost the same as once.
            pairs = tuple(rows.repeat(2) for rows in pairs)
        anchors = embeddings[: relations.anchors]
        loss: Tensor = self.scale * self.term(anchors, indices_tuple=pairs, ref_emb=embeddings)
        return loss


class ProxyLoss(Loss):
    """Losses of the anchors against proxies, one trained vector per identity, without impostors.

    arcface: Deng et al. 2019, equation 3. cosface: Wang et al. 2018, equation 4.
    subcenter-arcface: Deng et al. 2020, §3, with several proxies per identity.
    proxy-anchor: Kim et al. 2020, equation 4.
    """

    def __init__(self, name: str, parameters: Mapping[str, Any], classes: int, dim: int) -> None:
        from pytorch_metric_learning import losses

        super().__init__()
        values = dict(parameters)
        if "arcface" in name:
            values["margin"] = math.degrees(values["margin"])
        kind = {
            "arcface": losses.ArcFaceLoss,
            "cosface": losses.CosFaceLoss,
            "subcenter-arcface": losses.SubCenterArcFaceLoss,
            "proxy-anchor": losses.ProxyAnchorLoss,
        }[name]
        self.term = kind(num_classes=classes, embedding_size=dim, **values)

    def forward(self, embeddings: Tensor, relations: Relations, triplets: Triplets) -> Tensor:
        genuine = torch.where(~relations.impostor[: relations.anchors])[0]
        if not len(genuine):
            return embeddings.sum() * 0
        loss: Tensor = self.term(embeddings[genuine], relations.labels[genuine])
        return loss


class OwnLoss(Loss):
    """Calls a function, or an object of a class, with (embeddings, relations, triplets).

    name: module:function, or module:class. A function is also given the parameters, at each call.
    A class is called with them once; where it asks for `classes` or `dim`, it is given the number
    of identities and the width of the embeddings. An attribute `mined = False` spares the miner.

    Raises BadInput if there is no such thing or it does not take the parameters, PluginError if
    it fails.
    """

    def __init__(self, name: str, parameters: Mapping[str, Any], classes: int, dim: int) -> None:
        super().__init__()
        target = own_loss.find(name, parameters)
        self.name, self.extra = name, dict(parameters)
        self.mined = bool(getattr(target, "mined", True))
        if isinstance(target, type):
            offered = own_loss.offers(target, {"classes": classes, "dim": dim})
            target = own_loss.call(name, target, **(offered | self.extra))
            self.extra = {}
        self.target = target

    def forward(self, embeddings: Tensor, relations: Relations, triplets: Triplets) -> Tensor:
        loss = own_loss.call(self.name, self.target, embeddings, relations, triplets, **self.extra)
        if isinstance(loss, Tensor) and loss.shape == () and loss.requires_grad:
            return loss
        shape = f"of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else ""
        raise PluginError(
            f"loss {self.name} returned a {type(loss).__name__} {shape}".rstrip(),
            hint="it must return a tensor of shape () that has a gradient",
        )
