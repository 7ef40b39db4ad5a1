"""Mining, judging and grouping vectors, compared with the whole matrix."""

from __future__ import annotations

import numpy as np
import pytest

from siamkit.errors import BadInput
from siamkit.flows.grouping import MatchRule, group_duplicates
from siamkit.types import Threshold
from siamkit_faiss import mining


class Twins:
    """Says that two items with equal media are the same."""

    name = "twins"
    threshold = Threshold(0.5)
    candidates = 0.5

    def score(self, left, right, left_vectors, right_vectors):
        return np.array([a == b for a, b in zip(left, right, strict=True)], np.float32)


def cluster(count: int, spread: float, dim: int = 32) -> np.ndarray:
    rng = np.random.default_rng(0)
    centre = rng.normal(size=dim)
    rows = centre / np.linalg.norm(centre) + spread * rng.normal(size=(count, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("exact", [True, False])
def test_a_template_with_thousands_of_texts_is_one_group(exact, monkeypatch):
    if not exact:
        monkeypatch.setitem(mining.mine.__kwdefaults__, "exact_up_to", 0)
    vectors = cluster(2_100, 0.02)
    assert (vectors @ vectors.T).min() >= 0.9
    grouping = group_duplicates(
        vectors, None, MatchRule(Threshold(0.9)), copies=np.ones(2_100, np.int64)
    )
    assert grouping.mining["exact"] is exact
    assert len(grouping.pairs) == 2_100 * 2_099 // 2
    assert grouping.groups == [list(range(2_100))]


def test_a_reranker_is_asked_about_every_candidate_however_dense():
    vectors = cluster(300, 0.08)
    assert (vectors @ vectors.T).min() >= 0.5
    rule = MatchRule(Twins.threshold, Twins())
    grouping = group_duplicates(
        vectors, [i // 2 for i in range(300)], rule, copies=np.ones(300, np.int64)
    )
    assert grouping.groups == [[i, i + 1] for i in range(0, 300, 2)]


def test_pairs_that_do_not_fit_the_memory_are_refused(monkeypatch):
    monkeypatch.setattr("siamkit.flows.grouping._free_memory", lambda _: 700_000_000)
    with pytest.raises(BadInput, match=r"pairs have a cosine of 0\.500 or more"):
        group_duplicates(
            cluster(2_500, 0.01), None, MatchRule(Threshold(0.5)), copies=np.ones(2_500, np.int64)
        )
