"""Rules of searching an index: the answers of brute force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from siamkit.testing.index_fixtures import (
    COUNT,
    MANY,
    ROWS_PER_ADD,
    Bench,
    K,
    bench_of,
    brute_twin,
    ids,
    promised_recall,
    queries,
    recall_of,
    score_tolerance,
)
from siamkit.testing.outcome import Failure
from siamkit.testing.rows import DIM, KEY, rows
from siamkit.testing.run import needs
from siamkit.testing.subjects import IndexSubject
from siamkit.types import Cursor


@contextmanager
def searchable(subject: IndexSubject) -> Iterator[Bench]:
    """A bench for a backend that finds what was added; otherwise every other rule would fail."""
    needs(subject, check_finds_itself)
    with bench_of(subject) as bench:
        yield bench


def check_empty_index_answers(subject: IndexSubject) -> None:
    """A new index is empty, at cursor 0, and a search finds nothing."""
    with bench_of(subject) as bench:
        index, refused = bench.backend.open(KEY, DIM, root=bench.root, known=lambda _: True)
        hits = index.search(queries(), 3)
        if len(index) or index.cursor() != Cursor() or (hits.ids != -1).any() or refused != []:
            raise Failure(
                "no rows, Cursor(), ids of -1, and [] refused",
                f"{len(index)} rows, {index.cursor()}, {hits.ids[0]}, {refused}",
                "begin empty when nothing is saved",
            )


def check_exact_is_a_bool(subject: IndexSubject) -> None:
    """`exact` of an open index is True or False."""
    with bench_of(subject) as bench:
        exact: object = bench.open().exact
        if not isinstance(exact, bool):
            fix = "exact = True if its answers are those of brute force"
            raise Failure("True or False", repr(exact), fix)


def check_empty_arrays_work(subject: IndexSubject) -> None:
    """Empty arrays work everywhere: no ids to add or remove, no queries, no ids in `within`."""
    needs(subject, check_within_is_obeyed)
    no_ids, no_rows = ids(0), rows(0)
    with searchable(subject) as bench:
        fix = "return early where there is nothing to do"
        try:
            index = bench.filled()
            index.add(no_ids, no_rows)
            index.remove(no_ids)
            no_hits = index.search(no_rows, 3).ids
            none_within = index.search(queries(), 3, within=no_ids).ids
        except Exception as error:
            raise Failure("an answer", f"{type(error).__name__}: {error}", fix) from error
        if len(no_hits) or (none_within != -1).any():
            raise Failure(
                "no hits, and ids of -1 within nothing",
                f"{len(no_hits)}, {none_within[0]}",
                "an empty `within` is not None",
            )


def check_any_dim_is_served(subject: IndexSubject) -> None:
    """open serves any dimension."""
    with searchable(subject) as bench:
        index, _ = bench.backend.open("g2-s2", DIM // 2, root=bench.root, known=lambda _: True)
        halves = np.ascontiguousarray(rows(COUNT)[:, : DIM // 2])
        halves /= np.linalg.norm(halves, axis=1, keepdims=True)
        index.add(ids(COUNT), halves)
        if (nearest := int(index.search(halves[:1], 1).ids[0, 0])) != 1:
            raise Failure("row 1 to find itself", f"{nearest}", "take dim from open()")


def check_ids_are_64_bits(subject: IndexSubject) -> None:
    """Any positive int64 is an id."""
    with searchable(subject) as bench:
        large_ids = np.array([2**31 + 5, 2**53 + 1, 2**62 + 3], np.int64)
        index = bench.open()
        index.add(large_ids, rows(3))
        nearest = index.search(rows(3), 1).ids[:, 0].tolist()
        if nearest != large_ids.tolist():
            raise Failure(f"ids {large_ids.tolist()}", f"{nearest}", "keep ids as int64")


def check_length_counts(subject: IndexSubject) -> None:
    """len() is the number of ids."""
    with bench_of(subject) as bench:
        if (length := len(bench.filled())) != COUNT:
            raise Failure(f"len {COUNT}", str(length), "count what was added and not removed")


def check_hits_have_their_shape(subject: IndexSubject) -> None:
    """search gives ids (n, k) int64 and scores (n, k) float32."""
    with bench_of(subject) as bench:
        hits = bench.filled().search(queries(), K)
        arrays = [(str(array.dtype), array.shape) for array in (hits.ids, hits.scores)]
        promised = [("int64", (25, K)), ("float32", (25, K))]
        if arrays != promised:
            raise Failure(f"ids and scores {promised}", f"{arrays}", "convert them for Hits")


def check_finds_itself(subject: IndexSubject) -> None:
    """Every vector's nearest is itself."""
    needs(subject, check_hits_have_their_shape)
    with bench_of(subject) as bench:
        hits = bench.filled().search(rows(COUNT), 1)
        if missed := int((hits.ids[:, 0] != ids(COUNT)).sum()):
            raise Failure(
                "each row to find itself first",
                f"{missed} of {COUNT} did not",
                "rank by cosine, highest first; return ids, not row numbers",
            )


def check_holds_thousands(subject: IndexSubject) -> None:
    """Thousands of rows, added in blocks, are all found."""
    with searchable(subject) as bench:
        index, vectors = bench.open(), rows(MANY)
        for start in range(0, MANY, ROWS_PER_ADD):
            part = slice(start, start + ROWS_PER_ADD)
            index.add(ids(MANY)[part], vectors[part])
        recall = recall_of(index.search(vectors[::9], 1).ids, ids(MANY)[::9, None])
        if recall < promised_recall(index):
            raise Failure(
                f"{MANY} rows that find themselves",
                f"{recall:.1%} of them do",
                "keep what was added before",
            )


