"""Error rates, against scikit-learn's ROC curve and a loop that counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from siamkit.errors import BadInput
from siamkit.stats.metrics import bootstrap, eer, error_rates, fnmr_at

# A grid makes ties, within a list and across the two, the rule and not the exception.
scores = st.lists(st.integers(-10, 10).map(lambda n: n / 10), min_size=1, max_size=40)
INCREASING = [lambda s: 3 * s - 7, np.exp, np.arctan, lambda s: s**3]


def counted(mated: list[float], non_mated: list[float]) -> list[tuple[float, float, float]]:
    """(threshold, FMR, FNMR), from the definition."""
    return [
        (
            limit,
            sum(score >= limit for score in non_mated) / len(non_mated),
            sum(score < limit for score in mated) / len(mated),
        )
        for limit in [*sorted({*mated, *non_mated}), np.inf]
    ]


@given(scores, scores)
def test_rates_equal_those_of_a_loop(mated, non_mated):
    curve = error_rates(mated, non_mated)
    rows = zip(curve.thresholds, curve.fmr, curve.fnmr, strict=True)
    assert list(rows) == counted(mated, non_mated)


@given(scores, scores)
def test_rates_equal_those_of_scikit_learn(mated, non_mated):
    label = [1] * len(mated) + [0] * len(non_mated)
    fmr, tmr, thresholds = roc_curve(label, mated + non_mated, drop_intermediate=False)
    curve = error_rates(mated, non_mated)
    np.testing.assert_array_equal(curve.thresholds[::-1], thresholds)
    np.testing.assert_allclose(curve.fmr[::-1], fmr, atol=1e-12)
    np.testing.assert_allclose(curve.fnmr[::-1], 1 - tmr, atol=1e-12)


@given(scores, scores)
def test_eer_is_where_the_roc_of_scikit_learn_crosses_the_diagonal(mated, non_mated):
    label = [1] * len(mated) + [0] * len(non_mated)
    fmr, tmr, _ = roc_curve(label, mated + non_mated, drop_intermediate=False)
    # fmr alone may stand still, but fmr + tmr rises at every point: a function of it is one.
    expected = np.interp(1.0, fmr + tmr, fmr)
    assert eer(mated, non_mated)[0] == pytest.approx(expected, abs=1e-12)


@given(scores, scores)
def test_eer_lies_between_the_rates_at_its_threshold_and_the_next(mated, non_mated):
    rate, threshold = eer(mated, non_mated)
    table = counted(mated, non_mated)
    at = [limit for limit, *_ in table].index(threshold)
    near = table[max(0, at - 1) : at + 2]
    assert min(min(row[1:]) for row in near) <= rate <= max(max(row[1:]) for row in near)
    assert abs(table[at][1] - table[at][2]) == min(abs(m - n) for limit, m, n in table[:-1])


@given(scores, scores, st.sampled_from(INCREASING))
def test_an_increasing_function_of_the_scores_changes_no_rate(mated, non_mated, function):
    moved = [function(np.array(mated)), function(np.array(non_mated))]
    rate, threshold = eer(mated, non_mated)
    assert eer(*moved) == (rate, pytest.approx(float(function(np.float64(threshold)))))
    assert fnmr_at(*moved, 0.1)[0] == fnmr_at(mated, non_mated, 0.1)[0]


@given(scores, scores)
def test_swapping_the_lists_mirrors_the_eer(mated, non_mated):
    rate = eer(mated, non_mated)[0]
    assert eer(-np.array(non_mated), -np.array(mated))[0] == pytest.approx(rate, abs=1e-12)
    assert eer(non_mated, mated)[0] == pytest.approx(1 - rate, abs=1e-12)


def test_eer_of_separate_overlapping_and_equal_scores():
    assert eer([0.7, 0.9], [0.1, 0.5]) == (0.0, 0.7)
    assert eer([0.1, 0.5], [0.7, 0.9])[0] == 1.0
    assert eer([0.3] * 5, [0.3] * 2) == (0.5, 0.3)
    assert eer([1, 2, 3, 4], [0, 1.5, -1, -2]) == (0.25, 1.5)
    assert eer([2, 4], [1, 3, 0])[0] == pytest.approx(1 / 3)


def test_random_scores_have_an_eer_of_one_half():
    rng = np.random.default_rng(0)
    assert eer(rng.normal(size=20_000), rng.normal(size=20_000))[0] == pytest.approx(0.5, abs=0.01)


@given(scores, scores, st.floats(0, 1))
def test_fnmr_at_is_the_lowest_within_the_fmr(mated, non_mated, limit):
    fnmr, threshold = fnmr_at(mated, non_mated, limit)
    table = counted(mated, non_mated)
    assert fnmr == min(row[2] for row in table if row[1] <= limit)
    assert threshold == min(row[0] for row in table if row[1] <= limit)


def test_a_pair_without_a_score_never_matches():
    assert eer([0.9, -np.inf], [0.1, 0.2]) == (0.5, 0.2)
    assert fnmr_at([0.9, -np.inf], [0.1, 0.2], 0.0) == (0.5, 0.9)
    assert fnmr_at([0.9, 0.8], [0.95, 0.1], 0.0) == (1.0, np.inf)


@pytest.mark.parametrize(
    ("mated", "non_mated"),
    [([], [1.0]), ([1.0], []), ([1.0], [float("nan")]), ([np.inf], [1.0]), ([[1.0]], [1.0])],
)
def test_invalid_scores_are_refused(mated, non_mated):
    for function in (error_rates, eer, lambda m, n: fnmr_at(m, n, 0.1)):
        with pytest.raises(BadInput, match="mated scores"):
            function(mated, non_mated)


@pytest.mark.parametrize("limit", [-0.1, 1.1, float("nan")])
def test_a_rate_outside_0_and_1_is_refused(limit):
    with pytest.raises(BadInput, match="false match rate"):
        fnmr_at([1.0], [0.0], limit)


def rate_of(mated: np.ndarray, non_mated: np.ndarray) -> float:
    return eer(mated, non_mated)[0]


def people(count: int, per_person: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Scores that vary more between people than within one."""
    rng = np.random.default_rng(seed)
    own = rng.normal(size=count)
    return [
        (o + 1 + 0.1 * rng.normal(size=per_person), o - 1 + 0.1 * rng.normal(size=per_person))
        for o in own
    ]


