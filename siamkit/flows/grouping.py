"""Group near duplicates: mine near pairs of vectors, judge them, and link them into groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from siamkit.embed.pipeline import Pipeline
from siamkit.embed.rerankers import judge_pairs, pick_reranker
from siamkit.errors import BadInput, PluginError, Uncalibrated
from siamkit.flows.decide import (
    DecisionRule,
    encoder_basis,
    reranked_limits,
    verification_limits,
)
from siamkit.host import registry
from siamkit.protocols import Mines, Reranker
from siamkit.sdk import threads
from siamkit.stats import linkage
from siamkit.stats.linkage import Components, ScoredPairs
from siamkit.store.galleries import DEFAULT_INDEX
from siamkit.store.saved_indexes import load_backend
from siamkit.types import (
    Calibration,
    Ids,
    Objection,
    Progress,
    Threshold,
    Vectors,
    ignore_progress,
)

ObjectTo: TypeAlias = Callable[[Any, Any], Objection | None]  # of two cropped media
MOST_COMPLETED = 50_000  # items: larger components keep the gaps that approximate mining left
STRIP = 1_024  # rows of a component compared at once
COMPLETED_AT_ONCE = 8_192  # items of smaller components
PAIR_BYTES = 220  # per pair while it is mined, sorted and grouped; 207 at most were measured
MEMORY_SHARE = 0.8  # of the free memory; the rest is left to other programs
EXPECTED_FALSE = 1.0  # false pairs in a run, by default: few enough to look at each group


@dataclass(frozen=True, slots=True, eq=False)
class MatchRule:
    """When two items count as the same."""

    threshold: Threshold  # on the reranker's probability, if there is one, or else the cosine
    reranker: Reranker[Any] | None = None
    calibration: Calibration | None = None  # of the cosines, where it holds for any strangers
    expected_false: float | None = None  # false pairs among all; they set the threshold, if given

    @property
    def floor(self) -> float:
        """The cosine at or above which a pair is considered."""
        return self.reranker.candidates if self.reranker else self.threshold.value

    def among(self, comparisons: int) -> MatchRule:
        """Return the rule with the threshold for this number of comparisons."""
        if self.expected_false is None or self.calibration is None or not comparisons:
            return self
        from siamkit.stats.calibration import threshold_for_many

        fmr = self.expected_false / comparisons
        if self.threshold.fmr is not None:  # by default, few items are not a reason to be lax
            fmr = min(fmr, self.threshold.fmr)
        return replace(self, threshold=threshold_for_many(self.calibration, fmr))

    def count_false(self, pairs: ScoredPairs, comparisons: int) -> float | None:
        """Return how many of the pairs are expected to be false; None where nothing tells.

        By the reranker's probabilities; or else by the false match rate of the threshold.
        """
        if self.reranker:
            return float((1 - pairs.scores).sum())
        fmr = None if self.threshold.among else self.threshold.fmr
        if self.calibration:
            from siamkit.stats.calibration import fmr_at

            fmr = fmr_at(self.calibration, self.threshold.value)
        return None if fmr is None else fmr * comparisons


def open_match_rule(pipeline: Pipeline, rule: DecisionRule) -> MatchRule:
    """Look up the threshold and the reranker of a rule for comparing all items with each other.

    Cosines are by default compared with the threshold at which EXPECTED_FALSE false pairs are
    expected, and never with a laxer one than for a single pair, if the encoder's calibration tells
    how often strangers match. Raises Uncalibrated if there is no threshold, BadInput for a rule
    with an FPIR.
    """
    rule.refuse("deduplication", "fpir")
    reranker = pick_reranker(pipeline, rule.reranker)
    if reranker:
        return MatchRule(reranked_limits(rule, reranker).same, reranker)
    from siamkit.stats.calibration import compares_strangers, threshold_for_fmr

    basis = encoder_basis(pipeline)
    calibration = basis.calibration
    of_strangers = calibration if calibration and compares_strangers(calibration) else None
    if rule.expected_false is not None:
        if calibration is None:
            raise Uncalibrated(
                f"{basis.owner} is not calibrated, so it has no threshold for a number of false"
                " pairs",
                hint="give a threshold: `--threshold 0.9`",
            )
        threshold = replace(threshold_for_fmr(calibration), fmr=None)
        return MatchRule(threshold, None, calibration, rule.expected_false)
    if rule.fixed is None and rule.fmr is None and of_strangers:
        return MatchRule(threshold_for_fmr(of_strangers), None, of_strangers, EXPECTED_FALSE)
    threshold = verification_limits(rule, basis).same
    if calibration and not of_strangers:  # its rate was measured on pairs picked for being alike
        threshold = replace(threshold, fmr=None)
    return MatchRule(threshold, None, of_strangers)


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two items whose score counts as the same, and why they are not the same all the same."""

    left: int
    right: int
    score: float
    objection: Objection


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """The duplicates among n items, as pairs and as groups."""

    vectors: Vectors  # (n, dim)
    rule: MatchRule
    near: ScoredPairs  # every considered pair, with the score that the threshold is on
    pairs: ScoredPairs  # those at or above the threshold, without objection
    contradictions: list[Contradiction]  # those with one, the most alike first
    groups: list[list[int]]  # largest first; two or more items each, in order
    canonical: list[int]  # the item that represents each group
    mining: Mapping[str, str | int | float | bool]  # see siamkit.protocols.Mines

    @property
    def comparisons(self) -> int:
        """The number of pairs of items."""
        return len(self.vectors) * (len(self.vectors) - 1) // 2

    @property
    def expected_false(self) -> float | None:
        """The number of false pairs to expect among `pairs`; None where nothing tells."""
        return self.rule.count_false(self.pairs, self.comparisons)


