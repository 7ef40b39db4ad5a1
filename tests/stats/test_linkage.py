"""Complete linkage on pairs, against scipy's on the whole matrix."""

from __future__ import annotations

from itertools import combinations
from unittest import mock

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from siamkit.stats import linkage as linkage_module
from siamkit.stats.linkage import (
    Components,
    ScoredPairs,
    complete_linkage,
    medoids,
    merge_pairs,
)


def pairs_of(*triples: tuple[int, int, float]) -> ScoredPairs:
    left, right, scores = zip(*triples, strict=True)
    return ScoredPairs(np.array(left), np.array(right), np.array(scores, dtype=np.float32))


def above(scores: np.ndarray, threshold: float) -> ScoredPairs:
    a, b = np.nonzero(np.triu(scores >= threshold, 1))
    return ScoredPairs(a, b, scores[a, b])


@given(
    st.integers(3, 40),
    st.integers(2, 6),
    st.floats(0.2, 0.95),
    st.integers(0, 10_000),
    st.sampled_from([0, 1, 64]),
)
def test_groups_equal_those_of_scipy(count, dim, threshold, seed, rounds):
    rows = np.random.default_rng(seed).normal(size=(count, dim))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    scores = (rows @ rows.T).astype(np.float32)
    threshold = np.float32(threshold)
    distance = 1 - (scores.astype(float) + scores.T) / 2
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "complete")
    labels = fcluster(tree, 1 - float(threshold), "distance")
    expected = [np.flatnonzero(labels == label).tolist() for label in set(labels)]
    with mock.patch.object(linkage_module, "ROUNDS", rounds):
        groups = complete_linkage(above(scores, threshold))
    assert groups == sorted(g for g in expected if len(g) > 1)


edges = st.lists(
    st.tuples(st.integers(0, 15), st.integers(0, 15), st.sampled_from([0.5, 0.7, 0.9])), max_size=60
)


@given(edges)
def test_every_two_members_are_a_pair_and_nobody_is_in_two_groups(triples):
    triples = [(min(a, b), max(a, b), s) for a, b, s in triples if a != b]
    if not triples:
        return
    pairs = merge_pairs([pairs_of(*triples)])
    groups = complete_linkage(pairs)
    with mock.patch.object(linkage_module, "ROUNDS", 0):
        assert complete_linkage(pairs) == groups  # however many merge at once, ties included
    pair_set = set(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))
    assert all(pair in pair_set for group in groups for pair in combinations(group, 2))
    members = [item for group in groups for item in group]
    assert len(members) == len(set(members))
    # No two groups, nor an item and a group, could still merge: complete linkage is greedy to
    # the end.
    alone = [[i] for i in {x for pair in pair_set for x in pair} - set(members)]
    for a, b in combinations(groups + alone, 2):
        assert not all((min(x, y), max(x, y)) in pair_set for x in a for y in b)


def test_a_chain_of_pairs_is_not_one_group():
    """add - sum - total - count - enumerate: neighbours are alike, the ends are not."""
    chain = pairs_of((0, 1, 0.95), (1, 2, 0.9), (2, 3, 0.94), (3, 4, 0.9))
    (component,) = Components.of(chain).incomplete()
    assert component.tolist() == [[0, 1, 2, 3, 4]]  # all five would be one group
    assert complete_linkage(chain) == [[0, 1], [2, 3]]


def test_merged_lists_have_each_pair_once():
    merged = merge_pairs([pairs_of((0, 1, 0.9), (2, 3, 0.8)), pairs_of((0, 1, 0.9))])
    assert list(zip(merged.left, merged.right, strict=True)) == [(0, 1), (2, 3)]


def test_the_medoid_is_most_similar_to_all_others_counting_copies():
    star = pairs_of((0, 1, 0.9), (1, 2, 0.9), (0, 2, 0.5))
    assert medoids([[0, 1, 2]], star, np.array([1, 1, 1])) == [1]
    assert medoids([[0, 1, 2]], star, np.array([1, 1, 9])) == [2]
    apart = pairs_of((0, 1, 0.9), (1, 2, 0.8), (2, 3, 0.9))
    assert medoids([[2, 3], [0, 1]], apart, np.array([1, 1, 1, 2])) == [3, 0]
    assert medoids([], apart, np.ones(4, np.int64)) == []
