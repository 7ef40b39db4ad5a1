"""Dedupe (N:N): find the duplicates among many items, as pairs and as groups."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from siamkit.embed import batches
from siamkit.embed.batches import EmbedAll
from siamkit.embed.pipeline import Pipeline
from siamkit.flows import objections
from siamkit.flows.dedupe_items import Item, embed_items
from siamkit.flows.grouping import Grouping, MatchRule, group_duplicates
from siamkit.flows.related_groups import RelatedGroup, related_groups
from siamkit.flows.score_trials import score_pairs
from siamkit.flows.trials import number_distinct
from siamkit.io import npy
from siamkit.io.presentable import Presentable
from siamkit.types import Fault, Ids, Objection, Progress, Vectors, ignore_progress


@dataclass(frozen=True, slots=True)
class Member:
    """An item in a group of duplicates."""

    group: int  # from 1, largest first
    canonical: bool  # it represents the group; one in each
    item: Item
    score: float  # cosine to the canonical item


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
    members: list[Member]
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
    return _assemble(
        embedded.items, embedded.faults, embedded.distinct, grouping, embedded.left_out
    )


def dedupe_matrix(
    path: Path,
    rule: MatchRule,
    *,
    max_memory: int | None = None,
    progress: Progress = ignore_progress,
) -> Deduped:
    """Find the duplicates among the rows of a .npy file. Rows that are zero, NaN or Inf are faults.

    Raises BadInput for any other file.
    """
    matrix = npy.read(path)
    bad = set(matrix.unusable.tolist())
    faults = [Fault("zero, NaN or Inf", str(row), row + 1) for row in sorted(bad)]
    items = [
        Item(row + 1, str(row), name) for row, name in enumerate(matrix.names) if row not in bad
    ]
    vectors = matrix.vectors[[item.line - 1 for item in items]] if bad else matrix.vectors
    return dedupe_vectors(
        items, vectors, rule, faults=faults, max_memory=max_memory, progress=progress
    )


def dedupe_vectors(
    items: Sequence[Item],
    vectors: Vectors,
    rule: MatchRule,
    *,
    faults: Sequence[Fault] = (),
    max_memory: int | None = None,
    progress: Progress = ignore_progress,
) -> Deduped:
    """Find the duplicates among n items by their (n, dim) unit vectors."""
    _, distinct = number_distinct([hashlib.sha256(row.tobytes()).digest() for row in vectors])
    _, firsts, copies = np.unique(distinct, return_index=True, return_counts=True)
    grouping = group_duplicates(
        vectors[firsts], None, rule, copies=copies, max_memory=max_memory, progress=progress
    )
    return _assemble(items, faults, distinct, grouping)


def _assemble(
    items: Sequence[Item],
    faults: Sequence[Fault],
    distinct: Ids,
    grouping: Grouping,
    left_out: Sequence[Fault] = (),
) -> Deduped:
    """Add exact copies to the groups of distinct items."""
    copies = np.bincount(distinct, minlength=len(grouping.vectors))
    groups, canonical = _add_copy_groups(grouping, copies)
    group_numbers = np.zeros(len(grouping.vectors), np.int64)
    for number, group in enumerate(groups, 1):
        group_numbers[group] = number
    members = _list_members(items, distinct, grouping, group_numbers, canonical)
    return Deduped(
        items,
        sorted(faults, key=_line),
        sorted(left_out, key=_line),
        distinct,
        grouping,
        group_numbers,
        np.array(canonical, np.int64),
        members,
        len(groups),
    )


def _line(fault: Fault) -> int:
    return fault.line or 0


def _add_copy_groups(grouping: Grouping, copies: Ids) -> tuple[list[list[int]], list[int]]:
    """Return the groups and their canonical items, with items that only have exact copies."""
    grouped = {item for group in grouping.groups for item in group}
    only_copies = [i for i in np.flatnonzero(copies > 1).tolist() if i not in grouped]
    pairs = [*zip(grouping.groups, grouping.canonical, strict=True)]
    pairs += [([i], i) for i in only_copies]
    pairs.sort(key=lambda pair: (-int(copies[pair[0]].sum()), pair[0]))
    return [group for group, _ in pairs], [canonical for _, canonical in pairs]


def _list_members(
    items: Sequence[Item],
    distinct: Ids,
    grouping: Grouping,
    group_numbers: Ids,
    canonical: list[int],
) -> list[Member]:
    """List the members group by group: the canonical item first, then the others in order."""
    canonical_of = np.array([-1, *canonical])[group_numbers]
    inside = np.flatnonzero(group_numbers[distinct])
    cosines = score_pairs(grouping.vectors, distinct[inside], canonical_of[distinct[inside]])
    members, listed = [], set()
    for i, cosine in zip(inside.tolist(), cosines.tolist(), strict=True):
        number = int(distinct[i])
        is_canonical = number == int(canonical_of[number]) and number not in listed
        listed.add(number)  # of several copies only the first is canonical
        group = int(group_numbers[number])
        members.append(Member(group, is_canonical, items[i], round(cosine, 6)))
    return sorted(members, key=lambda m: (m.group, not m.canonical, m.item.line))