def check_equals_brute(subject: IndexSubject) -> None:
    """The k nearest are those of brute force; without `exact`, 95 % of them are."""
    with searchable(subject) as bench:
        index = bench.filled()
        nearest = brute_twin(bench).search(queries(), K).ids
        recall = recall_of(index.search(queries(), K).ids, nearest)
        if recall < promised_recall(index):
            raise Failure(
                f"recall@{K} of at least {promised_recall(index)}",
                f"{recall:.3f}",
                "search wider, or set exact = False if it promises only 0.95",
            )


def check_best_come_first(subject: IndexSubject) -> None:
    """Scores do not rise along a row of hits."""
    with searchable(subject) as bench:
        if (np.diff(bench.filled().search(queries(), K).scores, axis=1) > 0).any():
            raise Failure("scores that fall", "scores that rise", "sort the hits of each query")


def check_scores_are_cosines(subject: IndexSubject) -> None:
    """A score is the cosine of the query and the vector of that id."""
    with searchable(subject) as bench:
        index = bench.filled()
        hits = index.search(queries(), K)
        vectors = np.concatenate([np.zeros((1, DIM), np.float32), rows(COUNT)])
        cosines = np.einsum("nd,nkd->nk", queries(), vectors[np.clip(hits.ids, 0, COUNT)])
        error = np.abs(np.where(hits.ids > 0, hits.scores - cosines, 0)).max()
        if not error <= score_tolerance(index):
            raise Failure(
                "cosines",
                f"scores with an error of {error:.3f}",
                "return the inner product of unit vectors, not a distance",
            )


def check_k_beyond_size_pads(subject: IndexSubject) -> None:
    """With fewer than k rows, the ids are filled up with -1 and the scores with -inf."""
    needs(subject, check_best_come_first)
    with searchable(subject) as bench:
        hits = bench.filled().search(queries(), COUNT + 3)
        padding_ids, padding_scores = hits.ids[:, COUNT:], hits.scores[:, COUNT:]
        is_padded = hits.ids.shape == (25, COUNT + 3) and (padding_ids == -1).all()
        if not is_padded or not np.isneginf(padding_scores).all():
            raise Failure(
                "(n, k) with -1 and -inf at the end",
                f"{hits.ids.shape}, {padding_ids[:1]}",
                "np.full((n, k), -1) and np.full((n, k), -np.inf), then fill in",
            )


def check_within_is_obeyed(subject: IndexSubject) -> None:
    """With `within`, only those ids are found, and all of them."""
    with searchable(subject) as bench:
        within = np.array([13, 3, 999, 8, 5, 3], np.int64)  # unsorted, one twice, one absent
        hit_ids = bench.filled().search(queries(), 4, within=within).ids
        if any({*row} != {3, 5, 8, 13} for row in hit_ids.tolist()):
            raise Failure(
                "ids 3, 5, 8 and 13 only",
                f"{hit_ids[0]}",
                "select before the search, not among the k that it found",
            )


def check_ties_to_smaller_id(subject: IndexSubject) -> None:
    """Equal scores come smaller id first; an exact index also keeps the smaller ones of k."""
    needs(subject, check_best_come_first)
    with searchable(subject) as bench:
        index, row = bench.open(), np.eye(1, DIM, dtype=np.float32)  # scores without any rounding
        query = np.array([[0.6, 0.8] + [0.0] * (DIM - 2)], np.float32)
        index.add(np.array([7, 3, 5], np.int64), np.repeat(row, 3, axis=0))
        order = index.search(query, 3).ids.tolist()[0]
        if order != [3, 5, 7]:
            raise Failure("ids 3, 5, 7", f"{order}", "np.lexsort((ids, -scores)) among the hits")
        index.add(ids(COUNT)[::-1].copy(), np.repeat(row, COUNT, axis=0))
        order = index.search(query, 3).ids.tolist()[0]
        if index.exact and order != [1, 2, 3]:
            raise Failure(
                f"ids 1, 2, 3 of {COUNT} equal ones",
                f"{order}",
                "look at all that score as the last of the k does",
            )


def check_describe_is_plain(subject: IndexSubject) -> None:
    """describe gives "structure", a text, and other texts, numbers, True or False."""
    with bench_of(subject) as bench:
        facts = bench.filled().describe()
        is_plain = isinstance(facts, Mapping) and isinstance(facts.get("structure"), str)
        if not is_plain or not all(isinstance(v, str | int | float) for v in facts.values()):
            raise Failure(
                "a mapping with 'structure', of str, int, float and bool",
                f"{facts!r:.80}",
                "turn numpy's numbers into int() and float(), and leave out what is not known",
            )


CHECKS = (
    check_empty_index_answers,
    check_exact_is_a_bool,
    check_empty_arrays_work,
    check_any_dim_is_served,
    check_ids_are_64_bits,
    check_length_counts,
    check_hits_have_their_shape,
    check_finds_itself,
    check_holds_thousands,
    check_equals_brute,
    check_best_come_first,
    check_scores_are_cosines,
    check_k_beyond_size_pads,
    check_within_is_obeyed,
    check_ties_to_smaller_id,
    check_describe_is_plain,
)
