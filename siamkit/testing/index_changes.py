"""Rules of changing an index: rows are added, replaced and removed."""

from __future__ import annotations

import numpy as np

from siamkit.testing.index import finds_itself, length_counts
from siamkit.testing.index_fixtures import COUNT, ids, ids_found, queries, rows
from siamkit.testing.rule import attempt, require, rule
from siamkit.testing.subjects import IndexSubject


@rule("remove ids that are there before they are added", finds_itself)
def upsert_twice(subject: IndexSubject) -> None:
    """Adding an id again replaces its vector."""
    index, new_vectors = subject.filled(), rows(5, seed=2)
    for _ in range(2):
        index.add(ids(5), new_vectors)
    nearest, count = index.search(new_vectors, 1).ids[:, 0], len(ids_found(index))
    is_replaced = count == COUNT and (nearest == ids(5)).all()
    require(is_replaced, f"{count} of {COUNT} rows, {nearest} for the new vectors of 1 to 5")


@rule("delete them, or mask them out of every search", finds_itself)
def remove_removes(subject: IndexSubject) -> None:
    """A removed id is no longer found."""
    index = subject.filled()
    index.remove(ids(5))
    remaining = ids_found(index)
    got = f"{len(remaining)} ids, from {min(remaining, default=0)}, not ids 6 to {COUNT}"
    require(remaining == {*range(6, COUNT + 1)}, got)


@rule("ignore ids that are not there: a change may be applied twice", remove_removes)
def remove_missing(subject: IndexSubject) -> None:
    """Removing an id that is not there changes nothing."""
    index = subject.filled()
    index.remove(np.array([COUNT + 7], np.int64))
    count = len(ids_found(index))
    require(count == COUNT, f"{count} of {COUNT} rows")


@rule("count the ids that a search can find", length_counts, upsert_twice, remove_removes)
def length_follows_changes(subject: IndexSubject) -> None:
    """len() counts neither removed nor replaced rows."""
    index = subject.filled()
    index.add(ids(5), rows(5, seed=2))
    index.remove(ids(3))
    got = f"len {len(index)}, with {COUNT} rows added, five replaced, three removed"
    require(len(index) == COUNT - 3, got)


@rule("work on copies, and keep one: np.array(vectors)", finds_itself)
def arguments_stay_unchanged(subject: IndexSubject) -> None:
    """add and search do not change their arguments, and add keeps a copy."""
    index, vectors, numbers = subject.open(), rows(COUNT), ids(COUNT)
    probes, within = queries(), ids(COUNT)[::-1].copy()
    for argument in (vectors, numbers, probes, within):
        argument.flags.writeable = False
    with attempt("arguments that are read-only"):
        index.add(numbers, vectors)
        index.search(probes, 3)
        index.search(probes, 3, within=within)
    before = index.search(probes, 3).ids
    vectors.flags.writeable = True
    vectors[:] = rows(COUNT)[::-1]
    same_ids = np.array_equal(index.search(probes, 3).ids, before)
    require(same_ids, "other answers after the caller's array has changed")
