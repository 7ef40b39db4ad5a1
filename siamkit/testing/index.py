"""Rules of an open index: the answers of brute force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from siamkit.testing.outcome import Failure
from siamkit.testing.place import (
    BLOCK,
    COUNT,
    MANY,
    K,
    Place,
    brute,
    held,
    ids,
    least,
    place,
    queries,
    share,
    slack,
)
from siamkit.testing.rows import DIM, KEY, rows
from siamkit.testing.run import needs
from siamkit.testing.subjects import IndexSubject
from siamkit.types import Cursor


@contextmanager
def working(seen: IndexSubject) -> Iterator[Place]:
    """A place for a backend whose searches find what was added; else every rule would be broken."""
    needs(seen, check_finds_itself)
    with place(seen) as at:
        yield at


def check_empty_index_answers(seen: IndexSubject) -> None:
    """A new index is empty, at cursor 0, and a search finds nothing."""
    with place(seen) as at:
        index, refused = at.backend.open(KEY, DIM, root=at.root, known=lambda _: True)
        hits = index.search(queries(), 3)
        if len(index) or index.cursor() != Cursor() or (hits.ids != -1).any() or refused != []:
            raise Failure(
                "no rows, Cursor(), ids of -1, and [] refused",
                f"{len(index)} rows, {index.cursor()}, {hits.ids[0]}, {refused}",
                "begin empty when nothing is saved",
            )


def check_length_counts(seen: IndexSubject) -> None:
    """len() is how many ids there are."""
    with place(seen) as at:
        if (found := len(at.filled())) != COUNT:
            raise Failure(f"len {COUNT}", str(found), "count what was added and not removed")


def check_exact_is_said(seen: IndexSubject) -> None:
    """`exact` of an open index is True or False."""
    with place(seen) as at:
        if not isinstance(exact := at.open().exact, bool):
            raise Failure(
                "True or False", repr(exact), "exact = True if it is brute force's answer"
            )


def check_nothing_is_taken(seen: IndexSubject) -> None:
    """No ids to add or to remove, no queries, and no ids to search within: all are answered."""
    needs(seen, check_within_is_obeyed)
    nothing, no_rows = ids(0), rows(0)
    with working(seen) as at:
        fix = "return early where there is nothing to do"
        try:
            index = at.filled()
            index.add(nothing, no_rows)
            index.remove(nothing)
            got = index.search(no_rows, 3), index.search(queries(), 3, within=nothing)
        except Exception as error:
            raise Failure("an answer", f"{type(error).__name__}: {error}", fix) from error
        if len(got[0].ids) or (got[1].ids != -1).any():
            raise Failure(
                "no hits, and ids of -1 within nothing", f"{len(got[0].ids)}, {got[1].ids[0]}",
                "an empty `within` is not None",
            )  # fmt: skip


def check_dim_is_its_callers(seen: IndexSubject) -> None:
    """Any dimension that open is asked for is served."""
    with working(seen) as at:
        index, _ = at.backend.open("g2-s2", DIM // 2, root=at.root, known=lambda _: True)
        halves = np.ascontiguousarray(rows(COUNT)[:, : DIM // 2])
        halves /= np.linalg.norm(halves, axis=1, keepdims=True)
        index.add(ids(COUNT), halves)
        if (found := int(index.search(halves[:1], 1).ids[0, 0])) != 1:
            raise Failure("row 1 to find itself", f"{found}", "take dim from open()")


def check_ids_are_64_bits(seen: IndexSubject) -> None:
    """Any positive int64 is an id."""
    with working(seen) as at:
        large = np.array([2**31 + 5, 2**53 + 1, 2**62 + 3], np.int64)
        index = at.open()
        index.add(large, rows(3))
        if (found := index.search(rows(3), 1).ids[:, 0].tolist()) != large.tolist():
            raise Failure(f"ids {large.tolist()}", f"{found}", "keep ids as int64")


def check_holds_thousands(seen: IndexSubject) -> None:
    """Thousands of rows, added in blocks, are all found."""
    with working(seen) as at:
        index, many = at.open(), rows(MANY)
        for start in range(0, MANY, BLOCK):
            index.add(ids(MANY)[start : start + BLOCK], many[start : start + BLOCK])
        found = share(index.search(many[::9], 1).ids, ids(MANY)[::9, None])
        if found < least(index):
            raise Failure(
                f"{MANY} rows that find themselves", f"{found:.1%} of them do",
                "keep what was added before",
            )  # fmt: skip


def check_hits_have_their_shape(seen: IndexSubject) -> None:
    """search gives ids (n, k) int64 and scores (n, k) float32."""
    with place(seen) as at:
        hits = at.filled().search(queries(), K)
        got = [(str(a.dtype), a.shape) for a in (hits.ids, hits.scores)]
        wanted = [("int64", (25, K)), ("float32", (25, K))]
        if got != wanted:
            raise Failure(f"ids and scores {wanted}", f"{got}", "convert before returning Hits")


def check_finds_itself(seen: IndexSubject) -> None:
    """Every vector's nearest is itself."""
    needs(seen, check_hits_have_their_shape)
    with place(seen) as at:
        hits = at.filled().search(rows(COUNT), 1)
        if missed := int((hits.ids[:, 0] != ids(COUNT)).sum()):
            raise Failure(
                "each row to find itself first", f"{missed} of {COUNT} did not",
                "rank by cosine, highest first; return ids, not row numbers",
            )  # fmt: skip


