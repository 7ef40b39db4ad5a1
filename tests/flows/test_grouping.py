"""Mining, judging and grouping vectors, compared with the whole matrix."""

from __future__ import annotations

import numpy as np
import pytest

from siamkit.errors import BadInput
from siamkit.flows.grouping import MatchRule, group_duplicates
from siamkit.stats.calibration import threshold_for_fmr
from siamkit.stats.calibration_fit import CalibrationTargets, fit_calibration
from siamkit.stats.comparisons import Comparisons
from siamkit.stats.fpir import fit_fpir_model
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
    monkeypatch.setattr("siamkit.flows.grouping._free_memory", lambda _: 500_000_000)
    with pytest.raises(BadInput, match=r"pairs have a cosine of 0\.500 or more"):
        group_duplicates(
            cluster(2_500, 0.01), None, MatchRule(Threshold(0.5)), copies=np.ones(2_500, np.int64)
        )


def crowd(people: int, seed: int) -> np.ndarray:
    """One (people, 24) unit row for each of some strangers, who resemble each other a little."""
    rows = np.random.default_rng(seed).normal(size=(people, 24)) + 0.5
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def calibrated():
    """A calibration on pairs of 300 strangers, and on a second sample of each of them."""
    rows, rng = crowd(300, 0), np.random.default_rng(1)
    again = rows + 0.02 * rng.normal(size=rows.shape).astype(np.float32)
    again /= np.linalg.norm(again, axis=1, keepdims=True)
    scores = rows @ again.T
    left, right = np.triu_indices(300)
    pairs = Comparisons(scores[left, right].astype(np.float64), left == right, left, right)
    strangers = scores[~np.eye(300, dtype=bool)].reshape(300, 299)
    targets = CalibrationTargets(method="logistic")
    model = fit_fpir_model([strangers], 300)
    return fit_calibration(pairs, "toy", "strangers", targets, fpir_model=model)


def count_false(rule: MatchRule, people: int) -> list[int]:
    """Return the pairs found among each of 5 crowds, all of whose members are strangers."""
    ones = np.ones(people, np.int64)
    crowds = [crowd(people, seed) for seed in range(10, 15)]
    return [len(group_duplicates(rows, None, rule, copies=ones).pairs) for rows in crowds]


@pytest.mark.parametrize("people", [60, 200, 1_000])  # 1 770 to 499 500 comparisons
def test_about_as_many_false_pairs_as_expected_among_any_number(calibrated, people):
    one_pair = MatchRule(threshold_for_fmr(calibrated, 1e-3))
    assert np.mean(count_false(one_pair, people)) > 3e-4 * people * (people - 1) / 2
    for expected in (1.0, 20.0):
        rule = MatchRule(Threshold(0.5), None, calibrated, expected)
        assert np.mean(count_false(rule, people)) <= 3 * expected
    assert np.mean(count_false(rule, people)) >= expected / 4


def test_few_items_are_compared_no_more_laxly_than_a_pair(calibrated):
    one_pair = MatchRule(threshold_for_fmr(calibrated, 1e-3), None, calibrated, 1.0)
    assert one_pair.among(3).threshold.value == one_pair.threshold.value
    assert one_pair.among(10_000).threshold.value > one_pair.threshold.value


def test_the_number_of_false_pairs_is_stated(calibrated):
    rows = crowd(200, 3)
    rule = MatchRule(Threshold(0.5), None, calibrated, 2.0)
    grouping = group_duplicates(rows, None, rule, copies=np.ones(200, np.int64))
    assert grouping.comparisons == 19_900
    assert grouping.expected_false == pytest.approx(2.0, rel=0.1)
    fixed = MatchRule(threshold_for_fmr(calibrated, 1e-3), None, calibrated)
    grouping = group_duplicates(rows, None, fixed, copies=np.ones(200, np.int64))
    assert grouping.expected_false == pytest.approx(19.9, rel=0.1)
    unrated = group_duplicates(rows, None, MatchRule(Threshold(0.9)), copies=np.ones(200, np.int64))
    assert unrated.expected_false is None


def test_every_two_members_of_a_group_are_a_pair(calibrated):
    rows = np.concatenate([crowd(300, 5), crowd(300, 5) + 0.06 * crowd(300, 6)])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rule = MatchRule(Threshold(0.5), None, calibrated, 50.0)
    grouping = group_duplicates(rows, None, rule, copies=np.ones(600, np.int64))
    assert len(grouping.groups) > 250
    for group in grouping.groups:
        assert (rows[group] @ rows[group].T).min() >= grouping.rule.threshold.value - 1e-6
