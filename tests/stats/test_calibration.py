"""Calibrations: against scikit-learn, on scores whose true ratios are known, and across JSON."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scoreddata import comparisons
from sklearn.metrics import brier_score_loss, log_loss

from siamkit.errors import BadInput, EncoderMismatch, Uncalibrated
from siamkit.flows.decide import (
    Basis,
    DecisionRule,
    Limits,
    identification_limits,
    of_references,
    verification_limits,
)
from siamkit.flows.fuse import Evidence, fuse
from siamkit.stats import calibration, calibration_fit, reliability
from siamkit.stats.calibration_fit import CalibrationTargets
from siamkit.stats.calibration_json import from_json, to_json
from siamkit.stats.comparisons import Comparisons
from siamkit.stats.fpir import fit_fpir_model, threshold_for_fpir
from siamkit.store import calibrations
from siamkit.types import ErrorCurve, Threshold

chances = st.lists(st.tuples(st.floats(0.01, 0.99), st.booleans()), min_size=4, max_size=40).filter(
    lambda rows: len({label for _, label in rows}) == 2
)


@pytest.fixture(scope="module")
def fitted():
    return calibration_fit.fit_calibration(comparisons(120, 4), "letters/1:toy", "by a seed")


@given(chances)
def test_brier_and_cllr_are_those_of_scikit_learn(rows):
    chance, label = map(np.array, zip(*rows, strict=True))
    weight = np.where(label, 0.5 / label.sum(), 0.5 / (~label).sum())
    expected = brier_score_loss(label, chance, sample_weight=weight)
    assert reliability.brier(chance, label) == pytest.approx(expected, abs=1e-12)
    ratios = np.log(chance / (1 - chance))
    bits = log_loss(label, chance, sample_weight=weight) / math.log(2)
    assert reliability.cllr(ratios[label], ratios[~label]) == pytest.approx(bits, abs=1e-9)


@given(chances)
def test_the_calibration_error_equals_that_of_a_loop(rows):
    chance, label = map(np.array, zip(*rows, strict=True))
    weight = np.where(label, 0.5 / label.sum(), 0.5 / (~label).sum())
    expected = 0.0
    for low in range(15):
        inside = (chance >= low / 15) & (chance < (low + 1) / 15)
        if inside.any():
            gap = np.sum(weight[inside] * chance[inside]) - np.sum(weight[inside] * label[inside])
            expected += abs(gap)
    assert reliability.ece(chance, label) == pytest.approx(expected, abs=1e-12)


@given(chances)
def test_no_rising_map_costs_less(rows):
    chance, label = map(np.array, zip(*rows, strict=True))
    ratios = np.log(chance / (1 - chance))
    least = reliability.min_cllr(chance[label], chance[~label])
    for scale in (0.5, 1.0, 3.0):
        cost = reliability.cllr(scale * ratios[label], scale * ratios[~label])
        assert least <= cost + 1e-9


def test_equal_normal_scores_get_their_true_ratios(fitted):
    # Means 0 and 0.25, deviation 0.1: the ratio is 25 s - 3.125.
    for score in (0.05, 0.125, 0.2):
        assert float(calibration.llr(fitted, score)) == pytest.approx(25 * score - 3.125, abs=0.2)
    assert fitted.method == "logistic"
    assert fitted.cllr - fitted.min_cllr < 0.02
    assert fitted.ece < 0.02


def test_ratios_are_limited_to_what_n_pairs_can_show(fitted):
    assert float(calibration.llr(fitted, 1.0)) <= math.log(fitted.non_mated_identity_pairs)
    assert float(calibration.llr(fitted, -1.0)) >= -math.log(fitted.mated) - 1e-5
    assert 0 < calibration.probability(fitted, -1.0) < calibration.probability(fitted, 1.0) < 1


def test_scores_that_need_a_bent_map_get_the_isotonic_one():
    plain = comparisons(120, 4)
    bent = Comparisons(
        np.sign(plain.scores - 0.12) * np.abs(plain.scores - 0.12) ** 4,
        plain.mated,
        plain.left,
        plain.right,
    )
    calibrated = calibration_fit.fit_calibration(bent, "x", "bent")
    assert calibrated.method == "isotonic"
    assert calibrated.cllr - calibrated.min_cllr < 0.03
    assert list(calibrated.llrs) == sorted(calibrated.llrs)


def test_the_threshold_is_the_lowest_for_its_rate(fitted):
    data = comparisons(120, 4)
    for rate in (0.1, 0.01, 0.001):
        limit = calibration.threshold_for_fmr(fitted, rate)
        assert limit.fmr == rate
        assert np.mean(data.non_mated_scores >= limit.value) == pytest.approx(rate, rel=0.05)
    assert calibration.threshold_for_fmr(fitted).fmr == fitted.fmr == 0.001


@pytest.mark.parametrize("people", [3, 7, 8, 9])  # 3, 21, 28 and 36 pairs of identities
def test_a_small_calibration_claims_no_more_than_its_pairs_show(people):
    pairs = people * (people - 1) // 2
    lowest = calibration_fit.RULE_OF_THREE / pairs
    small = comparisons(people, 3)
    assert small.non_mated_identity_pairs == pairs
    if lowest >= 1:
        with pytest.raises(Uncalibrated, match=rf"you have {pairs} pairs.* supports none"):
            calibration_fit.fit_calibration(small, "letters/1:toy", "by a seed")
        return
    fitted = calibration_fit.fit_calibration(small, "letters/1:toy", "by a seed")
    assert lowest <= fitted.fmr <= max(lowest + 0.01, 0.1)
    assert fitted.false_matches.rates[-1] == pytest.approx(lowest)
    limit = calibration.threshold_for_fmr(fitted).value
    assert np.mean(small.non_mated_scores >= limit) <= fitted.fmr
    ratios = np.abs(calibration.llr(fitted, np.linspace(-1, 1, 201)))
    assert ratios.max() <= np.log(len(small))
    with pytest.raises(Uncalibrated, match="lowest supported"):
        calibration.threshold_for_fmr(fitted, lowest / 2)


def test_a_rate_too_low_for_the_number_of_pairs_is_refused():
    few = comparisons(16, 3)
    with pytest.raises(Uncalibrated, match=r"you have 120 pairs of identities.*supports.*0\.025"):
        calibration_fit.fit_calibration(few, "x", "few", CalibrationTargets(fmr=0.001))
    calibrated = calibration_fit.fit_calibration(few, "x", "few")
    assert calibrated.fmr == 0.1
    with pytest.raises(Uncalibrated, match=r"rate of 0\.01; the lowest supported is 0\.025"):
        calibration.threshold_for_fmr(calibrated, 0.01)
    for rate in (0, 1, -1, 2):
        with pytest.raises(BadInput):
            calibration.threshold_for_fmr(calibrated, rate)


def test_more_samples_of_the_same_people_support_no_lower_rate():
    assert (
        comparisons(10, 3).non_mated_identity_pairs
        == comparisons(10, 9).non_mated_identity_pairs
        == 45
    )


def test_the_threshold_for_a_precision_reaches_it():
    data = comparisons(60, 4)
    calibrated = calibration_fit.fit_calibration(data, "x", "y", CalibrationTargets(precision=0.5))
    limit = calibration.threshold_for_fmr(calibrated).value
    matched = data.mated[data.scores >= limit]
    assert matched.mean() == pytest.approx(0.5, abs=0.02)
    noise = Comparisons(-data.scores, data.mated, data.left, data.right)
    with pytest.raises(Uncalibrated, match=r"support a precision of 0\.0"):
        calibration_fit.fit_calibration(noise, "x", "y", CalibrationTargets(precision=0.999))


def test_a_precision_too_high_for_the_number_of_pairs_is_refused():
    data = comparisons(30, 10, shift=6.0)
    with pytest.raises(Uncalibrated, match=r"support a precision of 0\.\d+, not 0.999") as error:
        calibration_fit.fit_calibration(data, "x", "y", CalibrationTargets(precision=0.999))
    supported = float(str(error.value).split("precision of ")[1].split(",")[0])
    calibrated = calibration_fit.fit_calibration(
        data, "x", "y", CalibrationTargets(precision=supported)
    )
    matched = data.mated[data.scores >= calibration.threshold_for_fmr(calibrated).value]
    assert matched.mean() >= supported


def test_a_precision_accounts_for_pairs_that_were_left_out():
    data = comparisons(60, 4)
    keep = data.mated | (np.random.default_rng(1).random(len(data)) < 0.1)
    part = data[keep]
    sampled = Comparisons(part.scores, part.mated, part.left, part.right, sampled_share=0.1)
    limit = calibration.threshold_for_fmr(
        calibration_fit.fit_calibration(sampled, "x", "y", CalibrationTargets(precision=0.5))
    ).value
    assert data.mated[data.scores >= limit].mean() == pytest.approx(0.5, abs=0.1)


def test_uninformative_scores_give_even_odds():
    data = comparisons(60, 4)
    turned = Comparisons(-data.scores, data.mated, data.left, data.right)
    calibrated = calibration_fit.fit_calibration(
        turned, "x", "y", CalibrationTargets(method="logistic")
    )
    assert calibration.probability(calibrated, 0.3) == 0.5


def test_the_best_of_several_scores_needs_a_higher_threshold(fitted):
    one, five = (calibration.threshold_for_best(fitted, 0.01, tries) for tries in (1, 5))
    assert one == calibration.threshold_for_fmr(fitted, 0.01)
    assert five.value == calibration.threshold_for_fmr(fitted, 0.002).value
    assert five.fmr == 0.01
    rows = fitted.non_mated_identity_pairs
    with pytest.raises(Uncalibrated):
        calibration.threshold_for_best(fitted, 3 / rows, 5)
    best_of_many = calibration.threshold_for_best(fitted, None, 1000)
    # The lowest rate that is supported, times the tries.
    assert best_of_many.fmr == pytest.approx(min(1, 3000 / rows))
    assert calibration.llr_of_best(fitted, 0.2, 5) == pytest.approx(
        calibration.llr(fitted, 0.2) - math.log(5)
    )


def test_one_wrong_label_does_not_lift_the_threshold_beyond_all_scores():
    rng = np.random.default_rng(0)
    scores = np.tanh(0.15 * rng.normal(size=(300, 299))).astype(np.float32)
    clean_model = fit_fpir_model([scores], 300)
    scores[5, 7] = scores[7, 5] = 0.999
    model = fit_fpir_model([scores], 300)
    for size in (299, 3_000, 300_000):
        assert (
            threshold_for_fpir(model, 0.01, size)
            < threshold_for_fpir(clean_model, 0.01, size) + 0.3
        )
        assert threshold_for_fpir(model, 0.01, size) < 1


def test_strangers_with_one_score_stay_below_the_threshold():
    tied = np.full((100, 99), 0.1234564, np.float32)
    assert threshold_for_fpir(fit_fpir_model([tied], 100), 0.05, 50) > tied.max()


@pytest.mark.parametrize(
    "wrong",
    [
        {"fmr": 1.0},
        {"method": "guess"},
        {"fusion": "worst"},
        {"llrs": (3.0, -3.0)},
        {"false_matches": ErrorCurve((0.1, 1.0), (0.2, 0.1))},
    ],
)
def test_inconsistent_numbers_in_a_file_are_refused(fitted, wrong):
    with pytest.raises(ValueError, match=r"are inconsistent|NaN is not"):
        from_json(to_json(replace(fitted, **wrong)))


def test_single_class_and_perfect_scores():
    data = comparisons(20, 3)
    with pytest.raises(BadInput, match="none is non-mated"):
        calibration_fit.fit_calibration(data[data.mated], "x", "y")
    perfect = Comparisons(data.mated.astype(float), data.mated, data.left, data.right)
    calibrated = calibration_fit.fit_calibration(perfect, "x", "y", CalibrationTargets(fmr=0.1))
    assert all(map(math.isfinite, calibrated.llrs))
    flat = Comparisons(np.zeros(len(data)), data.mated, data.left, data.right)
    calibrated = calibration_fit.fit_calibration(flat, "x", "y", CalibrationTargets(fmr=0.1))
    assert calibration.probability(calibrated, 0.0) == pytest.approx(0.5, abs=0.05)
    assert calibration.threshold_for_fmr(calibrated).value > 0  # all tie: none may match


def test_json_round_trip(fitted):
    rng = np.random.default_rng(0)
    fpir_model = fit_fpir_model([rng.normal(size=(400, 300)).astype(np.float32)], 400)
    both = replace(fitted, fpir_model=fpir_model)
    assert from_json(to_json(both)) == both
    with pytest.raises((ValueError, KeyError)):
        from_json('{"format": 99}')
    for damaged in (
        replace(both, llrs=both.llrs[:-1]),
        replace(both, scores=both.scores[::-1]),
        replace(both, fmr=2.0),
        replace(both, fpir_model=replace(fpir_model, level=math.nan)),
        replace(both, fpir_model=replace(fpir_model, sizes=())),
    ):
        with pytest.raises(ValueError, match=r"are inconsistent|NaN is not"):
            from_json(to_json(damaged))


def crowd(identities, seed=0):
    """Unit vectors, some of which resemble many others."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(40, 32))
    own = rng.normal(size=(identities, 32)) * rng.uniform(0.5, 2, (identities, 1))
    rows = centres[rng.integers(40, size=identities)] + own
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_the_fpir_is_met_at_every_gallery_size_where_a_fixed_threshold_fails():
    calibrating, remaining = crowd(6_000)[:1_000], crowd(6_000)[1_000:]
    block = calibrating @ calibrating.T
    others = block[~np.eye(1_000, dtype=bool)].reshape(1_000, -1)
    fpir_model = fit_fpir_model([others], 1_000)
    fixed = np.quantile(others, 1 - 0.001)
    naive = {}
    for size in (10, 100, 1_000, 4_000):
        limit = threshold_for_fpir(fpir_model, 0.02, size)
        rates, fixed_rates = [], []
        for seed in range(20 if size < 1_000 else 4):
            drawn = np.random.default_rng(seed).permutation(remaining)
            best = (drawn[size:][:1_000] @ drawn[:size].T).max(axis=1)
            rates.append(np.mean(best >= limit))
            fixed_rates.append(np.mean(best >= fixed))
        assert 0.02 / 1.7 <= np.mean(rates) <= 0.02 * 1.7, size
        naive[size] = np.mean(fixed_rates)
    assert naive[10] < 0.02 < 0.06 < naive[100] < 0.25 < naive[1_000]


