"""Verification and identification, against scikit-learn, loops, and coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scoreddata import comparisons
from sklearn.metrics import roc_auc_score

from siamkit.errors import BadInput
from siamkit.stats.comparisons import Comparisons, resample
from siamkit.stats.identification import measure_identification, search_leave_one_out
from siamkit.stats.metrics import (
    best_accuracy,
    eer_of_curve,
    error_rates,
    fold_accuracy,
    min_dcf,
    roc_auc,
)
from siamkit.stats.scoring import leave_one_out, mean_score
from siamkit.stats.verification import deal_folds, measure_verification, rates_by_group

scores = st.lists(st.integers(-10, 10).map(lambda n: n / 10), min_size=1, max_size=40)


@given(scores, scores)
def test_the_auc_equals_that_of_scikit_learn(mated, non_mated):
    labels = [1] * len(mated) + [0] * len(non_mated)
    expected = roc_auc_score(labels, mated + non_mated)
    assert roc_auc(error_rates(mated, non_mated)) == pytest.approx(expected, abs=1e-12)


@given(scores, scores, st.floats(0.01, 0.99))
def test_the_detection_cost_equals_that_of_a_loop(mated, non_mated, prior):
    costs = [
        prior * np.mean(np.array(mated) < t) + (1 - prior) * np.mean(np.array(non_mated) >= t)
        for t in [*mated, *non_mated, np.inf]
    ]
    expected = min(costs) / min(prior, 1 - prior)
    assert min_dcf(error_rates(mated, non_mated), prior) == pytest.approx(expected, abs=1e-12)


@given(scores, scores)
def test_no_threshold_is_more_accurate(mated, non_mated):
    share, limit = best_accuracy(mated, non_mated)

    def accuracy(t):
        right = np.sum(np.array(mated) >= t) + np.sum(np.array(non_mated) < t)
        return right / (len(mated) + len(non_mated))

    assert accuracy(limit) == pytest.approx(share, abs=1e-12)
    assert max(map(accuracy, [*mated, *non_mated, np.inf])) == pytest.approx(share, abs=1e-12)


def test_fold_accuracy_takes_the_threshold_of_the_other_folds():
    values, same = [0.1, 0.9, 0.4, 0.8, 0.3, 0.2], [False, True, False, True, False, True]
    mean, error, limits = fold_accuracy(values, same, [0, 0, 1, 1, 2, 2])
    assert limits[2] == pytest.approx(0.6)
    assert limits[1] == pytest.approx(0.15)  # of two that are as good, the lower
    assert mean == pytest.approx((1 + 0.5 + 0.5) / 3)
    assert error == pytest.approx(np.std([1, 0.5, 0.5], ddof=1) / 3**0.5)
    with pytest.raises(BadInput, match="at least two folds, not 1"):
        fold_accuracy(values, same, [0] * 6)


def test_a_resampling_counts_pairs_as_often_as_their_identities():
    trials = comparisons(identities=12, per_identity=2)
    trials = Comparisons(trials.scores.round(1), trials.mated, trials.left, trials.right)
    for curve, seed in zip(resample(trials, 3, seed=5), [5] * 3, strict=True):
        assert curve.fmr[0] == 1
        assert curve.fnmr[-1] == 1
        assert seed == 5
    rng = np.random.default_rng(5)
    times = np.bincount(rng.integers(12, size=12), minlength=12)
    weights = np.where(trials.mated, times[trials.left], times[trials.left] * times[trials.right])
    expected = error_rates(
        np.repeat(trials.scores[trials.mated], weights[trials.mated]),
        np.repeat(trials.scores[~trials.mated], weights[~trials.mated]),
    )
    first = next(iter(resample(trials, 1, seed=5)))
    assert eer_of_curve(first)[0] == pytest.approx(eer_of_curve(expected)[0], abs=1e-12)
    assert roc_auc(first) == pytest.approx(roc_auc(expected), abs=1e-12)


def test_intervals_over_identities_have_their_coverage():
    truth = measure_verification(
        comparisons(identities=300, per_identity=3, seed=99), draws=1
    ).eer.value
    covered = 0
    for seed in range(40):
        figure = measure_verification(
            comparisons(identities=40, per_identity=3, seed=seed), draws=200
        ).eer
        assert figure.low <= figure.value <= figure.high
        covered += figure.low <= truth <= figure.high
    assert covered >= 34  # of 40; 95 % are 38


def test_a_rate_needs_thirty_errors():
    trials = comparisons(identities=30, per_identity=3)
    metrics = measure_verification(trials, draws=10)
    others = int((~trials.mated).sum())
    assert [point.target_fmr for point in metrics.at_fmr] == [0.1, 0.01]
    assert metrics.unsupported_fmrs == [0.001, 0.0001]
    assert 0.001 * others < 30 <= 0.01 * others


def test_a_rate_of_zero_has_an_interval_of_three_over_n():
    trials = comparisons(identities=20, per_identity=2, shift=40)
    figure = measure_verification(trials, thresholds={"given": 2.0}, draws=20).at_thresholds[0].fmr
    assert figure.value == 0
    assert figure.high == pytest.approx(3 / 190)


def test_single_class_ties_and_few_identities():
    trials = comparisons(identities=6, per_identity=2)
    with pytest.raises(BadInput, match="none is mated"):
        measure_verification(trials[~trials.mated])
    flat = Comparisons(np.zeros(len(trials)), trials.mated, trials.left, trials.right)
    metrics = measure_verification(flat, draws=20)
    assert metrics.eer.value == 0.5
    assert metrics.auc.value == 0.5


def test_groups_are_compared_at_one_threshold():
    trials = comparisons(identities=20, per_identity=3)
    names = ["a" if number < 10 else "b" for number in trials.left]
    harder = Comparisons(
        trials.scores + 0.2 * (np.array(names) == "b"), trials.mated, trials.left, trials.right
    )
    a, b = rates_by_group(harder, names, 0.15, draws=50)
    assert (a.name, b.name) == ("a", "b")
    assert a.fmr.value < b.fmr.value
    part = harder[np.array(names) == "a"]
    assert a.fmr.value == np.mean(part.non_mated_scores >= 0.15)
    assert a.fnmr.value == np.mean(part.mated_scores < 0.15)


def test_folds_keep_an_identity_together():
    trials = comparisons(identities=25, per_identity=2)
    folds = deal_folds(trials)
    assert len(set(folds.tolist())) == 10
    for number in range(25):
        assert len(set(folds[trials.left == number].tolist())) <= 1


def vectors(identities=30, per_identity=3, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(identities), per_identity)
    rows = rng.normal(size=(identities, 16))[labels] + 0.6 * rng.normal(size=(len(labels), 16))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


@pytest.mark.parametrize("fusion", ["best", "mean"])
def test_leave_one_out_equals_a_loop(fusion):
    rows, labels = vectors(identities=8)
    for probes, block in leave_one_out(rows, labels, np.arange(len(rows)), fusion, 0.5):
        for probe, scores in zip(probes, block, strict=True):
            for identity, score in enumerate(scores):
                others = [n for n in np.flatnonzero(labels == identity) if n != probe]
                expected = (
                    max(rows[others] @ rows[probe])
                    if fusion == "best"
                    else mean_score(rows[others], rows[probe], 0.5)
                )
                assert score == pytest.approx(expected, abs=1e-5)


def test_identification_equals_a_loop():
    rows, labels = vectors(identities=120)
    metrics = measure_identification(search_leave_one_out(rows, labels), draws=50)
    similar = rows @ rows.T
    np.fill_diagonal(similar, -1)
    right = labels[similar.argmax(axis=1)] == labels
    assert metrics.hit_rate[1].value == pytest.approx(right.mean())
    other = np.where(labels[:, None] == labels, -1, similar).max(axis=1)
    own = np.where(labels[:, None] == labels, similar, -1).max(axis=1)
    (at,) = metrics.at_fpir
    assert at.fpir == 0.1
    assert np.mean(other >= at.threshold) <= 0.1
    assert at.dir.value == pytest.approx(np.mean(right & (own >= at.threshold)))
    assert metrics.unsupported_fpirs == [0.01, 0.001]


def test_an_identity_with_one_sample_only_stands_for_a_stranger():
    rows, labels = vectors(identities=20, per_identity=2)
    searches = search_leave_one_out(rows[1:], labels[1:])
    assert not searches.mated[0]
    assert searches.mated[1:].all()
    with pytest.raises(BadInput, match="at least two identities, not 1"):
        search_leave_one_out(rows[:2], labels[:2])
