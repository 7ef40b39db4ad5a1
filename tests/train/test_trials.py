"""How sure an error rate is, and a gain."""

from __future__ import annotations

import numpy as np
import pytest

from siamkit.train.trials import Trials, draw_weights, error_interval, gain_interval


def trials(seed, identities, gap, each=6):
    """Scores of `identities`, each of which has a level of its own, `gap` apart from the others."""
    rng = np.random.default_rng(seed)
    names = np.repeat(np.arange(identities), each)
    own = rng.normal(0, 0.1, identities)[names]
    mated = gap + own + rng.normal(0, 0.1, len(names))
    other = (names + rng.integers(1, identities, len(names))) % identities
    rejected = own + rng.normal(0, 0.1, len(names))
    as_cosines = (np.clip(scores, -1, 1).astype(np.float32) for scores in (mated, rejected))
    mated, rejected = as_cosines
    return Trials(mated, names, rejected, names, other)


def test_an_interval_holds_the_true_rate_about_as_often_as_it_says():
    truth = np.mean([trials(s, 300, 0.3).error for s in range(3)])
    intervals = [error_interval(trials(100 + s, 12, 0.3)) for s in range(40)]
    held = sum(low <= truth <= high for low, high in intervals)
    assert held >= 34
    assert all(low < high for low, high in intervals)


def test_few_identities_have_no_interval():
    assert error_interval(trials(0, 4, 0.3)) is None
    assert gain_interval(trials(0, 4, 0.1), trials(0, 4, 0.5)) is None
    assert error_interval(trials(0, 5, 0.3)) is not None


def test_chance_is_no_gain_and_a_gain_is_seen():
    """Two equal models differ by chance; of 40 such pairs at most one may look like a gain."""
    lows = [gain_interval(trials(s, 10, 0.3), trials(1000 + s, 10, 0.3))[0] for s in range(40)]
    assert sum(low > 0 for low in lows) <= 1
    low, high = gain_interval(trials(1, 20, 0.1), trials(1, 20, 0.5))
    assert 0 < low < trials(1, 20, 0.1).error - trials(1, 20, 0.5).error < high


def test_the_draws_of_all_identities_are_as_many_as_there_are():
    assert (draw_weights(7).sum(axis=1) == 7).all()


def test_ties_and_wide_scores_give_the_plain_error():
    """Without resampling, that is with every identity once, the error is that of all pairs."""
    from siamkit.train.trials import _resampled

    for seed in range(5):
        some = trials(seed, 8, 0.2)
        ones = np.ones((1, 8), np.int64)
        assert _resampled(some, ones)[0] == pytest.approx(some.error, abs=1e-6)