def alike(identities, seed=0):
    """Unit vectors of which none resembles more others than the rest do."""
    rows = np.random.default_rng(seed).normal(size=(identities, 32))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(
    ("draw", "least_growth", "most_growth"), [(crowd, 0.6, 0.85), (alike, 0.95, 1.0)]
)
def test_the_fpir_is_met_in_galleries_20_and_100_times_the_calibration(
    draw, least_growth, most_growth
):
    size = 1_000
    observed = {20: [], 100: []}
    for seed in range(3):
        people = draw(101 * size + 400, seed)
        calibrating, probes, gallery = np.split(people, [size, size + 400])
        others = (calibrating @ calibrating.T)[~np.eye(size, dtype=bool)].reshape(size, -1)
        fpir_model = fit_fpir_model([others], size)
        assert least_growth <= fpir_model.growth <= most_growth
        for times, rates in observed.items():
            limit = threshold_for_fpir(fpir_model, 0.05, times * size)
            best = (probes @ gallery[: times * size].T).max(axis=1)
            rates.append(np.mean(best >= limit))
    for times, rates in observed.items():
        assert 0.05 / 1.8 <= np.mean(rates) <= 0.05 * 1.8, times


def test_thresholds_rise_with_the_gallery_size_and_fall_with_the_rate():
    fpir_model = fit_fpir_model(
        [np.random.default_rng(0).normal(size=(500, 400)).astype("f4")], 500
    )
    sizes = [
        threshold_for_fpir(fpir_model, 0.05, size)
        for size in (1, 10, 100, 400, 401, 450, 5_000, 10**6)
    ]
    assert sizes == sorted(sizes)
    rates = [threshold_for_fpir(fpir_model, rate, 100) for rate in (0.4, 0.1, 0.01)]
    assert rates == sorted(rates)
    with pytest.raises(Uncalibrated, match=r"500 identities.*0\.006"):
        threshold_for_fpir(fpir_model, 0.001, 100)
    assert fit_fpir_model([np.zeros((5, 4), np.float32)], 5) is None


