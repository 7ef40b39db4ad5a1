"""Adapters of open-metric-learning's classes; see peer_cases.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from oml.functional import metrics
from oml.losses.arcface import ArcFaceLoss
from oml.losses.triplet import TripletLoss
from oml.miners.inbatch_hard_tri import HardTripletsMiner
from oml.samplers.balance import BalanceSampler
from peer_cases import AGREES, DIFFERS, Cases, NotExpressible
from torch import Tensor
from torch.nn.functional import normalize

from siamkit.stats.metrics import fnmr_at
from siamkit.train import miners
from siamkit.train.config import TrainConfig
from siamkit.train.losses import build_loss
from siamkit.train.miners import NO_TRIPLETS, Triplets
from siamkit.train.relations import Relations, relations
from siamkit.train.sampler import BatchShape, sampler


def install(cases: Cases) -> None:
    """Put adapters in place of the methods of the library."""
    adapt_triplet(cases)
    adapt_arcface(cases)
    adapt_miner(cases)
    adapt_sampler(cases)
    adapt_rate(cases)


def unrelated(count: int, labels: Tensor | None = None) -> Relations:
    none = torch.zeros(count, count, dtype=torch.bool)
    return Relations(none, none, none[0].long() if labels is None else labels, none[0])


def adapt_triplet(cases: Cases) -> None:
    original = TripletLoss.forward

    def forward(self: Any, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        leaves = [anchor, positive, negative]
        theirs = original(self, *leaves)
        return cases.compare("TripletLoss", theirs, lambda: triplet(self, leaves), leaves)

    TripletLoss.forward = forward


def triplet(loss: Any, parts: list[Tensor]) -> Tensor:
    if loss.reduction != "mean":
        raise NotExpressible(f"reduction {loss.reduction!r}")
    near, far = ((parts[0] - other).norm(dim=1).detach() for other in parts[1:])
    count = len(near)
    triplets = Triplets(*torch.arange(3 * count).reshape(3, count))
    setting: dict[str, Any] = {"name": "soft-triplet", "power": 1}
    if loss.margin is not None:
        active = near - far + loss.margin > 0
        if bool(active.any()) and not bool(active.all()):
            raise NotExpressible("the mean of satisfied terms, too")
        setting = {"name": "triplet", "power": 1, "margin": loss.margin}
    ours = build_loss(TrainConfig(loss=setting), 2)
    return ours(torch.cat(parts), unrelated(3 * count), triplets)


def adapt_arcface(cases: Cases) -> None:
    original = ArcFaceLoss.forward

    def forward(self: Any, x: Tensor, y: Tensor) -> Tensor:
        theirs = original(self, x, y)
        leaves = [x, self.weight]
        return cases.compare("ArcFaceLoss", theirs, lambda: arcface(self, x, y), leaves)

    ArcFaceLoss.forward = forward


def arcface(loss: Any, x: Tensor, y: Tensor) -> Tensor:
    if loss.smoothing_epsilon or loss.label2category is not None:
        raise NotExpressible("smoothed labels")
    setting = {"name": "arcface", "margin": loss.m, "scale": loss.rescale}
    ours: Any = build_loss(TrainConfig(loss=setting, dim=x.shape[1]), loss.num_classes)
    del ours.term.W
    ours.term.W = loss.weight.T
    value: Tensor = ours(normalize(x), unrelated(len(x), y), NO_TRIPLETS)
    return value


def adapt_miner(cases: Cases) -> None:
    original = HardTripletsMiner._sample_from_distmat

    def sample(distmat: Tensor, labels: Any) -> Any:
        theirs = original(distmat=distmat, labels=labels)
        given = torch.as_tensor(labels)
        related = relations(given, torch.zeros(len(given), dtype=torch.bool))
        ours = miners.batch_hard(distmat, related, torch.Generator())
        same = ours.anchor.tolist() == list(theirs[0])
        for part in (1, 2):  # ties may be broken otherwise
            other = torch.as_tensor(theirs[part])
            same = same and torch.equal(
                distmat[ours.anchor, ours[part]], distmat[ours.anchor, other]
            )
        cases.add("HardTripletsMiner", AGREES if same else DIFFERS)
        return tuple(rows.tolist() for rows in ours)

    HardTripletsMiner._sample_from_distmat = staticmethod(sample)


def adapt_sampler(cases: Cases) -> None:
    original = BalanceSampler.__iter__

    def batches(self: Any) -> Iterator[list[int]]:
        classes, numbers = np.unique(np.asarray(self.labels), return_inverse=True)
        reason = ""
        if np.bincount(numbers).min() < self.n_instances:
            reason = "a class of fewer samples than are drawn of it"
        elif len(classes) % self.n_labels:
            reason = "a smaller batch at the end of an epoch"
        if reason:
            cases.add("BalanceSampler", reason)
            yield from original(self)
            return
        shape = BatchShape(self.n_labels, self.n_instances, 0)
        own = sampler(numbers, np.zeros(len(numbers), bool), shape, seed=0)
        drawn = [own.draw(step).tolist() for step in range(len(classes) // self.n_labels)]
        counts = np.bincount(numbers[np.concatenate(drawn)], minlength=len(classes))
        same = bool((counts == self.n_instances).all()) and len(drawn) == len(self)
        cases.add("BalanceSampler", AGREES if same else DIFFERS)
        yield from drawn

    BalanceSampler.__iter__ = batches


def adapt_rate(cases: Cases) -> None:
    original = metrics.calc_fnmr_at_fmr

    def calc_fnmr_at_fmr(pos_dist: Any, neg_dist: Any, fmr_vals: Any = (0.1,)) -> Any:
        theirs = original(pos_dist, neg_dist, fmr_vals)
        ours = [fnmr_at(-np.asarray(pos_dist), -np.asarray(neg_dist), rate)[0] for rate in fmr_vals]
        same = np.allclose(ours, theirs, atol=1e-6)
        cases.add("calc_fnmr_at_fmr", AGREES if same else DIFFERS)
        return torch.tensor(ours, dtype=torch.float32)

    metrics.calc_fnmr_at_fmr = calc_fnmr_at_fmr