def test_the_interval_contains_the_rate_and_depends_on_the_seed():
    groups = people(20, 10, 0)
    low, high = bootstrap(groups, rate_of, draws=200, seed=1)
    assert low <= eer(*map(np.concatenate, zip(*groups, strict=True)))[0] <= high
    assert bootstrap(groups, rate_of, draws=200, seed=1) == (low, high)
    assert bootstrap(groups, rate_of, draws=200, seed=2) != (low, high)


def test_more_scores_of_the_same_people_do_not_narrow_the_interval():
    groups = people(20, 10, 0)
    repeated = [(np.tile(mated, 9), np.tile(non_mated, 9)) for mated, non_mated in groups]
    wide = bootstrap(groups, rate_of, draws=200)
    assert bootstrap(repeated, rate_of, draws=200) == pytest.approx(wide)
    loose = [(mated[i : i + 1], other[i : i + 1]) for mated, other in groups for i in range(10)]
    low, high = bootstrap(loose, rate_of, draws=200)
    assert high - low < wide[1] - wide[0]


def test_people_with_scores_of_one_kind_only():
    nothing = np.array([])
    groups = [(np.array([1.0, 2.0]), nothing), (nothing, np.array([0.0])), (nothing, nothing)]
    assert bootstrap(groups, rate_of, draws=50) == (0.0, 0.0)


@pytest.mark.parametrize(
    "groups", [[], [(np.array([1.0]), np.array([]))], [(np.array([]), np.array([1.0]))]]
)
def test_persons_without_scores_are_refused(groups):
    with pytest.raises(BadInput, match="persons without"):
        bootstrap(groups, rate_of)


def test_no_draws_are_refused():
    with pytest.raises(BadInput, match="0 draws"):
        bootstrap(people(2, 2, 0), rate_of, draws=0)
