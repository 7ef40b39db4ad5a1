"""Rules of searching and changing an index: the answers of brute force."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from siamkit.testing.brute import Brute
from siamkit.testing.index_fixtures import (
    COUNT,
    DIM,
    KEY,
    K,
    ids,
    ids_found,
    promised_recall,
    queries,
    recall_of,
    rows,
    score_tolerance,
)
from siamkit.testing.rule import attempt, require, rule
from siamkit.testing.subjects import IndexSubject
from siamkit.types import Cursor

MANY, ROWS_PER_ADD = 3000, 700  # rows of a large index, and how many are added at once


@rule("begin empty when nothing is saved")
def empty_index_answers(subject: IndexSubject) -> None:
    """A new index has no rows and Cursor(), refuses nothing, and finds ids of -1."""
    index, refused = subject.load()
    hit_ids = index.search(queries(), 3).ids
    is_empty = not len(index) and index.cursor() == Cursor() and (hit_ids == -1).all()
    got = f"{len(index)} rows, {index.cursor()}, ids {hit_ids[0]}, refused {refused}"
    require(is_empty and refused == [], got)


@rule("count what was added and not removed")
def length_counts(subject: IndexSubject) -> None:
    """len() is the number of ids."""
    length = len(subject.filled())
    require(length == COUNT, f"len {length} of {COUNT}")


@rule("convert them for Hits")
def hits_have_their_shape(subject: IndexSubject) -> None:
    """search gives ids (n, k) int64 and scores (n, k) float32."""
    hits = subject.filled().search(queries(), K)
    arrays = [(str(array.dtype), array.shape) for array in (hits.ids, hits.scores)]
    shape = (len(queries()), K)
    require(arrays == [("int64", shape), ("float32", shape)], f"{arrays} where (n, k) is {shape}")


@rule("rank by cosine, highest first; return ids, not row numbers", hits_have_their_shape)
def finds_itself(subject: IndexSubject) -> None:
    """Every vector's nearest is itself."""
    nearest = subject.filled().search(rows(COUNT), 1).ids[:, 0]
    missed = int((nearest != ids(COUNT)).sum())
    require(missed == 0, f"{missed} of {COUNT} did not find themselves")


