"""Adapters of pytorch-metric-learning's miners, samplers and metrics; see peer_cases.py."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytorch_metric_learning.miners as their_miners
import torch
from peer_cases import AGREES, DIFFERS, Cases, NotExpressible
from pytorch_metric_learning.samplers import MPerClassSampler
from pytorch_metric_learning.utils import loss_and_miner_utils as lmu
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from torch import Tensor

from siamkit.stats.retrieval import _average_precision
from siamkit.train import miners
from siamkit.train.relations import Relations
from siamkit.train.sampler import BatchShape, sampler


def install(cases: Cases) -> None:
    """Put adapters in place of the methods of the library."""
    mine = {"BatchHardMiner": batch_hard, "TripletMarginMiner": semi_hard}
    kinds = exported(their_miners, their_miners.BaseMiner)
    for kind, forward in [(kind, kind.forward) for kind in kinds]:
        adapt_miner(cases, kind, forward, mine.get(kind.__name__, absent))
    adapt_sampler(cases, MPerClassSampler)
    for name, measure in (
        ("mean_average_precision_at_r", _average_precision),
        ("precision_at_1", lambda hits, _: hits[:, 0]),
    ):
        adapt_measure(cases, f"calculate_{name}", measure)


def exported(package: Any, base: type) -> list[Any]:
    kinds = [kind for kind in vars(package).values() if isinstance(kind, type)]
    return [kind for kind in kinds if issubclass(kind, base) and kind is not base]


def absent(*_: Any) -> Any:
    raise NotExpressible("no such thing here")


def adapt_miner(cases: Cases, kind: Any, original: Any, mine: Callable[..., Any]) -> None:
    def forward(self: Any, embeddings: Any, labels: Any, ref_emb: Any = None,
                ref_labels: Any = None) -> Any:  # fmt: skip
        theirs = original(self, embeddings, labels, ref_emb, ref_labels)
        with torch.no_grad():
            matrix = self.distance(embeddings, embeddings if ref_emb is None else ref_emb)
        if self.distance.is_inverted:
            matrix = -matrix
        try:
            same, ours = mine(self, matrix, labels, ref_labels, theirs)
        except NotExpressible as reason:
            cases.add(kind.__name__, str(reason))
            return theirs
        cases.add(kind.__name__, AGREES if same else DIFFERS)
        return ours

    kind.forward = forward


def relations_of(labels: Tensor, ref_labels: Tensor | None) -> Relations:
    matches, different = lmu.get_matches_and_diffs(labels, ref_labels)
    size = matches.shape[1]
    return Relations(matches.bool(), different.bool(), torch.zeros(size).long(),
                     torch.zeros(size).bool())  # fmt: skip


def batch_hard(_: Any, matrix: Tensor, labels: Tensor, refs: Any, theirs: Any) -> tuple[bool, Any]:
    """Equal anchors, and positives and negatives equally far: ties may be broken otherwise."""
    ours = miners.batch_hard(matrix, relations_of(labels, refs), torch.Generator())
    same = torch.equal(ours.anchor, theirs[0])
    if same:
        for part in (1, 2):
            same &= torch.equal(matrix[ours[0], ours[part]], matrix[theirs[0], theirs[part]])
    return same, tuple(ours)


def semi_hard(miner: Any, matrix: Tensor, labels: Tensor, refs: Any, theirs: Any) -> Any:
    """Ours draws one of theirs for each pair; theirs are returned, since they ask for all."""
    if miner.type_of_triplets != "semihard":
        raise NotExpressible(f"{miner.type_of_triplets} triplets")
    allowed = set(zip(*(part.tolist() for part in theirs), strict=True))
    related = relations_of(labels, refs)
    for seed in range(8):
        generator = torch.Generator().manual_seed(seed)
        ours = miners.semi_hard(matrix, related, generator, margin=miner.margin)
        drawn = set(zip(*(part.tolist() for part in ours), strict=True))
        if not drawn <= allowed or {t[:2] for t in drawn} != {t[:2] for t in allowed}:
            return False, theirs
    return True, theirs


def adapt_sampler(cases: Cases, kind: Any) -> None:
    begin, original = kind.__init__, kind.__iter__

    def __init__(self: Any, labels: Any, *arguments: Any, **options: Any) -> None:
        begin(self, labels, *arguments, **options)
        self.own_labels = np.asarray(labels)

    def __iter__(self: Any) -> Iterator[int]:
        classes, numbers = np.unique(self.own_labels, return_inverse=True)
        drawn = self.m_per_class
        if min(np.bincount(numbers)) < drawn:
            cases.add(kind.__name__, "a class of fewer samples than are drawn of it")
            return original(self)  # type: ignore[no-any-return]
        count = len(classes) if self.batch_size is None else self.batch_size // drawn
        own = sampler(numbers, np.zeros(len(numbers), bool), BatchShape(count, drawn, 0), seed=0)
        rows, steps = own.draw(0), max(1, self.list_size // (count * drawn))
        same = np.unique(numbers[rows], return_counts=True)[1].tolist() == [drawn] * count
        cases.add(kind.__name__, AGREES if same else DIFFERS)
        return (row for step in range(steps) for row in own.draw(step).tolist())

    kind.__init__, kind.__iter__ = __init__, __iter__


def adapt_measure(cases: Cases, method: str, measure: Callable[..., Any]) -> None:
    kind = AccuracyCalculator
    original = getattr(kind, method)

    def calculate(self: Any, **given: Any) -> Any:
        theirs = original(self, **given)
        mask, queries = given["not_lone_query_mask"], given["query_labels"]
        if self.avg_of_avgs or self.return_per_class or queries.ndim != 1:
            cases.add(method, "means per class, or several labels of a sample")
            return theirs
        if not bool(mask.any()):
            cases.add(method, "no query that has a match: ours is NaN")
            return theirs
        labels = queries[mask].numpy()
        table = dict(zip(*(torch.as_tensor(part).tolist() for part in given["label_counts"]),
                         strict=True))  # fmt: skip
        counts = np.array([table[label] for label in labels.tolist()])
        counts = counts - int(given["ref_includes_query"])
        hits = given["knn_labels"][mask].numpy() == labels[:, None]
        ours = float(np.mean(measure(hits, counts)))
        cases.add(method, AGREES if math.isclose(ours, theirs, abs_tol=1e-9) else DIFFERS)
        return ours

    setattr(kind, method, calculate)