def test_more_samples_of_an_identity_have_limits_of_their_own(fitted):
    of_two, of_five = (replace(fitted, source=f"{n} references") for n in (2, 5))
    counted = replace(fitted, of_means=((2, of_two), (5, of_five)))
    assert from_json(to_json(counted)) == counted
    basis = Basis("x", counted, Threshold(0.9))
    assert of_references(basis, 1) == basis
    for count, chosen in ((2, of_two), (4, of_two), (5, of_five), (99, of_five)):
        assert of_references(basis, count) == Basis("x", chosen)
    assert of_references(Basis("x", None), 5) == Basis("x", None)


def test_limits_decide(fitted):
    with pytest.raises(Uncalibrated, match="not calibrated"):
        verification_limits(DecisionRule(fmr=0.01), Basis("x", None, Threshold(0.5)))
    limits = verification_limits(DecisionRule(), Basis("x", fitted))
    assert limits.decide(limits.same.value) == "same"
    assert limits.different < limits.same.value
    assert limits.decide(limits.different) == "inconclusive"
    assert limits.decide(limits.different - 1e-6) == "different"
    fixed = verification_limits(DecisionRule(threshold=0.3), Basis("x", fitted))
    assert fixed == Limits(Threshold(0.3), 0.3)
    default = verification_limits(DecisionRule(), Basis("x", fitted, Threshold(0.9, 0.001, "y")))
    assert default.same.value == 0.9
    with pytest.raises(Uncalibrated, match="not calibrated for identification"):
        identification_limits(DecisionRule(fpir=0.01), Basis("x", fitted), 10)
    assert identification_limits(DecisionRule(), Basis("x"), 10) is None


