"""Group pairs by complete linkage, so that every two members of a group are a pair.

Connected components alone would merge whatever a chain of pairs connects: A like B, B like C, …
until the ends have nothing in common. Complete linkage (Defays 1977; the cut of `scipy.cluster.
hierarchy.linkage(method="complete")` at the threshold) merges two clusters only where all of
their members are pairs. Here it works on the pairs alone, component by component, so a million
items with few pairs need no matrix of a million by a million.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Ids

ROUNDS = 64  # of merging all that can be; then few clusters are left, and one by one is faster


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
    pairs = _concatenate(parts)
    keys = pair_keys(pairs)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    is_new = np.ones(len(keys), np.bool_)
    is_new[1:] = keys[1:] != keys[:-1]
    return pairs[order[is_new]]


def pair_keys(pairs: ScoredPairs) -> Ids:
    """Return (n,) numbers that sort as (left, right) does, and are equal for equal pairs."""
    keys: Ids = (pairs.left.astype(np.int64) << 32) | pairs.right
    return keys


def _concatenate(parts: list[ScoredPairs]) -> ScoredPairs:
    return ScoredPairs(
        np.concatenate([np.empty(0, np.int64), *(p.left for p in parts)]),
        np.concatenate([np.empty(0, np.int64), *(p.right for p in parts)]),
        np.concatenate([np.empty(0, np.float32), *(p.scores for p in parts)]),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """The connected components of pairs, as the component of each item and of each pair."""

    of_items: NDArray[np.int32]  # (items,) up to the largest item of a pair
    of_pairs: NDArray[np.int32]  # (n,)
    sizes: Ids  # (components,) in items; 1 for an item without a pair
    are_complete: NDArray[np.bool_]  # (components,) every two items are a pair

    @classmethod
    def of(cls, pairs: ScoredPairs) -> Components:
        """Label the connected components of pairs."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        count = int(pairs.right.max()) + 1 if len(pairs) else 0
        edges = np.ones(len(pairs), np.int8), (pairs.left, pairs.right)
        components, label = connected_components(
            coo_array(edges, shape=(count, count)), directed=False
        )
        of_pairs = label[pairs.left]
        sizes = np.bincount(label, minlength=components)
        pairs_in = np.bincount(of_pairs, minlength=components)
        return cls(label, of_pairs, sizes, pairs_in == sizes * (sizes - 1) // 2)

    def incomplete(self) -> Iterator[Ids]:
        """Yield (components, k) sorted items of those of k items in which some two are no pair."""
        items = np.flatnonzero(~self.are_complete[self.of_items])
        labels = self.of_items[items]
        sizes = self.sizes[labels]
        order = np.lexsort((labels, sizes))
        for of_a_size in _runs(items[order], sizes[order]):
            yield of_a_size.reshape(-1, self.sizes[self.of_items[of_a_size[0]]])

    def complete(self) -> list[list[int]]:
        """Return the items of each component of two or more in which every two are a pair."""
        is_chosen = self.are_complete & (self.sizes > 1)
        items = np.flatnonzero(is_chosen[self.of_items])
        items = items[np.argsort(self.of_items[items], kind="stable")]
        return [group.tolist() for group in _runs(items, self.of_items[items])]


def _runs(values: Ids, labels: NDArray[Any]) -> Iterator[Ids]:
    """Yield the values of each run of equal labels."""
    ends = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(values)]
    for start, stop in itertools.pairwise(ends):
        if stop > start:
            yield values[start:stop]


def complete_linkage(pairs: ScoredPairs) -> list[list[int]]:
    """Return groups of two or more, each sorted, in which every two members are one of `pairs`.

    The two clusters whose least similar members are the most similar merge first; equal scores
    merge in order of item number, so the same pairs always give the same groups.
    """
    components = Components.of(pairs)
    groups = components.complete()
    groups += _agglomerate(pairs[~components.are_complete[components.of_pairs]])
    return sorted(groups)


def _agglomerate(pairs: ScoredPairs) -> list[list[int]]:
    """Apply complete linkage to components in which some two items are no pair.

    A link of two clusters has the smallest score between their members, and exists only while all
    of those are pairs. A cluster is named by its smallest member.
    """
    is_linked = np.zeros(int(pairs.right.max()) + 1 if len(pairs) else 0, np.bool_)
    is_linked[pairs.left] = is_linked[pairs.right] = True
    numbers = np.cumsum(is_linked) - 1
    links = ScoredPairs(numbers[pairs.left], numbers[pairs.right], pairs.scores)
    items = np.flatnonzero(is_linked)
    cluster = np.arange(len(items))  # that a cluster has become part of, or itself
    for _ in range(ROUNDS):
        links = _merge_mutual_best(links, cluster)
    _merge_one_by_one(links, cluster)
    while (cluster[cluster] != cluster).any():
        cluster = cluster[cluster]
    order = np.argsort(cluster, kind="stable")
    groups = _runs(items[order], cluster[order])
    return [group.tolist() for group in groups if len(group) > 1]


