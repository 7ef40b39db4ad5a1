"""Group near duplicates: mine near pairs of vectors, judge them, and link them into groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from siamkit.embed.pipeline import Pipeline
from siamkit.embed.rerankers import judge_pairs, pick_reranker
from siamkit.errors import BadInput, PluginError, Uncalibrated
from siamkit.flows.decide import DecisionRule, reranked_limits
from siamkit.host import registry
from siamkit.protocols import Mines, Reranker
from siamkit.stats import linkage
from siamkit.stats.linkage import ScoredPairs
from siamkit.store.galleries import DEFAULT_INDEX
from siamkit.store.live_index import load_backend
from siamkit.types import Ids, Progress, Threshold, Vectors, ignore_progress

MOST_COMPLETED = 50_000  # items: larger components keep the gaps that approximate mining left
STRIP = 1_024  # rows of a component compared at once
PAIR_BYTES = 400  # per pair while it is mined, sorted and grouped, about
MEMORY_SHARE = 0.8  # of the free memory; the rest is left to other programs


@dataclass(frozen=True, slots=True, eq=False)
class MatchRule:
    """When two items count as the same."""

    threshold: Threshold  # on the reranker's probability, if there is one, or else the cosine
    reranker: Reranker[Any] | None = None

    @property
    def floor(self) -> float:
        """The cosine at or above which a pair is considered."""
        return self.reranker.candidates if self.reranker else self.threshold.value


def open_match_rule(
    pipeline: Pipeline, rule: DecisionRule, default: Threshold | None = None
) -> MatchRule:
    """Look up the threshold and the reranker of a rule.

    default: the threshold on cosines, unless the rule has one; None for the encoder's. Raises
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
            hint="give one: `--threshold 0.9`",
        )
    return MatchRule(threshold)


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """The duplicates among n items, as pairs and as groups."""

    vectors: Vectors  # (n, dim)
    rule: MatchRule
    near: ScoredPairs  # every considered pair, with the score that the threshold is on
    pairs: ScoredPairs  # those at or above the threshold
    groups: list[list[int]]  # largest first; two or more items each, in order
    canonical: list[int]  # the item that represents each group
    mining: Mapping[str, str | int | float | bool]  # see siamkit.protocols.Mines


def group_duplicates(
    vectors: Vectors,
    media: Sequence[Any] | None,
    rule: MatchRule,
    *,
    copies: Ids,
    max_memory: int | None = None,
    progress: Progress = ignore_progress,
) -> Grouping:
    """Find the duplicates among (n, dim) unit vectors.

    media: the n items themselves, if there is a reranker. copies: (n,) how often each item occurs;
    they weigh in the choice of a canonical item. max_memory: bytes that this process may use in
    all; None for most of what is free. Raises BadInput if that is too little.
    """
    if rule.reranker and media is None:
        raise BadInput("a reranker needs the items themselves, not only their vectors")
    mining, candidates = _mine(vectors, rule.floor, _free_memory(max_memory), progress)

    def judge(candidates: ScoredPairs, step: str) -> ScoredPairs:
        """Return the candidates with a reranker's probabilities, or as they are without one."""
        if rule.reranker is None or media is None:
            return candidates
        left, right = candidates.left, candidates.right

        def report(done: int) -> None:
            progress(step, done, len(left))

        probabilities = judge_pairs(rule.reranker, media, vectors, left, right, report)
        return ScoredPairs(left, right, probabilities)

    near = judge(candidates, "judging")
    pairs = near[near.scores >= np.float32(rule.threshold.value)]
    if not mining["exact"]:
        missed = _missed_pairs(vectors, rule.floor, pairs, near)
        near = linkage.merge_pairs([near, judge(missed, "judging missed pairs")])
        pairs = near[near.scores >= np.float32(rule.threshold.value)]
    groups = sorted(linkage.complete_linkage(pairs), key=lambda group: (-len(group), group))
    canonical = _medoids(groups, pairs, copies)
    return Grouping(vectors, rule, near, pairs, groups, canonical, mining)


def _free_memory(max_memory: int | None) -> int:
    import psutil

    if max_memory is None:
        return int(MEMORY_SHARE * psutil.virtual_memory().available)
    return max_memory - int(psutil.Process().memory_info().rss)


def _mine(
    vectors: Vectors, floor: float, memory: int, progress: Progress
) -> tuple[dict[str, str | int | float | bool], ScoredPairs]:
    miner = load_backend(DEFAULT_INDEX)
    if not isinstance(miner, Mines):
        raise PluginError(f"{registry.describe(miner)} cannot mine pairs")
    mining, blocks = miner.mine(vectors, floor, memory=memory)
    parts, count = [], 0
    for block in blocks:
        parts.append(ScoredPairs(block.left, block.right, block.scores))
        count += len(block.left)
        if count * PAIR_BYTES > memory:
            raise BadInput(
                f"more than {count:,} pairs have a cosine of {floor:.3f} or more, which takes more"
                f" than {memory / 1e9:.1f} GB",
                hint="raise `--threshold` (with `--rerank none`) or `--max-memory`",
            )
        progress("mining", block.done, len(vectors))
    return dict(mining), linkage.merge_pairs(parts)


def _missed_pairs(
    vectors: Vectors, floor: float, pairs: ScoredPairs, near: ScoredPairs
) -> ScoredPairs:
    """Find pairs at or above the floor, within components of `pairs`, that mining missed.

    Approximate search misses some pairs, and complete linkage splits a group at each of them.
    """
    near_keys = near.left * len(vectors) + near.right  # sorted, as merge_pairs leaves it
    missed = []
    for component in linkage.split_components(pairs):
        nodes = component.nodes()
        is_complete = len(component) == len(nodes) * (len(nodes) - 1) // 2
        if is_complete or len(nodes) > MOST_COMPLETED:
            continue
        rows = vectors[nodes]
        for top in range(0, len(nodes), STRIP):
            scores = rows[top : top + STRIP] @ rows.T
            a, b = np.nonzero(np.triu(scores >= np.float32(floor), 1 + top))
            left, right = nodes[a + top], nodes[b]
            keys = left * len(vectors) + right
            at = np.searchsorted(near_keys, keys).clip(max=len(near_keys) - 1)
            new = near_keys[at] != keys
            missed.append(ScoredPairs(left[new], right[new], scores[a, b][new]))
    return linkage.merge_pairs(missed)


def _medoids(groups: list[list[int]], pairs: ScoredPairs, copies: Ids) -> list[int]:
    group_of = np.full(len(copies), -1, np.int64)
    for number, group in enumerate(groups):
        group_of[group] = number
    same_group = (group_of[pairs.left] >= 0) & (group_of[pairs.left] == group_of[pairs.right])
    inside = pairs[same_group]
    inside = inside[np.argsort(group_of[inside.left], kind="stable")]
    starts = np.searchsorted(group_of[inside.left], np.arange(len(groups) + 1))
    return [
        linkage.medoid(group, inside[np.arange(starts[n], starts[n + 1])], copies)
        for n, group in enumerate(groups)
    ]
