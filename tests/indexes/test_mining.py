"""Mining near pairs against the whole matrix of scores."""

from __future__ import annotations

from unittest import mock

import faiss
import numpy as np
import pytest

from siamkit.errors import BadInput
from siamkit.stats.linkage import ScoredPairs, merge_pairs
from siamkit_faiss import Faiss, mining

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
