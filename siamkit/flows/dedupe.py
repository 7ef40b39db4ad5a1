"""Dedupe (N:N): find the duplicates among many items, as pairs and as groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import overload

import numpy as np
from numpy.typing import NDArray

from siamkit.embed import batches
from siamkit.embed.batches import EmbedAll
from siamkit.embed.pipeline import Pipeline
from siamkit.flows import objections
from siamkit.flows.dedupe_items import Item, RowItems, embed_items
from siamkit.flows.grouping import Grouping, MatchRule, group_duplicates
from siamkit.flows.related_groups import RelatedGroup, related_groups
from siamkit.flows.score_trials import score_pairs
from siamkit.io.presentable import Presentable
from siamkit.types import Fault, Ids, Objection, Progress, ignore_progress


@dataclass(frozen=True, slots=True)
class Member:
    """An item in a group of duplicates."""

    group: int  # from 1, largest first
    canonical: bool  # it represents the group; one in each
    item: Item
    score: float  # cosine to the canonical item


@dataclass(frozen=True, slots=True, eq=False)
class Members(Sequence[Member]):
    """The (n,) items in groups, group by group, each made when it is asked for."""

    items: Sequence[Item]
    places: Ids  # (n,) in `items`
    groups: Ids  # (n,) from 1
    are_canonical: NDArray[np.bool_]  # (n,)
    scores: NDArray[np.float64]  # (n,)

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, at: int) -> Member: ...
    @overload
    def __getitem__(self, at: slice) -> list[Member]: ...
    def __getitem__(self, at: int | slice) -> Member | list[Member]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        item, score = self.items[int(self.places[at])], round(float(self.scores[at]), 6)
        return Member(int(self.groups[at]), bool(self.are_canonical[at]), item, score)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two items that count as the same."""

    group: int | None  # None if complete linkage put the two into different groups
    left: Item
    right: Item
    score: float  # cosine
    probability: float | None  # by the reranker, if there is one


@dataclass(frozen=True, slots=True, eq=False)
class Deduped(Presentable):
    """The duplicates in a list of n items, m of them distinct. Exact copies share a number.

    Each region that a detector finds in a file, such as each face of a group, is an item.

    Examples:
        >>> deduped = ws.dedupe(["How do I log in?", "How can I log in?"], modality="questions")
        >>> deduped.groups, [row["text"] for row in deduped.rows()]
        (1, ['How do I log in?', 'How can I log in?'])
    """

    items: Sequence[Item]  # (n,) those that could be compared
    faults: list[Fault]  # those that could not
    left_out: list[Fault]  # those that no comparison can tell anything about
    distinct: Ids  # (n,) numbers in 0 … m - 1
    grouping: Grouping  # of the distinct items
    group_numbers: Ids  # (m,) the group from 1; 0 for none
    canonical: Ids  # (groups,) the distinct item that represents each
    members: Sequence[Member]
    groups: int

    def __repr__(self) -> str:
        """The outcome in short: `<Deduped 12 items: 2 groups of duplicates>`."""
        groups = f"{self.groups:,} group{'s' * (self.groups != 1)} of duplicates"
        return f"<Deduped {len(self.items):,} items: {groups}>"

    @property
    def is_comparable(self) -> bool:
        """True if there are two items at least."""
        return len(self.items) > 1

    @property
    def has_regions(self) -> bool:
        """True if an item is a region of a file."""
        return not isinstance(self.items, RowItems) and any(item.place for item in self.items)

    @property
    def copies(self) -> int:
        """The number of items that repeat an earlier one exactly."""
        return len(self.items) - len(self.grouping.vectors)

    def related(self) -> dict[int, list[RelatedGroup]]:
        """Return the groups that are close to a group, closest first, by its number."""
        return related_groups(self.grouping, self.group_numbers, self.canonical)

    def pairs(self) -> Iterator[Pair]:
        """Yield every pair at or above the threshold, best first, then each copy with its first."""
        items, numbers, pairs = self.items, self.group_numbers, self.grouping.pairs
        is_reranked = self.grouping.rule.reranker is not None
        _, firsts = np.unique(self.distinct, return_index=True)
        cosines = score_pairs(self.grouping.vectors, pairs.left, pairs.right)
        for i in np.argsort(-pairs.scores, kind="stable").tolist():
            left, right = int(pairs.left[i]), int(pairs.right[i])
            group = int(numbers[left]) if numbers[left] == numbers[right] else 0
            probability = round(float(pairs.scores[i]), 6) if is_reranked else None
            cosine = round(float(cosines[i]), 6)
            yield Pair(
                group or None, items[firsts[left]], items[firsts[right]], cosine, probability
            )
        for i in np.setdiff1d(np.arange(len(items)), firsts).tolist():
            number = int(self.distinct[i])
            group, first = int(numbers[number]), items[firsts[number]]
            yield Pair(group or None, first, items[i], 1.0, 1.0 if is_reranked else None)

    def contradictions(self) -> Iterator[tuple[Item, Item, Objection]]:
        """Yield the pairs that are as alike, but not the same, and why; the most alike first."""
        _, firsts = np.unique(self.distinct, return_index=True)
        for pair in self.grouping.contradictions:
            yield self.items[firsts[pair.left]], self.items[firsts[pair.right]], pair.objection


