"""Mining near pairs against the whole matrix of scores."""

from __future__ import annotations

from unittest import mock

import faiss
import numpy as np
import pytest

from siamkit.errors import BadInput
from siamkit.stats.linkage import ScoredPairs, merge_pairs
from siamkit_faiss import Faiss, mining
from siamkit_faiss.screen import Screen, choose_screen, principal_axes

PLENTY = 8 << 30


def near_copies(count: int, dim: int = 64, spread: float = 0.03, seed: int = 0) -> np.ndarray:
    """Rows of which every three or so are near each other."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(count // 3, dim))
    rows = base[rng.integers(0, len(base), count)]
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    rows = rows + spread * rng.normal(size=rows.shape)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def mined(vectors: np.ndarray, floor: float, **options) -> tuple[dict, ScoredPairs, list]:
    facts, blocks = mining.mine(vectors, floor, memory=PLENTY, **options)
    blocks = list(blocks)
    return (
        dict(facts),
        merge_pairs([ScoredPairs(b.left, b.right, b.scores) for b in blocks]),
        blocks,
    )


def keys(pairs: ScoredPairs) -> set[tuple[int, int]]:
    return set(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))


def brute(vectors: np.ndarray, floor: float) -> set[tuple[int, int]]:
    a, b = np.nonzero(np.triu(vectors @ vectors.T >= np.float32(floor), 1))
    return set(zip(a.tolist(), b.tolist(), strict=True))


@pytest.mark.parametrize("tile", [1 << 24, 400])
def test_small_sets_are_mined_exactly(tile):
    vectors = near_copies(600)
    with mock.patch.object(mining, "TILE", tile):
        facts, pairs, blocks = mined(vectors, 0.8)
    assert facts["exact"] is True
    assert keys(pairs) == brute(vectors, 0.8)
    assert blocks[-1].done == len(vectors)
    cosines = np.einsum("ij,ij->i", vectors[pairs.left], vectors[pairs.right])
    assert np.allclose(pairs.scores, cosines, atol=1e-5)


def test_large_sets_reach_the_recall_they_state():
    vectors = near_copies(6_000)
    facts, pairs, blocks = mined(vectors, 0.8, exact_up_to=0)
    expected = brute(vectors, 0.8)
    assert facts["exact"] is False
    assert keys(pairs) <= expected
    assert len(keys(pairs)) / len(expected) >= 0.98
    assert facts["recall"] >= 0.98
    assert blocks[-1].done == len(vectors)


@pytest.mark.parametrize("exact_up_to", [10**6, 0])
def test_a_dense_cluster_is_found_as_well_as_is_stated(exact_up_to):
    vectors = near_copies(900, spread=0.01)
    vectors[:500] = vectors[0] + 1e-3 * np.random.default_rng(0).normal(size=(500, 64))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    facts, pairs, _ = mined(vectors, 0.9, exact_up_to=exact_up_to)
    dense = {pair for pair in brute(vectors, 0.9) if pair[1] < 500}
    assert len(dense) == 500 * 499 // 2
    slack = 0 if facts["exact"] else 0.01
    assert len(dense & keys(pairs)) / len(dense) >= facts["recall"] - slack
    assert keys(pairs) <= brute(vectors, 0.9 - 1e-5)


def test_mining_leaves_faiss_as_it_was():
    before = faiss.cvar.distance_compute_blas_threshold
    mined(near_copies(900), 0.8, exact_up_to=0)
    assert faiss.cvar.distance_compute_blas_threshold == before


def test_too_little_memory_is_refused_with_what_is_needed():
    with pytest.raises(BadInput, match=r"mining 600 x 64 takes .* GB"):
        Faiss().mine(near_copies(600), 0.8, memory=1_000)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_next_to_nothing(count):
    vectors = near_copies(9)[:count]
    _, pairs, _ = mined(vectors, -1.0)
    assert len(pairs) == count * (count - 1) // 2


def skewed(count: int, dim: int = 64) -> np.ndarray:
    """Rows of few directions, as embeddings are, some of which are near each other."""
    rng = np.random.default_rng(1)
    return near_copies(count, dim) * (1 + np.arange(dim, 0, -1) / 8) + rng.normal(0, 1e-3, (1, dim))


@pytest.mark.parametrize("floor", [0.3, 0.8, 0.99])
@pytest.mark.parametrize("count", [1, 16, 32])
def test_a_screen_loses_no_pair(count, floor):
    vectors = skewed(400)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    vectors[:50, 20:] = 0  # rows that leave nothing out
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    screen = Screen(floor, principal_axes(vectors)[:, :count].copy())
    short, rows = screen.shorten(vectors), np.arange(400)
    left, right, scores = screen.near_pairs(vectors, rows, rows, short @ short.T, once=True)
    cosines = vectors.astype(float) @ vectors.T.astype(float)
    surely, maybe = (
        {*map(tuple, np.argwhere(np.triu(cosines >= floor + slack, 1)).tolist())}
        for slack in (1e-6, -1e-6)
    )
    assert surely <= set(zip(left.tolist(), right.tolist(), strict=True)) <= maybe
    assert np.allclose(scores, cosines[left, right], atol=1e-5)


def test_the_screen_is_as_short_as_pays_and_memory_allows():
    vectors = near_copies(5_000, 128)
    vectors[:, 16:] *= 0.1
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    axes, tasks = principal_axes(vectors), [(np.arange(500), np.arange(500, 5_000))]
    assert choose_screen(vectors, axes, 0.9, tasks, 128).axes.shape == (128, 16)
    assert choose_screen(vectors, axes, 0.9, tasks, 8).axes is None
    assert choose_screen(vectors, axes, -1.0, tasks, 128).axes is None


def test_the_way_to_the_first_pairs_is_reported():
    steps = []
    vectors = near_copies(900)
    mining.mine(
        vectors, 0.8, memory=PLENTY, exact_up_to=0, progress=lambda *step: steps.append(step)
    )
    assert [step for step in steps if step[1] == 900] == [
        ("sampling", 900, 900),
        ("dividing", 900, 900),
    ]


def test_rows_without_any_near_pair_are_mined_too():
    vectors = np.eye(600, dtype=np.float32)
    facts, pairs, _ = mined(vectors, 0.9, exact_up_to=0)
    assert (facts["recall"], len(pairs)) == (1.0, 0)


def test_the_same_pairs_every_time():
    vectors = near_copies(3_000)
    first, again = (mined(vectors, 0.8, exact_up_to=0)[1] for _ in range(2))
    assert (first.left == again.left).all()
    assert (first.scores == again.scores).all()
