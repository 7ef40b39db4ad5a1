"""Adapters of pytorch-metric-learning's classes; see peer_cases.py."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import peer_pml_others
import pytorch_metric_learning.losses as their_losses
import torch
from peer_cases import Cases, NotExpressible
from peer_pml_others import absent, exported
from pytorch_metric_learning import distances, reducers
from pytorch_metric_learning.utils import loss_and_miner_utils as lmu
from torch import Tensor
from torch.nn.functional import normalize

from siamkit.errors import BadInput
from siamkit.train.config import TrainConfig
from siamkit.train.losses import Loss, build_loss
from siamkit.train.miners import NO_TRIPLETS, Triplets
from siamkit.train.relations import Relations

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
    peer_pml_others.install(cases)


def adapt_loss(cases: Cases, kind: Any, original: Any, build: Builder) -> None:
    def forward(self: Any, embeddings: Any, labels: Any = None, indices_tuple: Any = None,
                ref_emb: Any = None, ref_labels: Any = None) -> Any:  # fmt: skip
        theirs = original(self, embeddings, labels, indices_tuple, ref_emb, ref_labels)
        if cases.inside:
            return theirs
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
    reducer = loss.reducer
    if type(reducer) is reducers.MultipleReducers:  # one for each term of a loss
        parts = [*reducer.reducers.values()] or [reducer.default_reducer]
    else:
        parts = [reducer]
    for part in parts:
        if type(part) not in kinds:
            raise NotExpressible(f"{type(part).__name__} in place of {kinds[0].__name__}")


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
    rows, start = rows_of(loss, call)
    setting = {"margin": loss.neg_margin, "positive_margin": loss.pos_margin, "power": power}
    if kind == "cosine":
        setting |= {
            "margin": 2 - 2 * loss.neg_margin,
            "positive_margin": 2 - 2 * loss.pos_margin,
            "weight": 0.5,
        }
    ours = ours_of({"name": "contrastive", **setting})
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
