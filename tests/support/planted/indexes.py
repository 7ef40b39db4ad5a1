"""Faults of open indexes: searches, additions and removals."""

from __future__ import annotations

import numpy as np

from planted.good import plant
from siamkit.testing import Brute
from siamkit.testing.brute import BruteIndex
from siamkit.testing.index_fixtures import COUNT
from siamkit.types import Hits

# Functions of a good search of k and within, k and within.


def not_itself(search, k, within):
    hits = search(k + 1, within)
    itself = hits.scores[:, :1] > 0.9999
    return Hits(*(np.where(itself, a[:, 1:], a[:, :-1]) for a in (hits.ids, hits.scores)))


def without_second(search, k, within):
    if k != 10:
        return search(k, within)
    hits = search(k + 1, within)
    return Hits(np.delete(hits.ids, 1, axis=1), np.delete(hits.scores, 1, axis=1))


def backwards(search, k, within):
    hits = search(k, within)
    return Hits(hits.ids[:, ::-1], hits.scores[:, ::-1]) if k == 10 else hits


def halved(search, k, within):
    hits = search(k, within)
    return Hits(hits.ids, hits.scores / 2)


def narrow(search, k, within):
    hits = search(k, within)
    return Hits(hits.ids.astype(np.int32), hits.scores)


def unpadded(search, k, within):
    hits = search(k, within)
    width = int((hits.ids >= 0).sum(axis=1).max(initial=0))
    return Hits(hits.ids[:, :width], hits.scores[:, :width])


def larger_id_first(search, k, within):
    hits = search(k, within)
    order = np.lexsort((-hits.ids, -hits.scores), axis=1)
    return Hits(*(np.take_along_axis(a, order, axis=1) for a in (hits.ids, hits.scores)))


def larger_of_equals(search, k, within):
    """Hits are put in order after the k are cut off."""
    if k > COUNT // 2:
        return search(k, within)
    hits = larger_id_first(search, 2 * COUNT, within)
    order = np.lexsort((hits.ids[:, :k], -hits.scores[:, :k]), axis=1)
    return Hits(*(np.take_along_axis(a[:, :k], order, axis=1) for a in (hits.ids, hits.scores)))


def everything_within_nothing(search, k, within):
    return search(k, within if within is None or len(within) else None)


def within_in_order(search, k, within):
    rising = within is None or (np.diff(within) > 0).all()
    return search(k, within if rising else within[:1])


def within_sorted_in_place(search, k, within):
    if within is not None:
        within.sort()
    return search(k, within)


def searching(change):
    """A search whose hits are changed."""

    def search(self, vectors, k, *, within=None):
        return change(lambda k, w: BruteIndex.search(self, vectors, k, within=w), k, within)

    return {"search": search}


# Methods.


def search_of_rows(self, vectors, k, *, within=None):
    if not self.rows:
        raise ValueError("no row to search in")
    return BruteIndex.search(self, vectors, k, within=within)


def search_for_queries(self, vectors, k, *, within=None):
    if not len(vectors):
        raise ValueError("no query")
    return BruteIndex.search(self, vectors, k, within=within)


def add_new_only(self, ids, vectors):
    new = [i for i, number in enumerate(ids.tolist()) if number not in self.rows]
    BruteIndex.add(self, ids[new], vectors[new])


def add_by_reference(self, ids, vectors):
    self.rows |= dict(zip(ids.tolist(), vectors, strict=True))


def add_up_to_a_thousand(self, ids, vectors):
    BruteIndex.add(self, ids, vectors)
    while len(self.rows) > 1000:
        self.rows.pop(next(iter(self.rows)))


def remove_present(self, ids):
    for number in ids.tolist():
        del self.rows[number]


def remove_and_count(self, ids):
    self.removed = getattr(self, "removed", 0) + len(ids)
    BruteIndex.remove(self, ids)


def length_with_removed(self):
    return len(self.rows) + getattr(self, "removed", 0)


def open_with_fixed_dim(self, key, dim, *, root, known):
    return Brute.open(self, key, 16, root=root, known=known)


def nearest_of_own_group_too(self, vectors, k, *, groups, below, recall):
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    ids = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    return Hits(ids, np.take_along_axis(cosines, ids, axis=1))


INDEX_FAULTS = [
    ("empty_index_answers", {"search": search_of_rows}),
    ("empty_arrays_work", {"search": search_for_queries}),
    ("empty_arrays_work", searching(everything_within_nothing)),
    ("length_counts", {"__len__": lambda self: 2 * len(self.rows)}),
    ("hits_have_their_shape", searching(narrow)),
    ("finds_itself", searching(not_itself)),
    ("holds_thousands", {"add": add_up_to_a_thousand}),
    ("equals_brute", searching(without_second)),
    ("best_come_first", searching(backwards)),
    ("scores_are_cosines", searching(halved)),
    ("k_beyond_size_pads", searching(unpadded)),
    ("within_is_obeyed", searching(lambda search, k, within: search(k, None))),
    ("within_is_obeyed", searching(within_in_order)),
    ("ties_to_smaller_id", searching(larger_id_first)),
    ("ties_to_smaller_id", searching(larger_of_equals)),
    ("describe_is_plain", {"describe": lambda self: {"structure": "none", "recall": None}}),
    ("describe_is_plain", {"describe": lambda self: {"structure": "none", "k": np.int64(1)}}),
    ("upsert_twice", {"add": add_new_only}),
    ("remove_removes", {"remove": lambda self, ids: None}),
    ("remove_missing", {"remove": remove_present}),
    ("length_follows_changes", {"remove": remove_and_count, "__len__": length_with_removed}),
    ("arguments_stay_unchanged", {"add": add_by_reference}),
    ("arguments_stay_unchanged", searching(within_sorted_in_place)),
]
BACKEND_FAULTS = [
    ("any_dim_is_served", {"open": open_with_fixed_dim}),
    ("mine_equals_brute", {"mine": lambda self, vectors, floor, *, memory: ({}, iter(()))}),
    ("nearest_leaves_out_own_group", {"nearest": nearest_of_own_group_too}),
    *(
        (check, {"index": type(f"Index_{check}", (BruteIndex,), members)})
        for check, members in INDEX_FAULTS
    ),
]
PLANTED = plant(__name__, Brute, BACKEND_FAULTS)
