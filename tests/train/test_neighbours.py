"""Hard negatives of a whole set, against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siamkit.errors import PluginError
from siamkit.host import registry
from siamkit.train.neighbours import QUANTILE, ceilings, hard_negatives, stated_negatives
from siamkit.train.pairs import Pairs

SLACK = 2e-5  # two matrix products and the rounding that the band allows for


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def clusters(identities: int, each: int, *, noise: float = 0.8, dim: int = 16, seed: int = 0):
    """Unit rows around a centre an identity, shuffled, and their labels."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(identities), each))
    centres = unit(rng.normal(size=(identities, dim)))
    return unit(centres[labels] + noise * unit(rng.normal(size=(len(labels), dim)))), labels


def genuine(count: int) -> np.ndarray:
    return np.zeros(count, bool)


def twin(vectors: np.ndarray, labels: np.ndarray, impostor: np.ndarray, k: int) -> np.ndarray:
    """The same, a row at a time."""
    negatives = np.full((len(labels), k), -1)
    cosines = vectors.astype(float) @ vectors.astype(float).T
    for row in np.flatnonzero(~impostor):
        others = np.arange(len(labels)) != row
        positive = np.sort(cosines[row, (labels == labels[row]) & ~impostor & others])
        if not len(positive):
            continue
        limit = positive[int(QUANTILE * (len(positive) - 1))] - 1e-5
        wrong = ((labels != labels[row]) | impostor) & (cosines[row] < limit)
        best = sorted(np.flatnonzero(wrong), key=lambda other: -cosines[row, other])[:k]
        negatives[row, : len(best)] = best
    return negatives


@pytest.mark.parametrize(("identities", "each", "k"), [(40, 5, 7), (7, 2, 20), (3, 60, 1)])
@pytest.mark.parametrize("share", [0.0, 0.3])
def test_it_finds_what_brute_force_finds(identities, each, k, share):
    vectors, labels = clusters(identities, each)
    impostor = np.random.default_rng(1).random(len(labels)) < share
    negatives = hard_negatives(vectors, labels, impostor, k=k)
    assert negatives.dtype == np.int64
    assert np.array_equal(negatives, twin(vectors, labels, impostor, k))


@settings(max_examples=60)
@given(
    count=st.integers(2, 40),
    names=st.integers(1, 8),
    k=st.integers(1, 50),
    dim=st.integers(1, 5),
    seed=st.integers(0, 10**6),
)
def test_every_neighbour_is_wrong_and_within_the_band(count, names, k, dim, seed):
    rng = np.random.default_rng(seed)
    vectors, labels = unit(rng.normal(size=(count, dim))), rng.integers(-3, names, count)
    impostor = rng.random(count) < 0.3
    negatives = hard_negatives(vectors, labels, impostor, k=k)
    limit = ceilings(vectors, labels, impostor)
    assert negatives.shape == (count, k)
    assert (negatives[impostor] == -1).all()
    for row, place in np.argwhere(negatives >= 0):
        other = negatives[row, place]
        assert other != row
        assert labels[other] != labels[row] or impostor[other]
        assert vectors[row] @ vectors[other] < limit[row] + SLACK
        assert not place or negatives[row, place - 1] >= 0  # gaps come last
    filled = [row[row >= 0].tolist() for row in negatives]
    assert all(len(set(row)) == len(row) for row in filled)


def test_a_sample_under_two_names_is_not_taken_for_a_negative():
    vectors, labels = clusters(30, 6, noise=0.4)
    copies = np.arange(0, len(labels), 9)
    noisy = unit(np.concatenate([vectors, vectors[copies] + 1e-3]))
    named = np.concatenate([labels, (labels[copies] + 1) % 30])  # a copy under the next name
    negatives = hard_negatives(noisy, named, genuine(len(named)), k=10)
    for copy, row in enumerate(copies, len(labels)):
        assert copy not in negatives[row]
        assert row not in negatives[copy]
    assert (negatives[: len(labels)] >= 0).all()  # the others still have theirs


def test_a_row_under_a_wrong_name_does_not_draw_its_true_identity():
    vectors, labels = clusters(20, 8, noise=0.3, dim=32)
    stray = 5
    named = labels.copy()
    named[stray] = (labels[stray] + 1) % 20
    negatives = hard_negatives(vectors, named, genuine(len(labels)), k=5)
    assert not (labels[negatives[stray][negatives[stray] >= 0]] == labels[stray]).any()


def test_impostors_of_the_own_identity_are_wrong_and_have_none_themselves():
    vectors = unit(np.array([[1, 0.0], [1, 0.1], [1, 0.3], [1, 5.0]]))
    labels, impostor = np.array([4, 4, 4, 9]), np.array([False, False, True, False])
    negatives = hard_negatives(vectors, labels, impostor, k=2)
    assert negatives.tolist() == [[2, 3], [2, 3], [-1, -1], [-1, -1]]  # 3 has no positive


@pytest.mark.parametrize("count", [2, 3, 4, 5, 300])
def test_nothing_is_hard_in_a_collapsed_space(count):
    vectors = np.repeat(unit(np.random.default_rng(0).normal(size=(1, 64))), count, axis=0)
    assert (hard_negatives(vectors, np.arange(count) % 2, genuine(count), k=3) == -1).all()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
def test_tiny_sets(count):
    vectors, labels = clusters(3, 2, noise=0.1)
    vectors, labels = vectors[:count], labels[:count]
    negatives = hard_negatives(vectors, labels, genuine(count), k=4)
    assert np.array_equal(negatives, twin(vectors, labels, genuine(count), 4))


def test_the_same_answer_every_time():
    vectors, labels = clusters(50, 4)
    once, again = (hard_negatives(vectors, labels, genuine(200), k=5) for _ in range(2))
    assert np.array_equal(once, again)


def test_an_index_that_cannot_is_named(monkeypatch):
    monkeypatch.setattr(registry, "load", lambda group, name: object())
    vectors, labels = clusters(3, 2)
    with pytest.raises(PluginError, match="cannot find hard negatives"):
        hard_negatives(vectors, labels, genuine(6), k=1, index="plain")


def test_pairs_labelled_different_are_hard_negatives_of_both():
    rows = np.array([(0, 1), (0, 2), (3, 0), (1, 4), (2, 3)])
    impostor = np.array([False, False, False, False, True])
    pairs = Pairs(rows, np.array([0, 0, 0, 0, 1], np.float32))
    negatives = stated_negatives(pairs, impostor, 2)
    assert negatives.tolist() == [[1, 2], [0, -1], [0, -1], [0, -1], [-1, -1]]


def test_without_pairs_labelled_different_there_are_none():
    same, graded = (np.array(scores, np.float32) for scores in ([1, 1], [0, 0.5]))
    for scores in (same, graded):
        pairs = Pairs(np.array([(0, 1), (2, 3)]), scores)
        assert stated_negatives(pairs, genuine(4), 2) is None
