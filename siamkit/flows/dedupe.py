"""Dedupe (N:N): which of many items are the same, as pairs and as groups."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.embed import batches, region_choosers
from siamkit.embed.batches import Job
from siamkit.embed.pipeline import Pipeline
from siamkit.embed.resumable import ResumableVectors
from siamkit.errors import SiamkitError
from siamkit.flows import duplicates
from siamkit.flows.duplicates import Duplicates, MatchRule
from siamkit.io import sources
from siamkit.io.sources import Content
from siamkit.types import Fault, Progress, ignore_progress

if TYPE_CHECKING:
    from siamkit.types import Ids, Vectors


@dataclass(frozen=True, slots=True)
class Item:
    """One of the things that are compared: a text (str) or a file (Path)."""

    line: int  # where it stands in its list, from 1
    id: str
    source: str | Path

    @property
    def shown(self) -> str:
        """The text, or the file's name."""
        return self.source if isinstance(self.source, str) else sources.to_text(self.source)


@dataclass(frozen=True, slots=True)
class Member:
    """An item in a group of duplicates."""

    group: int  # from 1, the largest first
    canonical: bool  # it stands for the group; one in each
    item: Item
    score: float  # cosine to the canonical one


@dataclass(frozen=True, slots=True)
class Pair:
    """Two items that are the same."""

    group: int | None  # None where complete linkage has put the two into different groups
    left: Item
    right: Item
    score: float  # cosine
    probability: float | None  # by the reranker, if there is one


@dataclass(frozen=True, slots=True, eq=False)
class Deduped:
    """What became of a list. Copies of one item share a number in `distinct`."""

    items: Sequence[Item]  # those that could be compared
    faults: list[Fault]  # those that could not
    distinct: Ids  # (len(items),) index into the rows of found.vectors
    found: Duplicates  # among the distinct items
    group_of: Ids  # (number of distinct items,) the group from 1; 0 for none
    members: list[Member]
    groups: int

    @property
    def copies(self) -> int:
        """Items that repeat an earlier one exactly."""
        return len(self.items) - len(self.found.vectors)

    def pairs(self) -> Iterable[Pair]:
        """Every pair at or above the threshold, best first; then each copy with the first of it."""
        yield from _pairs(self)


def dedupe(
    pipeline: Pipeline,
    items: Iterable[Item],
    rule: MatchRule,
    *,
    max_memory: int | None = None,
    progress: Progress = ignore_progress,
) -> Deduped:
    """Find the duplicates in a list: exact copies by hash, the others by their vectors.

    Exact are texts that are equal once the modality has normalised them, or files of equal
    content. max_memory: bytes that this process may take; None for most of what is free. An
    embedding that is broken off goes on where it stopped when the same items are given again.
    Raises BadInput if that is too little.
    """
    kept, faults, digests = _read(pipeline, items, progress)
    first, distinct = _distinct(digests)
    unique = [kept[i] for i in first]
    scratch = ResumableVectors(
        pipeline.encoder.fingerprint,
        pipeline.detector.name if pipeline.detector else "none",
        (digests[i] for i in first),
        len(first),
        pipeline.encoder.dim,
    )
    broken = _embed(pipeline, unique, scratch, progress)
    vectors = scratch.vectors
    if broken:
        faults += [
            Fault(broken[number], item.id, item.line)
            for item, number in zip(kept, distinct.tolist(), strict=True)
            if number in broken
        ]
        sound = np.setdiff1d(np.arange(len(first)), list(broken))
        renumbered = np.full(len(first), -1)
        renumbered[sound] = np.arange(len(sound))
        distinct = renumbered[distinct]
        kept = [item for item, number in zip(kept, distinct.tolist(), strict=True) if number >= 0]
        distinct, vectors = distinct[distinct >= 0], vectors[sound]
        unique = [unique[i] for i in sound.tolist()]
    media = _media(pipeline, unique) if rule.reranker else None
    done = of_vectors(
        kept,
        distinct,
        vectors,
        media,
        rule,
        max_memory=max_memory,
        progress=progress,
        faults=faults,
    )
    scratch.delete()
    return done


def of_vectors(
    items: Sequence[Item],
    distinct: Ids | None,
    vectors: Vectors,
    media: Sequence[Any] | None,
    rule: MatchRule,
    *,
    max_memory: int | None = None,
    progress: Progress = ignore_progress,
    faults: Sequence[Fault] = (),
) -> Deduped:
    """The same for (m, dim) unit vectors that are there already.

    distinct: (len(items),) the row of each item; None finds equal rows itself.
    """
    if distinct is None:
        first, distinct = _distinct([hashlib.sha256(row.tobytes()).digest() for row in vectors])
        vectors = vectors[first]
    copies = np.bincount(distinct, minlength=len(vectors))
    found = duplicates.find(
        vectors, media, rule, copies=copies, max_memory=max_memory, progress=progress
    )
    groups, canonical = _with_copies(found, copies)
    group_of = np.zeros(len(vectors), np.int64)
    for number, group in enumerate(groups, 1):
        group_of[group] = number
    members = _members(items, distinct, found, group_of, canonical)
    faults = sorted(faults, key=lambda fault: fault.line or 0)
    return Deduped(items, faults, distinct, found, group_of, members, len(groups))