def check_equals_brute(seen: IndexSubject) -> None:
    """The k nearest are those of brute force; without `exact`, 95 % of them are."""
    with working(seen) as at:
        index = at.filled()
        found = index.search(queries(), K).ids
        wanted = brute(at).search(queries(), K).ids
        if (recall := share(found, wanted)) < least(index):
            raise Failure(
                f"recall@{K} of at least {least(index)}", f"{recall:.3f}",
                "search wider, or set exact = False if 0.95 is all that is promised",
            )  # fmt: skip


def check_best_come_first(seen: IndexSubject) -> None:
    """Scores do not rise along a row of hits."""
    with working(seen) as at:
        if (np.diff(at.filled().search(queries(), K).scores, axis=1) > 0).any():
            raise Failure("scores that fall", "scores that rise", "sort the hits of each query")


def check_scores_are_cosines(seen: IndexSubject) -> None:
    """A score is the cosine of the query and the vector of that id."""
    with working(seen) as at:
        index = at.filled()
        hits = index.search(queries(), K)
        vectors = np.concatenate([np.zeros((1, DIM), np.float32), rows(COUNT)])
        true = np.einsum("nd,nkd->nk", queries(), vectors[np.clip(hits.ids, 0, COUNT)])
        off = np.abs(np.where(hits.ids > 0, hits.scores - true, 0)).max()
        if not off <= slack(index):
            raise Failure(
                "cosines", f"scores that are {off:.3f} off",
                "return the inner product of unit vectors, not a distance",
            )  # fmt: skip


def check_upsert_twice(seen: IndexSubject) -> None:
    """Adding an id again replaces its vector."""
    with working(seen) as at:
        index, moved = at.filled(), rows(5, seed=2)
        for _ in range(2):
            index.add(ids(5), moved)
        hits = index.search(moved, 1)
        if (count := len(held(index))) != COUNT or (hits.ids[:, 0] != ids(5)).any():
            raise Failure(
                f"{COUNT} rows, five of them new", f"{count} rows, found {hits.ids[:, 0]}",
                "remove ids that are there before they are added",
            )  # fmt: skip


def check_remove_removes(seen: IndexSubject) -> None:
    """A removed id is found no more."""
    with working(seen) as at:
        index = at.filled()
        index.remove(ids(5))
        if (left := held(index)) != {*range(6, COUNT + 1)}:
            raise Failure(
                f"ids 6 to {COUNT}", f"{len(left)} ids, from {min(left, default=0)}",
                "delete them, or mask them out of every search",
            )  # fmt: skip


def check_remove_missing(seen: IndexSubject) -> None:
    """Removing an id that is not there changes nothing."""
    needs(seen, check_remove_removes)
    with working(seen) as at:
        index, fix = at.filled(), "ignore ids that are not there: a change may be applied twice"
        try:
            index.remove(np.array([COUNT + 7], np.int64))
        except Exception as error:
            raise Failure("nothing to happen", f"{type(error).__name__}: {error}", fix) from error
        if (count := len(held(index))) != COUNT:
            raise Failure(f"{COUNT} rows", f"{count}", fix)


def check_length_follows_changes(seen: IndexSubject) -> None:
    """len() counts neither what was removed nor what was replaced."""
    needs(seen, check_length_counts, check_upsert_twice, check_remove_removes)
    with working(seen) as at:
        index = at.filled()
        index.add(ids(5), rows(5, seed=2))
        index.remove(ids(3))
        if len(index) != COUNT - 3:
            raise Failure(
                f"len {COUNT - 3} of {COUNT}, five replaced, three removed", f"{len(index)}",
                "count the ids that a search can find",
            )  # fmt: skip