def group_duplicates(
    vectors: Vectors,
    media: Sequence[Any] | None,
    rule: MatchRule,
    *,
    copies: Ids,
    object_to: ObjectTo | None = None,
    max_memory: int | None = None,
    progress: Progress = ignore_progress,
) -> Grouping:
    """Find the duplicates among (n, dim) unit vectors.

    media: the n items themselves, for the reranker and `object_to`, which says of two of them why
    they are not the same. copies: (n,) how often each item occurs;
    they weigh in the choice of a canonical item. max_memory: bytes that this process may use in
    all; None for most of what is free. Raises BadInput if that is too little.
    """
    if rule.reranker and media is None:
        raise BadInput("a reranker needs the items themselves, not only their vectors")
    rule = rule.among(len(vectors) * (len(vectors) - 1) // 2)
    mining, candidates = _mine(vectors, rule.floor, _free_memory(max_memory), progress)
    near = _judge(rule.reranker, media, vectors, candidates, "judging", progress)
    same = near[near.scores >= np.float32(rule.threshold.value)]
    if not mining["exact"]:
        with threads.single_threaded():  # small products, for which a second thread only spins
            missed = _missed_pairs(vectors, rule.floor, same, near)
        missed = _judge(rule.reranker, media, vectors, missed, "judging missed pairs", progress)
        if len(missed):
            near = linkage.merge_pairs([near, missed])
            same = near[near.scores >= np.float32(rule.threshold.value)]
    pairs, contradictions = _part_contradictions(same, media, object_to)
    groups = linkage.complete_linkage(pairs)
    groups.sort(key=len, reverse=True)
    canonical = linkage.medoids(groups, pairs, copies)
    return Grouping(vectors, rule, near, pairs, contradictions, groups, canonical, mining)


def _part_contradictions(
    same: ScoredPairs, media: Sequence[Any] | None, object_to: ObjectTo | None
) -> tuple[ScoredPairs, list[Contradiction]]:
    """Part the pairs that meet an objection from those that meet none."""
    if object_to is None or media is None:
        return same, []
    meets_none, contradictions = np.ones(len(same), np.bool_), []
    for at, (left, right, score) in enumerate(same.triples()):
        if objection := object_to(media[left], media[right]):
            meets_none[at] = False
            contradictions.append(Contradiction(left, right, score, objection))
    contradictions.sort(key=lambda contradiction: -contradiction.score)
    return same[meets_none], contradictions


def _judge(
    reranker: Reranker[Any] | None,
    media: Sequence[Any] | None,
    vectors: Vectors,
    pairs: ScoredPairs,
    step: str,
    progress: Progress,
) -> ScoredPairs:
    """Return pairs with a reranker's probabilities, or as they are without one."""
    if reranker is None or media is None:
        return pairs
    left, right = pairs.left, pairs.right

    def report(done: int) -> None:
        progress(step, done, len(left))

    return ScoredPairs(left, right, judge_pairs(reranker, media, vectors, left, right, report))


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
    mining, blocks = miner.mine(vectors, floor, memory=memory, progress=progress)
    parts, count = [], 0
    for block in blocks:
        parts.append(ScoredPairs(block.left, block.right, block.scores))
        count += len(block.left)
        if count * PAIR_BYTES > memory:
            raise BadInput(
                f"more than {count:,} pairs have a cosine of {floor:.3f} or more, which takes more"
                f" than {memory / 1e9:.1f} GB",
                hint="raise `--threshold` (a cosine, without `--rerank`) or `--max-memory`",
            )
        progress("mining", block.done, len(vectors))
    return dict(mining), linkage.merge_pairs(parts)


def _missed_pairs(
    vectors: Vectors, floor: float, pairs: ScoredPairs, near: ScoredPairs
) -> ScoredPairs:
    """Find pairs at or above the floor, within components of `pairs`, that mining missed.

    Approximate search misses some pairs, and complete linkage splits a group at each of them.
    """
    near_keys, missed = linkage.pair_keys(near), []  # sorted, as merge_pairs leaves them
    for components in Components.of(pairs).incomplete():
        size = components.shape[1]
        if size > MOST_COMPLETED:
            continue
        step = max(1, COMPLETED_AT_ONCE // size)
        for first in range(0, len(components), step):
            for within in _pairs_within(vectors, floor, components[first : first + step]):
                keys = linkage.pair_keys(within)
                at = np.searchsorted(near_keys, keys).clip(max=len(near_keys) - 1)
                missed.append(within[near_keys[at] != keys])
    return linkage.merge_pairs(missed)


def _pairs_within(vectors: Vectors, floor: float, components: Ids) -> Iterator[ScoredPairs]:
    """Yield the pairs at or above the floor within each of (b, k) sorted items."""
    rows = vectors[components]  # (b, k, dim)
    for top in range(0, components.shape[1], STRIP):
        scores = rows[:, top : top + STRIP] @ rows.transpose(0, 2, 1)
        number, a, b = np.nonzero(scores >= np.float32(floor))
        later = a + top < b
        number, a, b = number[later], a[later], b[later]
        yield ScoredPairs(components[number, a + top], components[number, b], scores[number, a, b])
