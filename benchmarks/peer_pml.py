"""Adapters of pytorch-metric-learning's classes; see peer_cases.py."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytorch_metric_learning.losses as their_losses
import pytorch_metric_learning.miners as their_miners
import pytorch_metric_learning.samplers as their_samplers
import torch
from peer_cases import AGREES, DIFFERS, Cases, NotExpressible
from pytorch_metric_learning import distances, reducers
from pytorch_metric_learning.utils import accuracy_calculator
from pytorch_metric_learning.utils import loss_and_miner_utils as lmu
from torch import Tensor
from torch.nn.functional import normalize

from siamkit.errors import BadInput
from siamkit.stats.retrieval import _average_precision
from siamkit.train import miners
from siamkit.train.config import TrainConfig
from siamkit.train.losses import Loss, build_loss
from siamkit.train.miners import NO_TRIPLETS, Triplets
from siamkit.train.relations import Relations
from siamkit.train.sampler import BatchShape, sampler

UNIT = 1e-3  # by which the norm of a unit vector may be off
Arguments = Any  # embeddings, labels, indices_tuple, ref_emb, ref_labels
Builder = Callable[[Any, Arguments], Tensor]


def install(cases: Cases) -> None:
    """Put adapters in place of the classes of the library."""
    builders: dict[str, Builder] = {
        "TripletMarginLoss": triplet,
        "ContrastiveLoss": contrastive,
        "MultiSimilarityLoss": multi_similarity,
        "NTXentLoss": softmax("multiple-negatives", reducers.MeanReducer),
        "SupConLoss": softmax("supcon", reducers.AvgNonZeroReducer),
        "CircleLoss": circle,
        "ArcFaceLoss": proxies("arcface"),
        "CosFaceLoss": proxies("cosface"),
        "SubCenterArcFaceLoss": proxies("subcenter-arcface"),
        "ProxyAnchorLoss": proxies("proxy-anchor"),
    }
    kinds = exported(their_losses, their_losses.BaseMetricLossFunction)
    for kind, forward in [(kind, kind.forward) for kind in kinds]:
        adapt_loss(cases, kind, forward, builders.get(kind.__name__, absent))
    mine = {"BatchHardMiner": batch_hard, "TripletMarginMiner": semi_hard}
    kinds = exported(their_miners, their_miners.BaseMiner)
    for kind, forward in [(kind, kind.forward) for kind in kinds]:
        adapt_miner(cases, kind, forward, mine.get(kind.__name__, absent))
    adapt_sampler(cases, their_samplers.MPerClassSampler)
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


def adapt_loss(cases: Cases, kind: Any, original: Any, build: Builder) -> None:
    def forward(self: Any, embeddings: Any, labels: Any = None, indices_tuple: Any = None,
                ref_emb: Any = None, ref_labels: Any = None) -> Any:  # fmt: skip
        theirs = original(self, embeddings, labels, indices_tuple, ref_emb, ref_labels)
        call = SimpleNamespace(
            embeddings=embeddings, labels=labels, indices=indices_tuple,
            ref_emb=ref_emb, ref_labels=ref_labels,
        )  # fmt: skip

        def ours() -> Tensor:
            if not isinstance(theirs, Tensor) or theirs.shape != ():
                raise NotExpressible("a reducer that returns no number")
            if embeddings.dtype == torch.float16:
                raise NotExpressible("half precision: ours is given float32")
            if getattr(self, "embedding_regularizer", None):
                raise NotExpressible("a regulariser of embeddings")
            return build(self, call)

        leaves = [embeddings, *([] if ref_emb is None else [ref_emb]), *self.parameters()]
        return cases.compare(kind.__name__, theirs, ours, leaves)

    kind.forward = forward


def ours_of(setting: dict[str, Any], dim: int = 0, classes: int = 2) -> Loss:
    try:
        return build_loss(TrainConfig(loss=setting, dim=dim), classes)
    except BadInput as error:
        raise NotExpressible(str(error)) from error


def require_reducer(loss: Any, *kinds: type) -> None:
    if type(loss.reducer) not in kinds:
        raise NotExpressible(f"{type(loss.reducer).__name__} in place of {kinds[0].__name__}")


def rows_of(loss: Any, call: Arguments, *, unit: bool = True) -> tuple[Tensor, int]:
    """Return the candidates, the call's own embeddings first, and at which row references begin."""
    own, others = call.embeddings, call.ref_emb
    rows = own if others is None else torch.cat([own, others])
    if loss.distance.normalize_embeddings:
        rows = normalize(rows)
    elif unit and not bool(((rows.norm(dim=1) - 1).abs() < UNIT).all()):
        raise NotExpressible("vectors that are not of unit length")
    return rows, 0 if others is None else len(own)


def pairs_of(call: Arguments, rows: Tensor, start: int) -> Relations:
    """Return the relations that the labels or the indices of a call stand for."""
    count = len(call.embeddings)
    a1, p, a2, n = lmu.convert_to_pairs(call.indices, call.labels, call.ref_labels)
    masks = torch.zeros(2, count, len(rows), dtype=torch.bool)
    masks[0, a1, p + start] = masks[1, a2, n + start] = True
    if (int(masks[0].sum()), int(masks[1].sum())) != (len(a1), len(a2)):
        raise NotExpressible("pairs given more than once, each of which counts")
    labels = torch.zeros(len(rows), dtype=torch.int64)
    return Relations(masks[0], masks[1], labels, labels.bool())


def unrelated(anchors: int, candidates: int) -> Relations:
    """Return relations of a batch whose triplets or labels alone count."""
    none = torch.zeros(anchors, candidates, dtype=torch.bool)
    return Relations(none, none, torch.zeros(candidates).long(), torch.zeros(candidates).bool())


