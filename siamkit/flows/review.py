"""Review a gallery: what an audit found and who is unknown, as questions with two answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from siamkit.errors import BadInput, StoreError, UnknownName
from siamkit.flows.audit import Finding
from siamkit.flows.forget import forget
from siamkit.io.presentable import Presentable
from siamkit.store import Gallery, Store, labels, merges, reviews, samples
from siamkit.store.reviews import Choice, Review
from siamkit.store.samples import Sample

QUEUES: Mapping[str, tuple[str, ...]] = {  # the kinds of item in each
    "duplicates": ("twins", "copy", "label"),
    "findings": ("outlier", "quality", "burst"),
    "unknown": ("unknown",),
}
_ID = re.compile(r"[1-9][0-9]{0,17}")  # what fits into 64 bits
DOOMED = ("quality", "burst")  # kinds of which "different" marks a sample to forget


@dataclass(frozen=True, slots=True)
class ReviewItem(Presentable):
    """A question for a reviewer: is `left` the same as `right`, or else as its own identity?

    Examples:
        >>> [item.kind for item in ws.review("questions", "findings")]
        ['outlier', 'outlier']
    """

    subject: str  # kind and ids: what a decision is stored under
    kind: str
    left: Sample
    right: Sample | None
    description: str  # for people


def subject_of(finding: Finding) -> str:
    """Return what a decision about a finding is stored under."""
    other = "" if finding.other_sample_id is None else f" {finding.other_sample_id}"
    return f"{finding.kind} {finding.sample_id}{other}"


def list_items(
    store: Store, gallery: Gallery, findings: Iterable[Finding], queue: str
) -> list[ReviewItem]:
    """Return the findings of a queue that no decision is about, with their samples as they are.

    A pair that has become one identity since, and what has been forgotten, is left out; of several
    findings about one pair, the first is asked about.
    """
    done = {_pair(review.subject) for review in reviews.list_all(store, gallery)}
    items = []
    for finding in findings:
        subject = subject_of(finding)
        if finding.kind not in QUEUES[queue] or _pair(subject) in done:
            continue
        done.add(_pair(subject))
        try:
            left = samples.get(store, finding.sample_id)
            other = finding.other_sample_id
            right = None if other is None else samples.get(store, other)
        except StoreError:
            continue
        if right is None or right.identity != left.identity:
            items.append(ReviewItem(subject, finding.kind, left, right, finding.description))
    return items


def _pair(subject: str) -> str | frozenset[str]:
    """Return the two samples of a subject, in any order, whatever its kind; else the subject."""
    kind, _, numbers = subject.partition(" ")
    return frozenset(numbers.split()) if kind in QUEUES["duplicates"] else subject


def decide(store: Store, gallery: Gallery, subject: str, choice: Choice) -> None:
    """Act on a decision about a finding, and store it.

    The same: two identities become one, with the name that has more samples, or a sample moves to
    the one that it is like. Different: a sample that is unlike its identity moves to a new one;
    other pairs stay two. Raises BadInput for an unknown subject or choice, StoreError if a sample
    is gone or of another gallery.
    """
    kind, numbers = parse_subject(subject)
    if kind == "unknown":
        raise BadInput(f"{subject} is no finding", hint="an unknown is enrolled or skipped")
    merger = None
    if choice not in ("same", "different", "skip"):
        raise BadInput(f"{choice!r} is no decision", hint="same, different or skip")
    left, *others = (_require_sample(store, gallery, number) for number in numbers)
    if choice == "same" and others:
        (right,) = others
        if left.identity == right.identity:
            raise BadInput(f"both are {left.identity!r} already")
        if kind == "label":
            merger = merges.move(store, left.id, right.identity).number
        else:
            merger = _merge(store, left.identity, right.identity)
    elif choice == "different" and kind == "outlier":
        merger = merges.move(store, left.id, _new_label(store, left.identity)).number
    reviews.add(store, gallery, subject, choice, merger)


def _require_sample(store: Store, gallery: Gallery, sample_id: int) -> Sample:
    """Return a sample of a gallery. Raises StoreError if it is gone or of another."""
    sample = samples.get(store, sample_id)
    if sample.gallery != gallery.name:
        raise UnknownName(f"no sample {sample_id} in gallery {gallery.name!r}")
    return sample


def parse_subject(subject: str) -> tuple[str, list[int]]:
    """Return the kind and the ids of a subject. Raises BadInput for another text.

    Duplicates have two ids, others one. There is one way to write each: a decision is stored, and
    found again, under its subject.
    """
    kind, *ids = subject.split(" ")
    known = any(kind in kinds for kinds in QUEUES.values())
    count = 2 if kind in QUEUES["duplicates"] else 1
    is_sound = len(ids) == len(set(ids)) == count and all(map(_ID.fullmatch, ids))
    if not (known and is_sound):
        raise BadInput(f"{subject[:60]!r} is nothing to decide about")
    return kind, [int(number) for number in ids]


def _merge(store: Store, first: str, second: str) -> int:
    """Merge two identities under the name of the one with more samples; return the number."""
    counts = [len(labels.sample_ids(store, label)) for label in (first, second)]
    old, new = (second, first) if counts[0] > counts[1] else (first, second)
    return merges.merge(store, old, new).number


def _new_label(store: Store, label: str) -> str:
    """Return a free label for samples that are not of an identity."""
    for number in range(1, 10_000):
        candidate = f"not {label}"[: labels.MAX_LABEL_CHARS - 6] + (
            f" ({number})" if number > 1 else ""
        )
        try:
            labels.sample_ids(store, candidate)
        except UnknownName:
            return candidate
    raise BadInput(f"too many samples are not {label!r}")


def undo(store: Store, gallery: Gallery) -> Review:
    """Take the last decision about a gallery back, with what it did; return it."""
    review = reviews.last(store, gallery)
    if review.merger is not None:
        merges.undo(store, number=review.merger)
    reviews.delete(store, review.id)  # first, lest what waited is forgotten with its sample
    if review.sample_id is not None:
        forget(store, [review.sample_id])
    return review


def doomed(store: Store, gallery: Gallery) -> list[int]:
    """Return the samples that decisions have marked to be forgotten, and that are still there."""
    marked = []
    for review in reviews.list_all(store, gallery):
        if review.subject.startswith(DOOMED) and review.decision == "different":
            try:
                (sample_id,) = parse_subject(review.subject)[1]
                samples.require(store, sample_id)
            except (BadInput, StoreError):
                continue
            marked.append(sample_id)
    return marked
