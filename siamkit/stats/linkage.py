"""Group pairs by complete linkage, so that every two members of a group are a pair.

Connected components alone would merge whatever a chain of pairs connects: A like B, B like C, …
until the ends have nothing in common. Complete linkage (Defays 1977; the cut of `scipy.cluster.
hierarchy.linkage(method="complete")` at the threshold) merges two clusters only where all of
their members are pairs. Here it works on the pairs alone, component by component, so a million
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

    from siamkit.types import Ids


@dataclass(frozen=True, slots=True, eq=False)
class ScoredPairs:
    """(n,) item numbers `left` < `right`, each pair once, and their similarity."""

    left: Ids
    right: Ids
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.left)

    def nodes(self) -> Ids:
        """Return the items of all pairs, sorted."""
        return np.unique(np.concatenate([self.left, self.right]))

    def triples(self) -> Iterator[tuple[int, int, float]]:
        """Yield (left, right, score) of each pair."""
        yield from zip(self.left.tolist(), self.right.tolist(), self.scores.tolist(), strict=True)

    def __getitem__(self, at: NDArray[np.bool_] | Ids) -> ScoredPairs:
        return ScoredPairs(self.left[at], self.right[at], self.scores[at])


def merge_pairs(parts: list[ScoredPairs]) -> ScoredPairs:
    """Merge lists of pairs, sorted by (left, right); of a repeated pair the first counts."""
    left = np.concatenate([np.empty(0, np.int64), *(p.left for p in parts)])
    right = np.concatenate([np.empty(0, np.int64), *(p.right for p in parts)])
    scores = np.concatenate([np.empty(0, np.float32), *(p.scores for p in parts)])
    order = np.lexsort((right, left))
    left, right, scores = left[order], right[order], scores[order]
    is_new = np.ones(len(left), np.bool_)
    is_new[1:] = (left[1:] != left[:-1]) | (right[1:] != right[:-1])
    return ScoredPairs(left[is_new], right[is_new], scores[is_new])


def split_components(pairs: ScoredPairs) -> Iterator[ScoredPairs]:
    """Yield the pairs of each connected component."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(pairs):
        return
    nodes, flat = np.unique([pairs.left, pairs.right], return_inverse=True)
    a, b = flat.reshape(2, -1)
    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(len(nodes), len(nodes)))
    _, label = connected_components(graph, directed=False)
    pair_label = label[a]
    order = np.argsort(pair_label, kind="stable")
    borders = np.flatnonzero(np.diff(pair_label[order])) + 1
    for part in np.split(order, borders):
        yield pairs[part]


def complete_linkage(pairs: ScoredPairs) -> list[list[int]]:
    """Return groups of two or more, each sorted, in which every two members are one of `pairs`.

    The two clusters whose least similar members are the most similar merge first; equal scores
    merge in order of item number, so the same pairs always give the same groups.
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
    """Apply complete linkage to one component.

    `links[a][b]` is the smallest score between the members of a and of b, and exists only while all
    of those are pairs. A cluster is named by its smallest member.
    """
    links: dict[int, dict[int, float]] = {}
    heap: list[tuple[float, int, int]] = []
    for a, b, score in pairs.triples():
        links.setdefault(a, {})[b] = links.setdefault(b, {})[a] = score
        heap.append((-score, a, b))
    heapq.heapify(heap)
    members = {item: [item] for item in links}
    while heap:
        score, a, b = heapq.heappop(heap)
        if a not in links or b not in links or links[a].get(b) != -score:
            continue  # outdated: one of them has grown since
        from_b, from_a = links.pop(b), links[a]
        del from_a[b], from_b[a]
        members[a] += members.pop(b)
        for cluster in [c for c in from_a if c not in from_b]:
            del from_a[cluster], links[cluster][a]
        for cluster, link in from_b.items():
            del links[cluster][b]
            if cluster in from_a:
                weakest = min(link, from_a[cluster])
                if weakest != from_a[cluster]:
                    from_a[cluster] = links[cluster][a] = weakest
                    heapq.heappush(heap, (-weakest, min(a, cluster), max(a, cluster)))
    return [sorted(group) for group in members.values() if len(group) > 1]


def medoid(group: list[int], pairs: ScoredPairs, copies: Ids) -> int:
    """Return the member most similar to all others, counting copies; the first of several.

    pairs: those within the group. copies: (n,) how often each item of the whole set occurs.
    """
    total = dict.fromkeys(group, 0.0)
    for a, b, score in pairs.triples():
        total[a] += score * int(copies[b])
        total[b] += score * int(copies[a])
    for item in group:
        total[item] += int(copies[item]) - 1  # a copy has similarity 1
    return max(group, key=lambda item: (total[item], -item))