def test_a_calibration_of_another_encoder_is_refused(workspace, fitted):
    workspace.create_gallery("letters", "letters")
    gallery = workspace.gallery("letters")
    limit = calibration.threshold_for_fmr(fitted)
    with workspace.store.write(), pytest.raises(EncoderMismatch, match="letters/1:other"):
        calibrations.add(
            workspace.store,
            gallery.id,
            gallery.space.fingerprint,
            limit,
            replace(fitted, fingerprint="letters/1:other"),
        )
    with workspace.store.write():
        calibrations.add(workspace.store, gallery.id, fitted.fingerprint, limit, fitted)
    assert workspace.gallery("letters").calibration == fitted


def test_fused_evidence_adds_up():
    evidence = [
        Evidence("a", "a.png", object(), 4.0, 4.5),
        Evidence("b", "b.wav", object(), 3.5, 4.5),
    ]
    fused = fuse(evidence, 0.001)
    assert fused.llr == 7.5
    assert fused.decision == "same"
    assert (
        fuse([*evidence, Evidence("c", "c", object(), -2.0, 5.0)], 0.001).decision == "inconclusive"
    )
    assert fuse([*evidence, Evidence("c", "c", None, 0.0, reason="gone")], 0.001).llr == 7.5
    assert fuse([Evidence("c", "c", object(), -9.0, 8.0)], 0.001).decision == "different"


def test_fusion_promises_no_lower_rate_than_the_calibrations_support():
    alone = [Evidence("a", "a.png", object(), 4.5, 4.5)]
    with pytest.raises(Uncalibrated, match=r"a false match rate of 0\.011 together, not 0\.001"):
        fuse(alone, 0.001)
    fused = fuse(alone)
    assert (fused.decision, fused.fmr) == ("same", 0.012)


@pytest.mark.parametrize("size", [1, 20, 300])
def test_no_default_answer_contradicts_its_probability(fitted, size):
    blocks = [np.random.default_rng(3).normal(0, 0.1, (200, 119)).astype(np.float32)]
    searched = replace(fitted, fpir=0.1, fpir_model=fit_fpir_model(blocks, 119))
    limits = identification_limits(DecisionRule(), Basis("x", searched), size)
    assert limits is not None
    for score in np.linspace(-0.2, 1, 121).tolist():
        likely = calibration.probability_among(searched, score, size)
        decision = limits.decide(score)
        assert decision != "same" or likely >= 0.5 - 1e-9
        assert decision != "inconclusive" or likely >= 0.1 - 1e-9