def dedupe(
    pipeline: Pipeline,
    items: Iterable[Item],
    rule: MatchRule,
    *,
    max_memory: int | None = None,
    progress: Progress = ignore_progress,
    embed_all: EmbedAll = batches.embed_all,
) -> Deduped:
    """Find the duplicates in a list: exact copies by hash, the others by their vectors.

    Every region of a file takes part. max_memory: bytes that this process may use; None for most of
    what is free. embed_all: embeds here, or by workers. An interrupted embedding resumes if the
    same items are given again. Raises BadInput if the memory is too small.
    """
    embedded = embed_items(pipeline, items, progress, embed_all)
    object_to = objections.opener(pipeline)
    media = embedded.media(pipeline) if rule.reranker or object_to else None
    grouping = group_duplicates(
        embedded.vectors,
        media,
        rule,
        copies=np.bincount(embedded.distinct, minlength=len(embedded.vectors)),
        object_to=object_to,
        max_memory=max_memory,
        progress=progress,
    )
    embedded.resumable.delete()
    return assemble(embedded.items, embedded.faults, embedded.distinct, grouping, embedded.left_out)


def assemble(
    items: Sequence[Item],
    faults: Sequence[Fault],
    distinct: Ids,
    grouping: Grouping,
    left_out: Sequence[Fault] = (),
) -> Deduped:
    """Add exact copies to the groups of distinct items."""
    copies = np.bincount(distinct, minlength=len(grouping.vectors))
    group_numbers, canonical = _add_copy_groups(grouping, copies)
    members = _list_members(items, distinct, grouping, group_numbers, canonical)
    return Deduped(
        items,
        sorted(faults, key=_line),
        sorted(left_out, key=_line),
        distinct,
        grouping,
        group_numbers,
        canonical,
        members,
        len(canonical),
    )


def _line(fault: Fault) -> int:
    return fault.line or 0


def _add_copy_groups(grouping: Grouping, copies: Ids) -> tuple[Ids, Ids]:
    """Return the (m,) group of each item from 1, 0 for none, and the item that represents each.

    Items that only have exact copies are groups, too. The largest come first.
    """
    lengths = [len(group) for group in grouping.groups]
    members = np.fromiter(chain.from_iterable(grouping.groups), np.int64, sum(lengths))
    is_only_copied = copies > 1
    is_only_copied[members] = False
    only_copied = np.flatnonzero(is_only_copied)
    canonical = np.concatenate([np.array(grouping.canonical, np.int64), only_copied])
    numbers = np.repeat(np.arange(len(canonical)), lengths + [1] * len(only_copied))
    members = np.concatenate([members, only_copied])
    firsts = np.full(len(canonical), len(copies))
    np.minimum.at(firsts, numbers, members)
    sizes = np.bincount(numbers, copies[members], len(canonical))
    order = np.lexsort((firsts, -sizes))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(1, len(order) + 1)
    group_numbers = np.zeros(len(copies), np.int64)
    group_numbers[members] = rank[numbers]
    return group_numbers, canonical[order]


def _list_members(
    items: Sequence[Item],
    distinct: Ids,
    grouping: Grouping,
    group_numbers: Ids,
    canonical: Ids,
) -> Members:
    """List the members group by group: the canonical item first, then the others in order."""
    canonical_of = np.concatenate([[-1], canonical])[group_numbers]
    places = np.flatnonzero(group_numbers[distinct])
    numbers = distinct[places]
    is_canonical = numbers == canonical_of[numbers]
    _, first = np.unique(numbers, return_index=True)
    is_first = np.zeros(len(places), np.bool_)  # of several copies only the first is canonical
    is_first[first] = True
    is_canonical &= is_first
    lines = np.fromiter((items[i].line for i in places.tolist()), np.int64, len(places))
    order = np.lexsort((lines, ~is_canonical, group_numbers[numbers]))
    places, numbers = places[order], numbers[order]
    cosines = score_pairs(grouping.vectors, numbers, canonical_of[numbers])
    return Members(items, places, group_numbers[numbers], is_canonical[order], cosines)
