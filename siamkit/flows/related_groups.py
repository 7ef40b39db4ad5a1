"""Groups of duplicates that are close to each other, for a person to look at together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from siamkit.flows.grouping import Grouping
from siamkit.types import Ids, Vectors

MARGIN = 0.05  # of cosine below the threshold: groups so close are worth a look, no more
MOST_COMPARED = 5_000  # groups whose representatives are all compared: about a second
SHOWN = 5  # related groups of one group, at most
STRIP = 1_024  # representatives compared at once


@dataclass(frozen=True, slots=True)
class RelatedGroup:
    """Another group, and how close it comes."""

    group: int  # its number, from 1
    score: float  # of the closest pair: a cosine, or the probability of the reranker that decides


def related_groups(
    grouping: Grouping, numbers: Ids, representatives: Ids
) -> dict[int, list[RelatedGroup]]:
    """Return up to SHOWN related groups of each group that has any, the closest first.

    numbers: (m,) the group of each item, 0 for none. representatives: (g,) the item of each group.
    Two groups are related if a near pair lies across them; or, where cosines decide, if their
    representatives come within MARGIN of the threshold.
    """
    scores = _across(grouping, numbers)
    rule = grouping.rule
    if rule.reranker is None and len(representatives) <= MOST_COMPARED:
        vectors = np.asarray(grouping.vectors[representatives])
        for pair, cosine in _close_representatives(vectors, rule.threshold.value - MARGIN).items():
            scores[pair] = max(cosine, scores.get(pair, -1.0))
    related: dict[int, list[RelatedGroup]] = {}
    for (left, right), score in scores.items():
        related.setdefault(left, []).append(RelatedGroup(right, score))
        related.setdefault(right, []).append(RelatedGroup(left, score))
    for group in related.values():
        group.sort(key=lambda other: (-other.score, other.group))
        del group[SHOWN:]
    return related


def _across(grouping: Grouping, numbers: Ids) -> dict[tuple[int, int], float]:
    """Return the highest score of the near pairs across each two groups, the lower number first."""
    near = grouping.near
    left, right = numbers[near.left], numbers[near.right]
    across = (left != right) & (left > 0) & (right > 0)
    low, high = np.minimum(left, right)[across], np.maximum(left, right)[across]
    scores: dict[tuple[int, int], float] = {}
    for a, b, score in zip(low.tolist(), high.tolist(), near.scores[across].tolist(), strict=True):
        scores[a, b] = max(score, scores.get((a, b), -1.0))
    return scores


def _close_representatives(vectors: Vectors, floor: float) -> dict[tuple[int, int], float]:
    """Return the cosines of representatives from a floor on, by the numbers of their groups."""
    cosines: dict[tuple[int, int], float] = {}
    for start in range(0, len(vectors), STRIP):
        block = vectors[start : start + STRIP] @ vectors.T
        a, b = np.nonzero(np.triu(block >= np.float32(floor), 1 + start))
        for left, right in zip(a.tolist(), b.tolist(), strict=True):
            cosines[start + left + 1, right + 1] = float(block[left, right])
    return cosines
