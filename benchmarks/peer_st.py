"""Adapters of sentence-transformers' losses; see peer_cases.py."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from peer_cases import Cases, NotExpressible
from sentence_transformers.sentence_transformer import losses
from sentence_transformers.util import cos_sim, pairwise_cos_sim
from torch import Tensor
from torch.nn.functional import normalize

from siamkit.train.config import TrainConfig
from siamkit.train.losses import build_loss
from siamkit.train.miners import NO_TRIPLETS
from siamkit.train.relations import Relations

SYMMETRIC = {"query_to_doc", "doc_to_query"}


def install(cases: Cases) -> None:
    """Put ours behind the method that the losses compute with."""
    for kind, ours in (
        (losses.MultipleNegativesRankingLoss, multiple_negatives),
        (losses.CoSENTLoss, cosent),
    ):
        adapt(cases, kind, ours)


def adapt(cases: Cases, kind: Any, ours: Any) -> None:
    method = kind.compute_loss_from_embeddings

    def compute(self: Any, embeddings: list[Tensor], labels: Any) -> Tensor:
        theirs = method(self, embeddings, labels)
        name = type(self).__name__
        return cases.compare(name, theirs, lambda: ours(self, embeddings, labels), embeddings)

    kind.compute_loss_from_embeddings = compute


def related(anchors: int, rows: Tensor) -> Relations:
    none = torch.zeros(anchors, len(rows), dtype=torch.bool)
    return Relations(
        none, none.clone(), torch.zeros(len(rows)).long(), torch.zeros(len(rows)).bool()
    )


def multiple_negatives(loss: Any, embeddings: list[Tensor], _: Any) -> Tensor:
    """Compare anchors with their positives, which follow them, and with all others' but anchors."""
    if loss.similarity_fct is not cos_sim:
        raise NotExpressible("another similarity than the cosine")
    if loss.hardness_mode and loss.hardness_strength:
        raise NotExpressible("negatives weighted by their hardness")
    directions = set(loss.directions)
    both = directions == SYMMETRIC and loss.partition_mode == "per_direction"
    if directions != {"query_to_doc"} and not both:
        raise NotExpressible(f"directions {', '.join(loss.directions)}")
    rows = torch.cat([normalize(part.float()) for part in embeddings])
    count = len(embeddings[0])
    pairs = related(count, rows)
    own = torch.arange(count)
    pairs.positive[own, count + own] = True
    pairs.negative[:, count:] = True
    pairs.negative[own, count + own] = False
    setting = {"name": "multiple-negatives", "temperature": 1 / loss.scale, "symmetric": both}
    return build_loss(TrainConfig(loss=setting), 2)(rows, pairs, NO_TRIPLETS)


def cosent(loss: Any, embeddings: list[Tensor], labels: Tensor) -> Tensor:
    if loss.similarity_fct is not pairwise_cos_sim:
        raise NotExpressible("another similarity than the cosine")
    rows = torch.cat([normalize(part.float()) for part in embeddings])
    count = len(embeddings[0])
    scored = torch.stack([torch.arange(count), count + torch.arange(count)], 1)
    pairs = dataclasses.replace(related(count, rows), scored=scored, scores=labels.view(-1))
    setting = {"name": "cosent", "temperature": 1 / loss.scale}
    return build_loss(TrainConfig(loss=setting), 2)(rows, pairs, NO_TRIPLETS)
