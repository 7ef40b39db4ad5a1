"""Dedupe (N:N): find the duplicates among many items, as pairs and as groups."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from siamkit.embed import batches, region_choosers
from siamkit.embed.batches import Job
from siamkit.embed.pipeline import Pipeline
from siamkit.embed.resumable import ResumableVectors
from siamkit.errors import SiamkitError
from siamkit.flows.grouping import Grouping, MatchRule, group_duplicates
from siamkit.flows.score_trials import score_pairs
from siamkit.io import npy, sources
from siamkit.io.sources import Content
from siamkit.types import Fault, Ids, Progress, Vectors, ignore_progress


@dataclass(frozen=True, slots=True)
class Item:
    """A text (str) or a file (Path) to compare with others."""

    line: int  # in its list, from 1
    id: str
    source: str | Path

    @property
    def shown(self) -> str:
        """The text, or the file's name."""
        return self.source if isinstance(self.source, str) else sources.to_text(self.source)


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
class Deduped:
    """The duplicates in a list of n items, m of them distinct. Exact copies share a number."""

    items: Sequence[Item]  # (n,) those that could be compared
    faults: list[Fault]  # those that could not
    distinct: Ids  # (n,) numbers in 0 … m - 1
    grouping: Grouping  # of the distinct items
    group_numbers: Ids  # (m,) the group from 1; 0 for none
    members: list[Member]
    groups: int

    @property
    def copies(self) -> int:
        """The number of items that repeat an earlier one exactly."""
        return len(self.items) - len(self.grouping.vectors)

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


def dedupe(
    pipeline: Pipeline,
    items: Iterable[Item],
    rule: MatchRule,
    *,
    max_memory: int | None = None,
    progress: Progress = ignore_progress,
) -> Deduped:
    """Find the duplicates in a list: exact copies by hash, the others by their vectors.

    Copies are texts that are equal once the modality has normalised them, or files of equal
    content. max_memory: bytes that this process may use; None for most of what is free. An
    interrupted embedding resumes if the same items are given again. Raises BadInput if the memory
    is too small.
    """
    readable, faults, digests = _read(pipeline, items, progress)
    firsts, distinct = _number_distinct(digests)
    unique = [readable[i] for i in firsts]
    resumable = ResumableVectors(
        pipeline.encoder.fingerprint,
        pipeline.detector.name if pipeline.detector else "none",
        (digests[i] for i in firsts),
        len(firsts),
        pipeline.encoder.dim,
    )
    errors = _embed(pipeline, unique, resumable, progress)
    vectors = resumable.vectors
    if errors:
        numbered = list(zip(readable, distinct.tolist(), strict=True))
        faults += [Fault(errors[n], item.id, item.line) for item, n in numbered if n in errors]
        readable = [item for item, n in numbered if n not in errors]
        usable = np.setdiff1d(np.arange(len(firsts)), list(errors))
        distinct = np.searchsorted(usable, distinct[np.isin(distinct, usable)])
        vectors, unique = vectors[usable], [unique[i] for i in usable.tolist()]
    media = None
    if rule.reranker:
        media = [pipeline.load(pipeline.read(item.source)) for item in unique]
    copies = np.bincount(distinct, minlength=len(vectors))
    grouping = group_duplicates(
        vectors, media, rule, copies=copies, max_memory=max_memory, progress=progress
    )
    resumable.delete()
    return _assemble(readable, faults, distinct, grouping)


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
    digests = [hashlib.sha256(row.tobytes()).digest() for row in vectors]
    firsts, distinct = _number_distinct(digests)
    copies = np.bincount(distinct, minlength=len(firsts))
    grouping = group_duplicates(
        vectors[firsts], None, rule, copies=copies, max_memory=max_memory, progress=progress
    )
    return _assemble(items, faults, distinct, grouping)


def _assemble(
    items: Sequence[Item], faults: Sequence[Fault], distinct: Ids, grouping: Grouping
) -> Deduped:
    """Add exact copies to the groups of distinct items."""
    copies = np.bincount(distinct, minlength=len(grouping.vectors))
    groups, canonical = _add_copy_groups(grouping, copies)
    group_numbers = np.zeros(len(grouping.vectors), np.int64)
    for number, group in enumerate(groups, 1):
        group_numbers[group] = number
    members = _list_members(items, distinct, grouping, group_numbers, canonical)
    ordered = sorted(faults, key=lambda fault: fault.line or 0)
    return Deduped(items, ordered, distinct, grouping, group_numbers, members, len(groups))


def _read(
    pipeline: Pipeline, items: Iterable[Item], progress: Progress
) -> tuple[list[Item], list[Fault], list[bytes]]:
    """Return the readable items, the faults of the others, and the digests of the readable."""
    readable, faults, digests = [], [], []
    for number, item in enumerate(items, 1):
        try:
            digests.append(_digest(pipeline, item.source))
            readable.append(item)
        except SiamkitError as error:
            faults.append(Fault(str(error), item.id, item.line))
        if number % 1_000 == 0:
            progress("reading", number, 0)
    return readable, faults, digests


def _digest(pipeline: Pipeline, source: str | Path) -> bytes:
    if not pipeline.is_text(source):
        return sources.read(source).digest
    text = str(source)
    medium = pipeline.load(Content("", text))
    return Content("", medium if isinstance(medium, str) else text).digest


def _number_distinct(digests: Sequence[bytes]) -> tuple[list[int], Ids]:
    """Return the first item of each distinct content, and the number of each item's content."""
    numbers: dict[bytes, int] = {}
    distinct = np.fromiter(
        (numbers.setdefault(digest, len(numbers)) for digest in digests), np.int64, len(digests)
    )
    _, firsts = np.unique(distinct, return_index=True)
    return firsts.tolist(), distinct


def _embed(
    pipeline: Pipeline, unique: Sequence[Item], resumable: ResumableVectors, progress: Progress
) -> dict[int, str]:
    """Embed what is missing; return the errors by item number."""
    missing = resumable.missing_rows().tolist()
    # Items of similar length share a batch, which wastes the least on padding.
    missing.sort(key=lambda i: len(unique[i].shown))
    jobs = (Job(unique[i].source, i) for i in missing)
    errors: dict[int, str] = {}
    done = len(unique) - len(missing)
    for batch in batches.embed_all(pipeline, jobs, region_choosers.largest_region):
        for embedded in batch:
            if embedded.error:
                errors[embedded.job.tag] = str(embedded.error)
            else:
                resumable.vectors[embedded.job.tag] = embedded.regions[0].vector
        done += len(batch)
        progress("embedding", done, len(unique))
    return errors


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
