"""The threshold of a search in pictures: its false positive rate on pictures not seen before."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamkit.errors import BadInput, Uncalibrated
from siamkit.stats import per_picture
from siamkit.stats.find_calibration import (
    FindCalibration,
    FindSetup,
    SightingMap,
    from_json,
    to_json,
)

DRAWS = 2_000
DISTRIBUTIONS = {
    "normal": lambda rng, size: 0.5 + 0.1 * rng.standard_normal(size),
    "heavy": lambda rng, size: np.tanh(0.1 * rng.standard_cauchy(size)),
    "bounded": lambda rng, size: rng.beta(5, 1, size),
    "ties": lambda rng, size: rng.integers(0, 8, size) / 8,
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize(("pictures", "rate"), [(10, 0.2), (34, 0.05), (68, 0.05), (100, 0.01)])
def test_pictures_not_seen_before_keep_the_rate(name, pictures, rate):
    """The mean realised rate over many draws is the target at most, within the draws' error."""
    rng = np.random.default_rng(0)
    draw = DISTRIBUTIONS[name]
    thresholds = [
        per_picture.threshold_for_rate(draw(rng, pictures).tolist(), rate) for _ in range(DRAWS)
    ]
    realised = (draw(rng, (DRAWS, 50)) >= np.array(thresholds)[:, None]).mean(axis=1)
    error = realised.std() / np.sqrt(DRAWS)
    assert realised.mean() <= rate + 3 * error
    if name != "ties":  # and no stricter than whole pictures demand
        assert realised.mean() >= per_picture.exceeded(pictures, rate) / (pictures + 1) - 3 * error


@given(
    st.lists(st.floats(-1, 1), min_size=10, max_size=200),
    st.floats(0.01, 0.9),
)
def test_the_calibration_s_own_pictures_keep_the_rate_too(highest, rate):
    """Fewer than k of them reach the threshold, and those that do are rarer than the rate."""
    if rate < per_picture.lowest_rate(len(highest)):
        with pytest.raises(Uncalibrated):
            per_picture.threshold_for_rate(highest, rate)
        return
    threshold = per_picture.threshold_for_rate(highest, rate)
    reached = sum(score >= threshold for score in highest)
    assert reached / len(highest) < rate
    assert per_picture.rate_at(highest, threshold) <= rate + 1e-9
    stricter = per_picture.threshold_for_rate(highest, rate / 2) if rate / 2 > 0.1 else threshold
    assert stricter >= threshold


def test_the_upper_bound_holds_in_19_of_20_draws():
    rng, pictures, rate = np.random.default_rng(1), 60, 0.1
    bound = per_picture.upper_bound(pictures, rate)
    uniform = rng.random((DRAWS, pictures))
    thresholds = [per_picture.threshold_for_rate(row.tolist(), rate) for row in uniform]
    true_rates = 1 - np.array(thresholds)
    assert 0.03 < (true_rates > bound).mean() < 0.07


def test_too_few_pictures_are_refused_with_the_number_that_would_do():
    with pytest.raises(Uncalibrated, match="at least 10") as refused:
        per_picture.threshold_for_rate([0.1] * 9, 0.5)
    assert refused.value.hint == "19 support the usual rate of 0.05"
    with pytest.raises(Uncalibrated, match=r"support a false positive rate of 0\.091") as refused:
        per_picture.threshold_for_rate([0.1] * 10, 0.01)
    assert "99 pictures" in refused.value.hint
    assert per_picture.threshold_for_rate([0.1] * 99, 0.01) == pytest.approx(0.1, abs=3e-6)
    with pytest.raises(BadInput, match="out of range"):
        per_picture.threshold_for_rate([0.1] * 99, 0)


def test_the_default_rate_is_what_the_pictures_support():
    assert [per_picture.default_rate(n) for n in (10, 18, 19, 1000)] == [0.091, 0.053, 0.05, 0.05]


def calibration(**changes):
    fields = {
        "fingerprint": "tiles/1:toy",
        "setup": FindSetup("squares", 640, "shapes"),
        "source": "20 pictures of empty/",
        "fpir": 0.1,
        "identities": 2,
        "samples": 3,
        "highest": tuple(np.linspace(-1, 0.9, 20).tolist()),
        "sightings": SightingMap((0.0, 1.0), (-2.0, 3.0), 12, 40),
    }
    return FindCalibration(**fields | changes)


def test_a_calibration_survives_json():
    for written in (calibration(), calibration(setup=FindSetup("squares"), sightings=None)):
        assert from_json(to_json(written)) == written
    assert calibration().setup.options == "--detector squares --tiles 640 --rerank shapes"
    assert calibration().threshold().fpir == 0.1
    assert calibration().threshold(0.05).value > calibration().threshold().value
    assert calibration().rate_at(0.95) == pytest.approx(1 / 21)


@pytest.mark.parametrize(
    "change",
    [
        {"highest": [0.5] * 9},
        {"highest": [0.5, 0.4] * 10},
        {"highest": [7.0] * 20},
        {"highest": ["x"] * 20},
        {"fpir": 0.001},
        {"fpir": True},
        {"identities": 0},
        {"identities": 2.5},
        {"setup": {"detector": 7}},
        {"setup": {"detector": "squares", "tiles": -1}},
        {"setup": {"detector": "squares", "reranker": 1}},
        {"setup": {}},
        {"sightings": {"scores": [1, 0], "log_odds": [0, 1], "right": 1, "wrong": 1}},
        {"sightings": {"scores": [], "log_odds": [], "right": 1, "wrong": 1}},
        {"sightings": [1]},
        {"source": None},
        {"format": 2},
        {"more": 1},
    ],
)
def test_values_that_no_measurement_gives_are_refused(change):
    data = json.loads(to_json(calibration())) | change
    with pytest.raises((ValueError, KeyError, TypeError)):
        from_json(json.dumps(data))
