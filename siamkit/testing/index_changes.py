"""Rules of changing an index: rows are added, replaced and removed."""

from __future__ import annotations

import numpy as np

from siamkit.testing.index import check_length_counts, searchable
from siamkit.testing.index_fixtures import COUNT, ids, ids_found, queries
from siamkit.testing.outcome import Failure
from siamkit.testing.rows import rows
from siamkit.testing.run import needs
from siamkit.testing.subjects import IndexSubject


def check_upsert_twice(subject: IndexSubject) -> None:
    """Adding an id again replaces its vector."""
    with searchable(subject) as bench:
        index, new_vectors = bench.filled(), rows(5, seed=2)
        for _ in range(2):
            index.add(ids(5), new_vectors)
        hits = index.search(new_vectors, 1)
        if (count := len(ids_found(index))) != COUNT or (hits.ids[:, 0] != ids(5)).any():
            raise Failure(
                f"{COUNT} rows, five of them new",
                f"{count} rows, found {hits.ids[:, 0]}",
                "remove ids that are there before they are added",
            )


def check_remove_removes(subject: IndexSubject) -> None:
    """A removed id is no longer found."""
    with searchable(subject) as bench:
        index = bench.filled()
        index.remove(ids(5))
        if (remaining := ids_found(index)) != {*range(6, COUNT + 1)}:
            raise Failure(
                f"ids 6 to {COUNT}",
                f"{len(remaining)} ids, from {min(remaining, default=0)}",
                "delete them, or mask them out of every search",
            )


def check_remove_missing(subject: IndexSubject) -> None:
    """Removing an id that is not there changes nothing."""
    needs(subject, check_remove_removes)
    fix = "ignore ids that are not there: a change may be applied twice"
    with searchable(subject) as bench:
        index = bench.filled()
        try:
            index.remove(np.array([COUNT + 7], np.int64))
        except Exception as error:
            raise Failure("nothing to happen", f"{type(error).__name__}: {error}", fix) from error
        if (count := len(ids_found(index))) != COUNT:
            raise Failure(f"{COUNT} rows", f"{count}", fix)


def check_length_follows_changes(subject: IndexSubject) -> None:
    """len() counts neither removed nor replaced rows."""
    needs(subject, check_length_counts, check_upsert_twice, check_remove_removes)
    with searchable(subject) as bench:
        index = bench.filled()
        index.add(ids(5), rows(5, seed=2))
        index.remove(ids(3))
        if len(index) != COUNT - 3:
            raise Failure(
                f"len {COUNT - 3} of {COUNT}, five replaced, three removed",
                f"{len(index)}",
                "count the ids that a search can find",
            )


def check_arguments_stay_unchanged(subject: IndexSubject) -> None:
    """add and search do not change their arguments, and add keeps a copy."""
    with searchable(subject) as bench:
        index, vectors, numbers = bench.open(), rows(COUNT), ids(COUNT)
        probes, within = queries(), ids(COUNT)[::-1].copy()
        for argument in (vectors, numbers, probes, within):
            argument.flags.writeable = False
        try:
            index.add(numbers, vectors)
            index.search(probes, 3)
            index.search(probes, 3, within=within)
        except ValueError as error:
            raise Failure("arrays as they were", f"{error}", "work on copies") from error
        before = index.search(queries(), 3).ids
        vectors.flags.writeable = True
        vectors[:] = rows(COUNT)[::-1]
        if not np.array_equal(index.search(queries(), 3).ids, before):
            raise Failure(
                "answers that do not depend on the caller's array",
                "other answers",
                "keep a copy: np.array(vectors)",
            )


CHECKS = (
    check_upsert_twice,
    check_remove_removes,
    check_remove_missing,
    check_length_follows_changes,
    check_arguments_stay_unchanged,
)
