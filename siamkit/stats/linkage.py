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

    def incomplete(self, pairs: ScoredPairs) -> Iterator[ScoredPairs]:
        """Yield the pairs of each component in which some two items are no pair."""
        chosen = np.flatnonzero(~self.are_complete[self.of_pairs])
        chosen = chosen[np.argsort(self.of_pairs[chosen], kind="stable")]
        for places in _runs(chosen, self.of_pairs[chosen]):
            yield pairs[places]

    def complete(self) -> list[list[int]]:
        """Return the items of each component of two or more in which every two are a pair."""
        is_chosen = self.are_complete & (self.sizes > 1)
        items = np.flatnonzero(is_chosen[self.of_items])
        items = items[np.argsort(self.of_items[items], kind="stable")]
        return [group.tolist() for group in _runs(items, self.of_items[items])]


def _runs(values: Ids, labels: NDArray[np.int32]) -> Iterator[Ids]:
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
    for component in components.incomplete(pairs):
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