def check_k_beyond_size_pads(seen: IndexSubject) -> None:
    """Where there are fewer than k, ids are -1 and scores -inf."""
    needs(seen, check_best_come_first)
    with working(seen) as at:
        hits = at.filled().search(queries(), COUNT + 3)
        tail = hits.ids[:, COUNT:], hits.scores[:, COUNT:]
        good = hits.ids.shape == (25, COUNT + 3) and (tail[0] == -1).all()
        if not good or not np.isneginf(tail[1]).all():
            raise Failure(
                "(n, k) with -1 and -inf at the end", f"{hits.ids.shape}, {tail[0][:1]}",
                "np.full((n, k), -1) and np.full((n, k), -np.inf), then fill in",
            )  # fmt: skip


def check_within_is_obeyed(seen: IndexSubject) -> None:
    """With `within`, only those ids are found, and all of them."""
    with working(seen) as at:
        some = np.array([13, 3, 999, 8, 5, 3], np.int64)  # in no order, one twice
        found = at.filled().search(queries(), 4, within=some).ids
        if any({*row} != {3, 5, 8, 13} for row in found.tolist()):
            raise Failure(
                "ids 3, 5, 8 and 13 alone", f"{found[0]}",
                "select before the search, not among the k that it found",
            )  # fmt: skip


def check_ties_to_smaller_id(seen: IndexSubject) -> None:
    """Equal scores come smaller id first; an exact index also keeps the smaller ones of k."""
    needs(seen, check_best_come_first)
    with working(seen) as at:
        index, row = at.open(), np.eye(1, DIM, dtype=np.float32)  # scores without any rounding
        query = np.array([[0.6, 0.8] + [0.0] * (DIM - 2)], np.float32)
        index.add(np.array([7, 3, 5], np.int64), np.repeat(row, 3, axis=0))
        if (found := index.search(query, 3).ids.tolist()[0]) != [3, 5, 7]:
            raise Failure("ids 3, 5, 7", f"{found}", "np.lexsort((ids, -scores)) among the hits")
        index.add(ids(COUNT)[::-1].copy(), np.repeat(row, COUNT, axis=0))
        found = index.search(query, 3).ids.tolist()[0]
        if index.exact and found != [1, 2, 3]:
            raise Failure(
                f"ids 1, 2, 3 of {COUNT} equal ones", f"{found}",
                "look at all that score as the last of the k does",
            )  # fmt: skip


def check_input_is_its_callers(seen: IndexSubject) -> None:
    """add and search change nothing that they are given, and add keeps a copy."""
    with working(seen) as at:
        index, given = at.open(), rows(COUNT)
        for some in (
            given,
            numbers := ids(COUNT),
            asked := queries(),
            within := ids(COUNT)[::-1].copy(),
        ):
            some.flags.writeable = False
        try:
            index.add(numbers, given)
            index.search(asked, 3)
            index.search(asked, 3, within=within)
        except ValueError as error:
            raise Failure("arrays as they were", f"{error}", "work on copies") from error
        wanted = index.search(queries(), 3).ids
        given.flags.writeable = True
        given[:] = rows(COUNT)[::-1]
        if not np.array_equal(index.search(queries(), 3).ids, wanted):
            raise Failure(
                "answers that do not depend on the caller's array", "other answers",
                "keep a copy: np.array(vectors)",
            )  # fmt: skip


def check_describe_is_plain(seen: IndexSubject) -> None:
    """describe gives "structure", a text, and other texts, numbers, True or False."""
    with place(seen) as at:
        found = at.filled().describe()
        plain = isinstance(found, Mapping) and isinstance(found.get("structure"), str)
        if not plain or not all(isinstance(value, str | int | float) for value in found.values()):
            raise Failure(
                "a mapping with 'structure', of str, int, float and bool", f"{found!r:.80}",
                "turn numpy's numbers into int() and float(), and leave out what is not known",
            )  # fmt: skip


CHECKS = (
    check_empty_index_answers,
    check_exact_is_said,
    check_nothing_is_taken,
    check_dim_is_its_callers,
    check_ids_are_64_bits,
    check_length_counts,
    check_hits_have_their_shape,
    check_finds_itself,
    check_holds_thousands,
    check_equals_brute,
    check_best_come_first,
    check_scores_are_cosines,
    check_upsert_twice,
    check_remove_removes,
    check_remove_missing,
    check_length_follows_changes,
    check_k_beyond_size_pads,
    check_within_is_obeyed,
    check_ties_to_smaller_id,
    check_input_is_its_callers,
    check_describe_is_plain,
)
