"""Losses of a batch. All are called alike; `mined` says which of them read the triplets.

Distances are squared Euclidean distances of unit vectors, d² = 2 − 2 cos, so a margin in d² is
half as wide in the cosine.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from siamkit.train.config import TrainConfig
from siamkit.train.miners import Triplets
from siamkit.train.relations import Relations


class Loss(torch.nn.Module):
    """Maps (c, d) float embeddings of norm 1 to a () float with a gradient, 0 without any pair.

    The first a of them are anchors; see siamkit.train.relations.

    Its parameters, if it has any, are trained with the encoder and discarded afterwards.
    """

    mined = False  # True if `triplets` is read

    def forward(self, embeddings: Tensor, relations: Relations, triplets: Triplets) -> Tensor:
        raise NotImplementedError


def build_loss(config: TrainConfig, classes: int) -> Loss:
    """Build the configured loss, for labels in [0, classes)."""
    match config.loss:
        case "triplet":
            return TripletLoss(config.margin)
        case "soft-triplet":
            return SoftTripletLoss()
        case "multiple-negatives":
            return MultipleNegativesLoss(config.temperature)
        case "contrastive" | "multi-similarity":
            return PairLoss(config)
        case _:
            return ProxyLoss(config, classes)


class TripletLoss(Loss):
    """max(d²(a, p) − d²(a, n) + margin, 0), the mean of those above 0 (FaceNet, §3.1).

    The mean of all would fade as fewer triplets are active, and the steps with it.
    """

    mined = True

    def __init__(self, margin: float) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, embeddings: Tensor, relations: Relations, triplets: Triplets) -> Tensor:
        losses = relu(_excess(embeddings, triplets) + self.margin)
        return losses.sum() / (losses > 0).sum().clamp(min=1)


class SoftTripletLoss(Loss):
    """ln(1 + exp(d²(a, p) − d²(a, n))), the mean of all (Hermans et al. 2017, §2)."""

    mined = True

    def forward(self, embeddings: Tensor, relations: Relations, triplets: Triplets) -> Tensor:
        losses = softplus(_excess(embeddings, triplets))
        return losses.sum() / max(len(losses), 1)


class MultipleNegativesLoss(Loss):
    """−ln(exp(s(a, p)) / (exp(s(a, p)) + Σₙ exp(s(a, n)))) with s = cos / temperature.

    The mean over the positive pairs. Each pair competes with the anchor's negatives alone, not
    with its other positives (Henderson et al. 2017, §4.4; InfoNCE, van den Oord et al. 2018).
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, embeddings: Tensor, relations: Relations, triplets: Triplets) -> Tensor:
        scores = embeddings[: relations.anchors] @ embeddings.T / self.temperature
        # Not −inf: the gradient of a row without negatives would be NaN.
        lowest = torch.finfo(scores.dtype).min
        negatives = scores.masked_fill(~relations.negative, lowest).logsumexp(1)
        losses = softplus((negatives[:, None] - scores)[relations.positive])
        return losses.sum() / max(len(losses), 1)


class PairLoss(Loss):
    """Losses over every positive and negative pair, from pytorch-metric-learning.

    contrastive: d²(a, p) and max(margin − d²(a, n), 0), each the mean of those above 0.
    multi-similarity: Wang et al. 2019, equation 12, with the constants of their code.
    """

    def __init__(self, config: TrainConfig) -> None:
        from pytorch_metric_learning import distances, losses

        super().__init__()
        cosine = distances.DotProductSimilarity(normalize_embeddings=False)
        if config.loss == "contrastive":
            self.scale = 2.0  # from 1 − cos to d²
            threshold = 1 - config.margin / 2
            self.term = losses.ContrastiveLoss(pos_margin=1, neg_margin=threshold, distance=cosine)
        else:
            self.scale = 1.0
            self.term = losses.MultiSimilarityLoss(distance=cosine)

    def forward(self, embeddings: Tensor, relations: Relations, triplets: Triplets) -> Tensor:
        pairs = (*torch.where(relations.positive), *torch.where(relations.negative))
        anchors = embeddings[: relations.anchors]
        loss: Tensor = self.scale * self.term(anchors, indices_tuple=pairs, ref_emb=embeddings)
        return loss


class ProxyLoss(Loss):
    """Losses of the anchors against proxies, one trained vector per identity, without impostors.

    arcface: Deng et al. 2019, equation 3, margin in radians. proxy-anchor: Kim et al. 2020,
    equation 4, margin in d² (0.2 is their 0.1 in the cosine). Scale and alpha: 1 / temperature.
    """

    def __init__(self, config: TrainConfig, classes: int) -> None:
        from pytorch_metric_learning import losses

        super().__init__()
        scale = 1 / config.temperature
        if config.loss == "arcface":
            angle = math.degrees(config.margin)
            self.term = losses.ArcFaceLoss(classes, config.dim, margin=angle, scale=scale)
        else:
            margin = config.margin / 2
            self.term = losses.ProxyAnchorLoss(classes, config.dim, margin=margin, alpha=scale)

    def forward(self, embeddings: Tensor, relations: Relations, triplets: Triplets) -> Tensor:
        genuine = torch.where(~relations.impostor[: relations.anchors])[0]
        if not len(genuine):
            return embeddings.sum() * 0
        loss: Tensor = self.term(embeddings[genuine], relations.labels[genuine])
        return loss


def _excess(embeddings: Tensor, triplets: Triplets) -> Tensor:
    """Return (t,) d²(a, p) − d²(a, n).

    They are sums of squares: 2 − 2 cos would lose digits where d² is small.
    """
    anchor, positive, negative = (embeddings[rows] for rows in triplets)
    return (anchor - positive).square().sum(1) - (anchor - negative).square().sum(1)