@rule("take dim from open()", finds_itself)
def any_dim_is_served(subject: IndexSubject) -> None:
    """open serves any dimension."""
    index = subject.open("g2-s2", dim=DIM // 2)
    halves = np.ascontiguousarray(rows(COUNT)[:, : DIM // 2])
    halves /= np.linalg.norm(halves, axis=1, keepdims=True)
    index.add(ids(COUNT), halves)
    nearest = int(index.search(halves[:1], 1).ids[0, 0])
    require(nearest == 1, f"row 1 of {DIM // 2} numbers finds {nearest}, not itself")


@rule("keep what was added before", finds_itself)
def holds_thousands(subject: IndexSubject) -> None:
    """Thousands of rows, added in blocks, are all found."""
    index, vectors = subject.open(), rows(MANY)
    for start in range(0, MANY, ROWS_PER_ADD):
        part = slice(start, start + ROWS_PER_ADD)
        index.add(ids(MANY)[part], vectors[part])
    recall = recall_of(index.search(vectors[::9], 1).ids, ids(MANY)[::9, None])
    require(recall >= promised_recall(index), f"{recall:.1%} of {MANY} rows find themselves")


@rule("search wider, or set exact = False if it promises only 0.95", finds_itself)
def equals_brute(subject: IndexSubject) -> None:
    """The k nearest are those of brute force; without `exact`, 95 % of them are."""
    twin, _ = Brute().open(KEY, DIM, root=subject.folder / "twin", known=lambda _: True)
    twin.add(ids(COUNT), rows(COUNT))
    index = subject.filled()
    recall = recall_of(index.search(queries(), K).ids, twin.search(queries(), K).ids)
    promised = promised_recall(index)
    require(recall >= promised, f"recall@{K} of {recall:.3f}, less than {promised}")


@rule("sort the hits of each query", finds_itself)
def best_come_first(subject: IndexSubject) -> None:
    """Scores do not rise along a row of hits."""
    scores = subject.filled().search(queries(), K).scores
    require((np.diff(scores, axis=1) <= 0).all(), "scores that rise")


@rule("return the inner product of unit vectors, not a distance", finds_itself)
def scores_are_cosines(subject: IndexSubject) -> None:
    """A score is the cosine of the query and the vector of that id."""
    index = subject.filled()
    hits = index.search(queries(), K)
    vectors = np.concatenate([np.zeros((1, DIM), np.float32), rows(COUNT)])
    cosines = np.einsum("nd,nkd->nk", queries(), vectors[np.clip(hits.ids, 0, COUNT)])
    error = np.abs(np.where(hits.ids > 0, hits.scores - cosines, 0)).max()
    require(error <= score_tolerance(index), f"scores with an error of {error:.3f}")


@rule("np.full((n, k), -1) and np.full((n, k), -np.inf), then fill in", best_come_first)
def k_beyond_size_pads(subject: IndexSubject) -> None:
    """With fewer than k rows, the ids are filled up with -1 and the scores with -inf."""
    shape = (len(queries()), COUNT + 3)
    hits = subject.filled().search(queries(), COUNT + 3)
    padding_ids, padding_scores = hits.ids[:, COUNT:], hits.scores[:, COUNT:]
    is_padded = (padding_ids == -1).all() and np.isneginf(padding_scores).all()
    got = f"{hits.ids.shape}, {padding_ids[:1]} where (n, k) is {shape}"
    require(hits.ids.shape == shape and is_padded, got)


@rule("select before the search, not among the k that it found", finds_itself)
def within_is_obeyed(subject: IndexSubject) -> None:
    """With `within`, only those ids are found, and all of them."""
    within = np.array([13, 3, 999, 8, 5, 3], np.int64)  # unsorted, one twice, one absent
    hit_ids = subject.filled().search(queries(), 4, within=within).ids
    within_only = all({*row} == {3, 5, 8, 13} for row in hit_ids.tolist())
    require(within_only, f"{hit_ids[0]}, not ids 3, 5, 8 and 13")


@rule("return early where there is nothing to do; an empty `within` is not None", within_is_obeyed)
def empty_arrays_work(subject: IndexSubject) -> None:
    """Empty arrays work everywhere: no ids to add or remove, no queries, no ids in `within`."""
    no_ids, no_rows = ids(0), rows(0)
    index = subject.filled()
    index.add(no_ids, no_rows)
    index.remove(no_ids)
    no_hits = index.search(no_rows, 3).ids
    none_within = index.search(queries(), 3, within=no_ids).ids
    finds_nothing = not len(no_hits) and (none_within == -1).all()
    require(finds_nothing, f"{len(no_hits)} hits of no query, {none_within[0]} within no ids")


@rule(
    "np.lexsort((ids, -scores)) among all that score as the last of the k does",
    best_come_first,
)
def ties_to_smaller_id(subject: IndexSubject) -> None:
    """Equal scores come smaller id first; an exact index also keeps the smaller ones of k."""
    index, row = subject.open(), np.eye(1, DIM, dtype=np.float32)  # scores without any rounding
    query = np.array([[0.6, 0.8] + [0.0] * (DIM - 2)], np.float32)
    index.add(np.array([7, 3, 5], np.int64), np.repeat(row, 3, axis=0))
    order = index.search(query, 3).ids.tolist()[0]
    require(order == [3, 5, 7], f"{order}, not ids 3, 5, 7")
    index.add(ids(COUNT)[::-1].copy(), np.repeat(row, COUNT, axis=0))
    order = index.search(query, 3).ids.tolist()[0]
    require(order == [1, 2, 3] or not index.exact, f"{order}, not 1, 2, 3 of {COUNT} equal ones")


@rule("turn numpy's numbers into int() and float(), and leave out what is not known")
def describe_is_plain(subject: IndexSubject) -> None:
    """describe gives "structure", a text, and other texts, numbers, True or False."""
    facts = subject.filled().describe()
    is_plain = isinstance(facts, Mapping) and isinstance(facts.get("structure"), str)
    is_plain = is_plain and all(isinstance(v, str | int | float) for v in facts.values())
    require(is_plain, f"{facts!r:.80}")


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
