"""Pairs to groups: complete linkage, so that every two members of a group are a pair.

Connected components alone would fuse whatever a chain of pairs joins: A like B, B like C, … until
the ends have nothing in common. Complete linkage (Defays 1977; the cut of `scipy.cluster.
hierarchy.linkage(method="complete")` at the threshold) merges two clusters only where all of
their members are pairs. Here it runs on the pairs alone, component by component, so a million
items with few pairs need no matrix of a million by a million.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ScoredPairs:
    """(n,) item numbers `left` < `right`, each pair once, and how alike the two are."""

    left: Indices
    right: Indices
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.left)

    def nodes(self) -> Indices:
        """The items that are in any pair, in order."""
        return np.unique(np.concatenate([self.left, self.right]))

    def __getitem__(self, chosen: NDArray[np.bool_] | Indices) -> ScoredPairs:
        return ScoredPairs(self.left[chosen], self.right[chosen], self.scores[chosen])


def merge_pairs(parts: list[ScoredPairs]) -> ScoredPairs:
    """All pairs of several lists, in order of (left, right); of a pair given twice, the first."""
    left = np.concatenate([np.empty(0, np.int64), *(p.left for p in parts)])
    right = np.concatenate([np.empty(0, np.int64), *(p.right for p in parts)])
    scores = np.concatenate([np.empty(0, np.float32), *(p.scores for p in parts)])
    order = np.lexsort((right, left))
    left, right, scores = left[order], right[order], scores[order]
    fresh = np.ones(len(left), np.bool_)
    fresh[1:] = (left[1:] != left[:-1]) | (right[1:] != right[:-1])
    return ScoredPairs(left[fresh], right[fresh], scores[fresh])


def split_components(pairs: ScoredPairs) -> Iterator[ScoredPairs]:
    """The pairs of each connected component."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(pairs):
        return
    nodes, flat = np.unique(np.concatenate([pairs.left, pairs.right]), return_inverse=True)
    a, b = flat[: len(pairs)], flat[len(pairs) :]
    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(len(nodes), len(nodes)))
    _, label = connected_components(graph, directed=False)
    of_pair = label[a]
    order = np.argsort(of_pair, kind="stable")
    edges = np.flatnonzero(np.diff(of_pair[order])) + 1
    for part in np.split(order, edges):
        yield pairs[part]


def complete_linkage(pairs: ScoredPairs) -> list[list[int]]:
    """The groups of two or more, each sorted, such that every two members are one of `pairs`.

    The two clusters whose least alike members are the most alike merge first; equal scores merge
    in order of item number, so the same pairs always give the same groups.
    """
    groups = []
    for component in split_components(pairs):
        nodes = component.nodes()
        if len(component) == len(nodes) * (len(nodes) - 1) // 2:  # every two are a pair
            groups.append(nodes.tolist())
        else:
            groups += _agglomerate(component)
    return sorted(groups)


def _agglomerate(pairs: ScoredPairs) -> list[list[int]]:
    """Complete linkage of one component.

    `links[a][b]` is the smallest score between the members of a and of b, and is there only while
    all of those are pairs. A cluster is called by its smallest member.
    """
    links: dict[int, dict[int, float]] = {}
    heap: list[tuple[float, int, int]] = []
    triples = zip(pairs.left.tolist(), pairs.right.tolist(), pairs.scores.tolist(), strict=True)
    for a, b, score in triples:
        links.setdefault(a, {})[b] = links.setdefault(b, {})[a] = score
        heap.append((-score, a, b))
    heapq.heapify(heap)
    members = {item: [item] for item in links}
    while heap:
        score, a, b = heapq.heappop(heap)
        if a not in links or b not in links or links[a].get(b) != -score:
            continue  # one of them has grown since
        theirs, ours = links.pop(b), links[a]
        del ours[b], theirs[a]
        members[a] += members.pop(b)
        for other in [o for o in ours if o not in theirs]:
            del ours[other], links[other][a]
        for other, linked in theirs.items():
            del links[other][b]
            if other in ours:
                weakest = min(linked, ours[other])
                if weakest != ours[other]:
                    ours[other] = links[other][a] = weakest
                    heapq.heappush(heap, (-weakest, min(a, other), max(a, other)))
    return [sorted(group) for group in members.values() if len(group) > 1]


def medoid(group: list[int], pairs: ScoredPairs, copies: Indices) -> int:
    """The member most like all others, each counted as often as it occurs; else the first.

    pairs: those within the group. copies: (n,) how often each item of the whole set occurs.
    """
    total = dict.fromkeys(group, 0.0)
    triples = zip(pairs.left.tolist(), pairs.right.tolist(), pairs.scores.tolist(), strict=True)
    for a, b, score in triples:
        total[a] += score * int(copies[b])
        total[b] += score * int(copies[a])
    for item in group:
        total[item] += int(copies[item]) - 1  # a copy of it is as like it as can be
    return max(group, key=lambda item: (total[item], -item))
