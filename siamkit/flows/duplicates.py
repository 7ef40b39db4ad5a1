"""Vectors to duplicates: mine near pairs, ask for a second opinion, group what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.embed.rerankers import judge, pick_reranker
from siamkit.errors import BadInput, PluginError, Uncalibrated
from siamkit.flows.decide import DecisionRule, reranked_limits
from siamkit.host import registry
from siamkit.protocols import Mines
from siamkit.stats import linkage
from siamkit.stats.linkage import ScoredPairs
from siamkit.store.galleries import DEFAULT_INDEX
from siamkit.store.live_index import load_backend
from siamkit.types import Progress, Threshold, ignore_progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.embed.pipeline import Pipeline
    from siamkit.protocols import Reranker
    from siamkit.types import Ids, Vectors

FILLED = 50_000  # items: in a component of up to so many, pairs that mining missed are looked up
STRIP = 1_024  # rows of a component compared at once
PAIR_BYTES = 400  # a pair while it is mined, sorted and grouped, about
SHARE = 0.8  # of the memory that is free; the rest is left to others
JUDGED = 8_192  # pairs that a reranker is given at once


@dataclass(frozen=True, slots=True, eq=False)
class MatchRule:
    """What makes two items the same."""

    threshold: Threshold  # on the reranker's probability, if there is one, else on the cosine
    reranker: Reranker[Any] | None = None

    @property
    def floor(self) -> float:
        """The cosine from which a pair is looked at."""
        return self.reranker.candidates if self.reranker else self.threshold.value


def open_rule(
    pipeline: Pipeline, rule: DecisionRule, default: Threshold | None = None
) -> MatchRule:
    """The rule with its threshold and reranker looked up.

    default: the threshold for cosines, unless the rule has one; None: the encoder's. Raises
    Uncalibrated if there is none, BadInput for a rule with an error rate.
    """
    rule.refuse("deduplication", "fmr", "fpir")
    reranker = pick_reranker(pipeline, rule.reranker)
    if reranker:
        return MatchRule(reranked_limits(rule, reranker).same, reranker)
    threshold = rule.fixed or default or pipeline.threshold
    if threshold is None:
        raise Uncalibrated(
            f"encoder {pipeline.encoder.fingerprint} has no default threshold",
            hint="give one: --threshold 0.9",
        )
    return MatchRule(threshold)


@dataclass(frozen=True, slots=True, eq=False)
class Duplicates:
    """What was found among n items."""

    vectors: Vectors  # (n, dim)
    rule: MatchRule
    near: ScoredPairs  # every pair that was looked at; scores are what the threshold is on
    pairs: ScoredPairs  # those of them at or above the threshold
    groups: list[list[int]]  # the largest first; each of two items or more, in order
    canonical: list[int]  # the item that stands for each group
    mining: Mapping[str, str | int | float | bool]  # see siamkit.protocols.Mines

    def cosine(self, left: Ids, right: Ids) -> NDArray[np.float32]:
        """(k,) cosines of pairs of items."""
        return _cosines(self.vectors, left, right)


def find(
    vectors: Vectors,
    media: Sequence[Any] | None,
    rule: MatchRule,
    *,
    copies: Ids,
    max_memory: int | None = None,
    progress: Progress = ignore_progress,
) -> Duplicates:
    """The duplicates among (n, dim) unit vectors.

    media: the n items themselves, for the reranker; None if there is none. copies: (n,) how often
    each occurs, for the choice of a canonical item. max_memory: bytes that this process may take
    in all; None for most of what is free. Raises BadInput if that is too little.
    """
    mining, candidates = _mine(vectors, rule.floor, _left(max_memory), progress)
    near = _judged(vectors, media, rule, candidates, progress, "judging")
    pairs = near[near.scores >= np.float32(rule.threshold.value)]
    if not mining["exact"]:
        missed = _missed(vectors, rule.floor, pairs, near)
        more = _judged(vectors, media, rule, missed, progress, "looking again")
        near = linkage.merge_pairs([near, more])
        pairs = near[near.scores >= np.float32(rule.threshold.value)]
    groups = sorted(linkage.complete_linkage(pairs), key=lambda group: (-len(group), group))
    canonical = _medoids(groups, pairs, copies)
    return Duplicates(vectors, rule, near, pairs, groups, canonical, mining)


def _left(max_memory: int | None) -> int:
    """Bytes that are still to be had."""
    import psutil

    if max_memory is None:
        return int(SHARE * psutil.virtual_memory().available)
    return max_memory - int(psutil.Process().memory_info().rss)


def _mine(
    vectors: Vectors, floor: float, memory: int, progress: Progress
) -> tuple[dict[str, str | int | float | bool], ScoredPairs]:
    miner = load_backend(DEFAULT_INDEX)
    if not isinstance(miner, Mines):
        raise PluginError(f"{registry.describe(miner)} cannot mine pairs")
    mining, blocks = miner.mine(vectors, floor, memory=memory)
    found, count = [], 0
    for block in blocks:
        found.append(ScoredPairs(block.left, block.right, block.scores))
        count += len(block.left)
        if count * PAIR_BYTES > memory:
            raise BadInput(
                f"more than {count:,} pairs have a cosine of {floor:.3f} or more, which takes more"
                f" than {memory / 1e9:.1f} GB",
                hint="raise --threshold (with --rerank none) or --max-memory",
            )
        progress("mining", block.done, len(vectors))
    return dict(mining), linkage.merge_pairs(found)


def _judged(
    vectors: Vectors,
    media: Sequence[Any] | None,
    rule: MatchRule,
    candidates: ScoredPairs,
    progress: Progress,
    what: str,
) -> ScoredPairs:
    """The candidates, scored as the threshold wants it: by the reranker, if there is one."""
    if rule.reranker is None:
        return candidates
    if media is None:
        raise BadInput("a reranker needs the items themselves, not their vectors alone")
    scores = np.empty(len(candidates), np.float32)
    for start in range(0, len(candidates), JUDGED):
        part = slice(start, start + JUDGED)
        left, right = candidates.left[part], candidates.right[part]
        scores[part] = judge(
            rule.reranker,
            [media[i] for i in left.tolist()],
            [media[i] for i in right.tolist()],
            vectors[left],
            vectors[right],
        )
        progress(what, min(start + JUDGED, len(candidates)), len(candidates))
    return ScoredPairs(candidates.left, candidates.right, scores)


def _missed(vectors: Vectors, floor: float, pairs: ScoredPairs, near: ScoredPairs) -> ScoredPairs:
    """Pairs within components of `pairs`, at or above the floor, that mining did not find.

    Approximate search misses some, and one missing pair would split a group, since complete
    linkage wants them all.
    """
    known = near.left * len(vectors) + near.right  # sorted, as `joined` leaves it
    found = []
    for component in linkage.split_components(pairs):
        nodes = component.nodes()
        if len(nodes) > FILLED or len(component) == len(nodes) * (len(nodes) - 1) // 2:
            continue
        rows = vectors[nodes]
        for top in range(0, len(nodes), STRIP):
            scores = rows[top : top + STRIP] @ rows.T
            a, b = np.nonzero(np.triu(scores >= np.float32(floor), 1 + top))
            left, right = nodes[a + top], nodes[b]
            keys = left * len(vectors) + right
            new = np.searchsorted(known, keys, "left") == np.searchsorted(known, keys, "right")
            found.append(ScoredPairs(left[new], right[new], scores[a, b][new]))
    return linkage.merge_pairs(found)


def _cosines(vectors: Vectors, left: Ids, right: Ids) -> NDArray[np.float32]:
    out = np.empty(len(left), np.float32)
    for start in range(0, len(left), JUDGED):
        part = slice(start, start + JUDGED)
        out[part] = np.einsum("ij,ij->i", vectors[left[part]], vectors[right[part]])
    return out


def _medoids(groups: list[list[int]], pairs: ScoredPairs, copies: Ids) -> list[int]:
    """A canonical item for each group."""
    of = np.full(len(copies), -1, np.int64)
    for number, group in enumerate(groups):
        of[group] = number
    inside = pairs[(of[pairs.left] >= 0) & (of[pairs.left] == of[pairs.right])]
    order = np.argsort(of[inside.left], kind="stable")
    inside = inside[order]
    starts = np.searchsorted(of[inside.left], np.arange(len(groups) + 1))
    return [
        linkage.medoid(group, inside[np.arange(starts[n], starts[n + 1])], copies)
        for n, group in enumerate(groups)
    ]
