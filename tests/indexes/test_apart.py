"""Nearest rows of other groups against the whole matrix of scores."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest

from siamkit.protocols import Contrasts
from siamkit_faiss import Faiss, apart
from siamkit_faiss.apart import Rows


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
    with mock.patch.object(apart, "TILE", tile):
        found = apart.nearest(rows, k, recall=0.5)
    assert found.ids.shape == (600, k)
    assert np.array_equal(found.ids[:, : min(k, 600)], brute(rows, min(k, 600)))
    assert (np.isneginf(found.scores) == (found.ids < 0)).all()


@pytest.mark.parametrize("recall", [0.5, 0.9])
def test_large_sets_reach_the_recall_that_is_asked_for(recall):
    rows = grouped(300, 10)
    found, wanted = apart.nearest(rows, 8, recall=recall, exact_up_to=0), brute(rows, 8)
    hits = [len(set(a[a >= 0]) & set(b)) for a, b in zip(wanted, found.ids, strict=True)]
    assert sum(hits) / (wanted >= 0).sum() >= recall - 0.05


def test_large_sets_keep_to_the_groups_and_the_limits():
    rows = grouped(150, 10)
    found = apart.nearest(rows, 8, recall=0.9, exact_up_to=0)
    row, place = np.nonzero(found.ids >= 0)
    other = found.ids[row, place]
    scores = np.einsum("ij,ij->i", rows.vectors[row], rows.vectors[other])
    assert (rows.groups[row] != rows.groups[other]).all()
    assert (scores < rows.below[row] + 1e-5).all()
    assert np.allclose(scores, found.scores[row, place], atol=1e-5)
    assert (found.scores[:, :-1] >= found.scores[:, 1:]).all()
    assert all(len(set(ids[ids >= 0])) == (ids >= 0).sum() for ids in found.ids)


def test_equal_rows_and_rows_without_a_limit_to_reach():
    same = np.ones((500, 4), np.float32) / 2
    rows = Rows(same, np.arange(500), np.full(500, 2, np.float32))
    assert (apart.nearest(rows, 3, recall=0.9, exact_up_to=0).ids >= 0).all()
    shut = Rows(same, np.arange(500), np.full(500, -np.inf, np.float32))
    assert (apart.nearest(shut, 3, recall=0.9, exact_up_to=0).ids == -1).all()


def test_the_same_answer_every_time():
    rows = grouped(200, 10)
    once, again = (apart.nearest(rows, 8, recall=0.9, exact_up_to=0) for _ in range(2))
    assert np.array_equal(once.ids, again.ids)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_next_to_nothing(count):
    backend = Faiss()
    assert isinstance(backend, Contrasts)
    rows = grouped(3, 1)
    below = np.full(count, 2, np.float32)
    found = backend.nearest(
        rows.vectors[:count], 2, groups=rows.groups[:count], below=below, recall=0.9
    )
    assert ((found.ids >= 0).sum(axis=1) == min(2, max(0, count - 1))).all()