def _merge_mutual_best(links: ScoredPairs, cluster: Ids) -> ScoredPairs:
    """Merge all clusters that are each other's best at once, and return the links that are left.

    No other merger can put anything between two such clusters, so the outcome is that of merging
    one by one (Bruynooghe 1978, "reducibility").
    """
    if not len(links):
        return links
    a, b, scores = links.left, links.right, links.scores
    best = np.full(len(cluster), -np.inf, np.float32)
    keys = a * len(cluster) + b  # of equal scores the smallest is the best
    first = np.full(len(cluster), np.iinfo(np.int64).max)
    for end in (a, b):
        np.maximum.at(best, end, scores)
    for end in (a, b):
        is_best = scores == best[end]
        np.minimum.at(first, end[is_best], keys[is_best])
    is_mutual = (first[a] == keys) & (first[b] == keys)
    cluster[b[is_mutual]] = a[is_mutual]
    members = np.ones(len(cluster), np.int64)  # clusters of this round
    members[a[is_mutual]] = 2
    a, b, scores = cluster[a[~is_mutual]], cluster[b[~is_mutual]], scores[~is_mutual]
    a, b = np.minimum(a, b), np.maximum(a, b)
    links = ScoredPairs(np.minimum(a, b), np.maximum(a, b), scores)
    has_grown = (members[a] > 1) | (members[b] > 1)
    return _concatenate([links[~has_grown], _weakest(links[has_grown], members)])


def _weakest(links: ScoredPairs, members: Ids) -> ScoredPairs:
    """Return the weakest link of each two clusters whose members are all linked.

    links: one for each two members. members: (clusters,) how many each consists of.
    """
    if not len(links):
        return links
    keys = pair_keys(links)
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
    counts = np.diff(np.append(starts, len(keys)))
    weakest = np.minimum.reduceat(links.scores[order], starts)
    a, b = links.left[order[starts]], links.right[order[starts]]
    are_linked = counts == members[a] * members[b]
    return ScoredPairs(a, b, weakest)[are_linked]


def _merge_one_by_one(links: ScoredPairs, cluster: Ids) -> None:
    """Merge the clusters with the best link until there is none."""
    scores: dict[int, dict[int, float]] = {}
    heap: list[tuple[float, int, int]] = []
    for a, b, score in links.triples():
        scores.setdefault(a, {})[b] = scores.setdefault(b, {})[a] = score
        heap.append((-score, a, b))
    heapq.heapify(heap)
    while heap:
        score, a, b = heapq.heappop(heap)
        if a not in scores or b not in scores or scores[a].get(b) != -score:
            continue  # outdated: one of them has grown since
        cluster[b] = a
        from_b, from_a = scores.pop(b), scores[a]
        del from_a[b], from_b[a]
        for other in [c for c in from_a if c not in from_b]:
            del from_a[other], scores[other][a]
        for other, link in from_b.items():
            del scores[other][b]
            if other in from_a:
                weakest = min(link, from_a[other])
                if weakest != from_a[other]:
                    from_a[other] = scores[other][a] = weakest
                    heapq.heappush(heap, (-weakest, min(a, other), max(a, other)))


def medoids(groups: list[list[int]], pairs: ScoredPairs, copies: Ids) -> list[int]:
    """Return the member of each group most similar to all others, the first of several.

    copies: (n,) how often each item occurs; all copies count, and a copy has similarity 1.
    """
    if not groups:
        return []
    members = np.fromiter(itertools.chain.from_iterable(groups), np.int64)
    numbers = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    group_of = np.full(len(copies), -1, np.int64)
    group_of[members] = numbers
    inside = pairs[group_of[pairs.left] == group_of[pairs.right]]
    total = copies - 1.0
    for a, b in ((inside.left, inside.right), (inside.right, inside.left)):
        total += np.bincount(a, inside.scores * copies[b], minlength=len(copies))
    order = np.lexsort((members, -total[members], numbers))
    _, firsts = np.unique(numbers[order], return_index=True)
    medoids: list[int] = members[order][firsts].tolist()
    return medoids