def _read(
    pipeline: Pipeline, items: Iterable[Item], progress: Progress
) -> tuple[list[Item], list[Fault], list[bytes]]:
    """The items that can be read, those that cannot, and what the former are known by."""
    kept, faults, digests = [], [], []
    for number, item in enumerate(items, 1):
        try:
            digests.append(_digest(pipeline, item.source))
            kept.append(item)
        except SiamkitError as error:
            faults.append(Fault(str(error), item.id, item.line))
        if number % 1_000 == 0:
            progress("reading", number, 0)
    return kept, faults, digests


def _digest(pipeline: Pipeline, source: str | Path) -> bytes:
    if isinstance(source, str):
        medium = pipeline.load(Content("", source))
        if isinstance(medium, str):
            return Content("", medium).digest
        return Content("", source).digest
    return sources.read(source).digest


def _distinct(digests: Sequence[bytes]) -> tuple[list[int], Ids]:
    """The first item of each content, and for each item which of those it is."""
    numbers: dict[bytes, int] = {}
    distinct = np.fromiter(
        (numbers.setdefault(digest, len(numbers)) for digest in digests), np.int64, len(digests)
    )
    _, first = np.unique(distinct, return_index=True)
    return first.tolist(), distinct


def _embed(
    pipeline: Pipeline, unique: Sequence[Item], scratch: ResumableVectors, progress: Progress
) -> dict[int, str]:
    """Fill the scratch file; returns what could not be embedded, and why."""
    missing = scratch.missing_rows().tolist()
    # Neighbours of like length share a batch, which wastes the least on padding.
    missing.sort(key=lambda i: len(unique[i].shown))
    jobs = (Job(unique[i].source, text=isinstance(unique[i].source, str), tag=i) for i in missing)
    broken: dict[int, str] = {}
    done = len(unique) - len(missing)
    for batch in batches.embed_all(pipeline, jobs, region_choosers.largest_region):
        for result in batch:
            if result.error:
                broken[result.job.tag] = str(result.error)
            else:
                scratch.vectors[result.job.tag] = result.regions[0].vector
        done += len(batch)
        progress("embedding", done, len(unique))
    return broken


def _media(pipeline: Pipeline, unique: Sequence[Item]) -> list[Any]:
    return [pipeline.load(pipeline.read(item.source)) for item in unique]


def _with_copies(found: Duplicates, copies: Ids) -> tuple[list[list[int]], list[int]]:
    """Groups and their canonical items, with those added that have nothing but copies."""
    grouped = {item for group in found.groups for item in group}
    alone = [i for i in np.flatnonzero(copies > 1).tolist() if i not in grouped]
    both = [*zip(found.groups, found.canonical, strict=True), *(([i], i) for i in alone)]
    both.sort(key=lambda pair: (-int(copies[pair[0]].sum()), pair[0]))
    return [group for group, _ in both], [canonical for _, canonical in both]


def _members(
    items: Sequence[Item],
    distinct: Ids,
    found: Duplicates,
    group_of: Ids,
    canonical: list[int],
) -> list[Member]:
    """Group by group: the canonical item first, then the others as they came."""
    stands = np.array([-1, *canonical])[group_of]
    inside = np.flatnonzero(group_of[distinct])
    score = found.cosine(distinct[inside], stands[distinct[inside]])
    members, seen = [], set()
    for at, cosine in zip(inside.tolist(), np.minimum(score, 1).tolist(), strict=True):
        row = int(distinct[at])
        first = row == int(stands[row]) and row not in seen  # of several copies one is canonical
        seen.add(row)
        members.append(Member(int(group_of[row]), first, items[at], round(cosine, 6)))
    return sorted(members, key=lambda m: (m.group, not m.canonical, m.item.line))


def _pairs(deduped: Deduped) -> Iterable[Pair]:
    found, items, distinct = deduped.found, deduped.items, deduped.distinct
    _, first = np.unique(distinct, return_index=True)

    def group(a: int, b: int) -> int | None:
        same = deduped.group_of[a] == deduped.group_of[b]
        return int(deduped.group_of[a]) or None if same else None

    pairs = found.pairs
    cosines = found.cosine(pairs.left, pairs.right)
    for at in np.argsort(-pairs.scores, kind="stable").tolist():
        left, right = int(pairs.left[at]), int(pairs.right[at])
        probability = round(float(pairs.scores[at]), 6) if found.rule.reranker else None
        a, b = items[first[left]], items[first[right]]
        yield Pair(group(left, right), a, b, round(float(cosines[at]), 6), probability)
    for at in np.setdiff1d(np.arange(len(items)), first).tolist():
        a, b = items[first[distinct[at]]], items[at]
        row = int(distinct[at])
        yield Pair(group(row, row), a, b, 1.0, 1.0 if found.rule.reranker else None)