def metric(loss: Any) -> tuple[str, int]:
    """Return "cosine" and 2, or "distance" and its power."""
    kind, distance = type(loss.distance), loss.distance
    if kind in (distances.CosineSimilarity, distances.DotProductSimilarity):
        return "cosine", 2
    if kind is distances.LpDistance and distance.p == 2 and distance.power in (1, 2):
        return "distance", distance.power
    raise NotExpressible(f"another distance: {kind.__name__}")


def triplet(loss: Any, call: Arguments) -> Tensor:
    kind, power = metric(loss)
    indices = lmu.convert_to_triplets(
        call.indices, call.labels, call.ref_labels, t_per_anchor=loss.triplets_per_anchor
    )
    rows, start = rows_of(loss, call, unit=kind == "cosine")
    anchor, positive, negative = indices
    triplets = Triplets(anchor, positive + start, negative + start)
    if loss.triplets_per_anchor != "all" and call.indices is None:
        raise NotExpressible("triplets drawn by the loss itself")
    require_reducer(loss, reducers.AvgNonZeroReducer, reducers.MeanReducer)
    settings = {"power": power, "swap": loss.swap, "margin": loss.margin}
    related = unrelated(len(call.embeddings), len(rows))
    if loss.smooth_loss:
        if kind == "cosine":
            raise NotExpressible("the smooth form on cosines")
        return ours_of({"name": "soft-triplet", **settings})(rows, related, triplets)
    if kind == "cosine":  # 1 − cos is half of d²
        settings |= {"margin": 2 * loss.margin, "weight": 0.5}
    ours = ours_of({"name": "triplet", **settings})
    if type(loss.reducer) is reducers.MeanReducer:
        require_one_kind(loss, rows, triplets)
    return ours(rows, related, triplets)


def require_one_kind(loss: Any, rows: Tensor, triplets: Triplets) -> None:
    """Raise unless all triplets are active, or none: then the two means are the same."""
    a, p, n = (rows[part].detach() for part in triplets)
    near, far = (loss.distance.pairwise_distance(a, other) for other in (p, n))
    active = loss.distance.margin(near, far) + loss.margin > 0
    if bool(active.any()) and not bool(active.all()):
        raise NotExpressible("the mean of satisfied terms, too")


def contrastive(loss: Any, call: Arguments) -> Tensor:
    kind, power = metric(loss)
    require_reducer(loss, reducers.AvgNonZeroReducer)
    if power == 1:
        raise NotExpressible("distances in place of their squares")
    rows, start = rows_of(loss, call)
    settings = {"margin": loss.neg_margin, "positive_margin": loss.pos_margin}
    if kind == "cosine":
        settings = {
            "margin": 2 - 2 * loss.neg_margin,
            "positive_margin": 2 - 2 * loss.pos_margin,
            "weight": 0.5,
        }
    ours = ours_of({"name": "contrastive", **settings})
    return ours(rows, pairs_of(call, rows, start), NO_TRIPLETS)


def multi_similarity(loss: Any, call: Arguments) -> Tensor:
    require_reducer(loss, reducers.MeanReducer)
    if metric(loss)[0] != "cosine":
        raise NotExpressible("a distance in place of the cosine")
    rows, start = rows_of(loss, call)
    setting = {key: getattr(loss, key) for key in ("alpha", "beta", "base")}
    ours = ours_of({"name": "multi-similarity", **setting})
    return ours(rows, pairs_of(call, rows, start), NO_TRIPLETS)


def softmax(name: str, reducer: type) -> Builder:
    def build(loss: Any, call: Arguments) -> Tensor:
        kind, power = metric(loss)
        require_reducer(loss, reducer)
        if power == 1:
            raise NotExpressible("distances in place of their squares")
        rows, start = rows_of(loss, call)
        # −d² / t is (2 cos − 2) / t
        temperature = loss.temperature if kind == "cosine" else loss.temperature / 2
        ours = ours_of({"name": name, "temperature": temperature})
        return ours(rows, pairs_of(call, rows, start), NO_TRIPLETS)

    return build


def circle(loss: Any, call: Arguments) -> Tensor:
    require_reducer(loss, reducers.AvgNonZeroReducer)
    rows, start = rows_of(loss, call)
    ours = ours_of({"name": "circle", "margin": loss.m, "gamma": loss.gamma})
    return ours(rows, pairs_of(call, rows, start), NO_TRIPLETS)


def proxies(name: str) -> Builder:
    def build(loss: Any, call: Arguments) -> Tensor:
        if call.indices is not None:
            raise NotExpressible("weights from a miner")
        if call.labels.ndim != 1 or call.ref_emb is not None:
            raise NotExpressible("other labels than one of each sample")
        if getattr(loss, "weight_regularizer", None):
            raise NotExpressible("a regulariser of proxies")
        wanted = reducers.DivisorReducer if name == "proxy-anchor" else reducers.MeanReducer
        require_reducer(loss, wanted)
        keys = ("margin", "alpha" if name == "proxy-anchor" else "scale", "sub_centers")
        setting = {key: getattr(loss, key) for key in keys if hasattr(loss, key)}
        setting["margin"] = float(setting["margin"])  # arcface: theirs is in radians by now
        rows, _ = rows_of(loss, call)
        ours = ours_of({"name": name, **setting}, rows.shape[1], loss.num_classes)
        weights = "proxies" if name == "proxy-anchor" else "W"
        setattr(ours.term, weights, getattr(loss, weights))
        related = unrelated(len(rows), len(rows))
        return ours(rows, dataclasses.replace(related, labels=call.labels), NO_TRIPLETS)

    return build


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
    kind = accuracy_calculator.AccuracyCalculator
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
