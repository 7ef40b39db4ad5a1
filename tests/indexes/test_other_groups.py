"""Nearest rows of other groups against the whole matrix of scores."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest

from siamkit.protocols import Contrasts
from siamkit_faiss import Faiss, other_groups
from siamkit_faiss.other_groups import Rows


def grouped(identities: int, each: int, *, inner: int = 8, dim: int = 32, seed: int = 0) -> Rows:
    """Groups around centres in a space of few dimensions, as embeddings lie."""
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat(np.arange(identities), each))
    rows = rng.normal(size=(identities, inner))[groups] + 0.4 * rng.normal(
        size=(len(groups), inner)
    )
    rows = rows @ rng.normal(size=(inner, dim))
    vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return Rows(vectors, groups, rng.uniform(0.5, 1.0, len(groups)).astype(np.float32))


def brute(rows: Rows, k: int) -> np.ndarray:
    """(n, k) row numbers, best first."""
    scores = rows.vectors @ rows.vectors.T
    scores[rows.groups[:, None] == rows.groups] = -np.inf
    scores[scores >= rows.below[:, None]] = -np.inf
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.where(np.isfinite(np.take_along_axis(scores, best, 1)), best, -1)


@pytest.mark.parametrize("tile", [1 << 21, 500])
@pytest.mark.parametrize("k", [1, 5, 40, 700])
def test_small_sets_are_exact(k, tile):
    rows = grouped(60, 10)
    with mock.patch.object(other_groups, "TILE", tile):
        hits = other_groups.nearest(rows, k, recall=0.5)
    assert hits.ids.shape == (600, k)
    assert np.array_equal(hits.ids[:, : min(k, 600)], brute(rows, min(k, 600)))
    assert (np.isneginf(hits.scores) == (hits.ids < 0)).all()


@pytest.mark.parametrize("recall", [0.5, 0.9])
def test_large_sets_reach_the_recall_that_is_asked_for(recall):
    rows = grouped(300, 10)
    hits, expected = other_groups.nearest(rows, 8, recall=recall, exact_up_to=0), brute(rows, 8)
    shared = [len(set(a[a >= 0]) & set(b)) for a, b in zip(expected, hits.ids, strict=True)]
    assert sum(shared) / (expected >= 0).sum() >= recall - 0.05


def test_large_sets_keep_to_the_groups_and_the_limits():
    rows = grouped(150, 10)
    hits = other_groups.nearest(rows, 8, recall=0.9, exact_up_to=0)
    row, place = np.nonzero(hits.ids >= 0)
    hit = hits.ids[row, place]
    scores = np.einsum("ij,ij->i", rows.vectors[row], rows.vectors[hit])
    assert (rows.groups[row] != rows.groups[hit]).all()
    assert (scores < rows.below[row] + 1e-5).all()
    assert np.allclose(scores, hits.scores[row, place], atol=1e-5)
    assert (hits.scores[:, :-1] >= hits.scores[:, 1:]).all()
    assert all(len(set(ids[ids >= 0])) == (ids >= 0).sum() for ids in hits.ids)


def test_equal_rows_and_rows_without_a_limit_to_reach():
    same = np.ones((500, 4), np.float32) / 2
    rows = Rows(same, np.arange(500), np.full(500, 2, np.float32))
    assert (other_groups.nearest(rows, 3, recall=0.9, exact_up_to=0).ids >= 0).all()
    shut = Rows(same, np.arange(500), np.full(500, -np.inf, np.float32))
    assert (other_groups.nearest(shut, 3, recall=0.9, exact_up_to=0).ids == -1).all()


def test_the_same_answer_every_time():
    rows = grouped(200, 10)
    first, second = (other_groups.nearest(rows, 8, recall=0.9, exact_up_to=0) for _ in range(2))
    assert np.array_equal(first.ids, second.ids)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_next_to_nothing(count):
    backend = Faiss()
    assert isinstance(backend, Contrasts)
    rows = grouped(3, 1)
    below = np.full(count, 2, np.float32)
    hits = backend.nearest(
        rows.vectors[:count], 2, groups=rows.groups[:count], below=below, recall=0.9
    )
    assert ((hits.ids >= 0).sum(axis=1) == min(2, max(0, count - 1))).all()
