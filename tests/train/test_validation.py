"""What validation looks at: which samples, which pairs, and the threshold that they give."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from siamkit.train import card, validation
from siamkit.train.validation import HeldOut


@given(
    counts=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=6),
    most=st.integers(1, 60),
    seed=st.integers(0, 9),
)
def test_every_identity_and_its_impostors_get_their_share(counts, most, seed):
    labels = np.repeat(np.arange(len(counts)), [sum(pair) for pair in counts])
    impostor = np.concatenate([np.arange(sum(pair)) >= pair[0] for pair in counts]).astype(bool)
    original, validation.MAX_SAMPLES = validation.MAX_SAMPLES, most
    try:
        rows = validation.choose_rows(labels, impostor, seed)
        np.testing.assert_array_equal(rows, validation.choose_rows(labels, impostor, seed))
    finally:
        validation.MAX_SAMPLES = original
    assert len(rows) == len(np.unique(rows)) == min(most, len(labels))
    taken = {
        (label, mark): int(((labels[rows] == label) & (impostor[rows] == mark)).sum())
        for label in range(len(counts))
        for mark in (False, True)
    }
    for key, number in taken.items():
        left = counts[key[0]][key[1]] - number
        assert left == 0 or number + 1 >= max(taken.values())


def held(labels, impostor=None, pairs=(), alike=()):
    return HeldOut(
        labels,
        np.zeros(len(labels), bool) if impostor is None else impostor,
        np.array(pairs, np.int64).reshape(-1, 2),
        np.array(alike, bool),
        np.arange(len(labels)),
    )


def around(labels, noise, seed=0):
    """Vectors near that of their label."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(labels.max() + 1, 16))[labels] + noise * rng.normal(
        size=(len(labels), 16)
    )
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_hard_pairs_are_the_nearest_of_other_identities():
    labels = np.arange(400) // 4
    vectors = around(labels, 0.6)
    scores = validation.score(vectors, held(labels))
    cosines = np.where(labels[:, None] == labels, -2, vectors @ vectors.T)
    nearest = np.sort(cosines, axis=1)[:, -4:]  # a hundredth of 396
    np.testing.assert_allclose(np.sort(scores.hard), np.sort(nearest.ravel()), atol=1e-6)
    rates = validation.measure(vectors, held(labels), scores)
    assert rates.eer < rates.eer_hard == rates.error
    assert rates.low < rates.error < rates.high
    assert np.isnan(rates.eer_impostors)
    threshold = card.default_threshold(scores)
    assert "1,600 hard pairs of different identities" in threshold.source
    assert (scores.hard >= threshold.value).mean() <= threshold.fmr
    assert (scores.others >= threshold.value).mean() < threshold.fmr / 10  # far fewer of all


def test_labelled_pairs_are_what_a_model_is_judged_by():
    labels = np.arange(200) // 2
    vectors = around(labels, 0.6)
    pairs = [(2 * i, 2 * i + 2) for i in range(60)]
    some = held(labels, pairs=pairs, alike=[False] * 60)
    scores = validation.score(vectors, some)
    assert scores.negatives == "labelled"
    assert len(scores.trials.rejected) == 60
    rates = validation.measure(vectors, some, scores)
    assert rates.error == rates.eer_impostors
    few = validation.score(vectors, held(labels, pairs=pairs[:3], alike=[False] * 3))
    assert validation.NEGATIVES[few.negatives] == "hard pairs and pairs labelled different"
    assert len(few.trials.rejected) == len(few.hard) + 3


def test_impostors_are_what_a_model_is_judged_by():
    labels, impostor = np.arange(120) // 6, np.arange(120) % 6 >= 4
    scores = validation.score(around(labels, 0.3), held(labels, impostor))
    assert scores.negatives == "impostor"
    assert len(scores.trials.rejected) == 20 * 4 * 2
    assert len(scores.trials.mated) == 20 * 6


def test_pairs_that_are_alike_are_no_errors():
    """Two labels whose pair is labelled the same: their samples do not count as strangers."""
    labels = np.arange(6)
    scores = validation.score(around(labels // 2, 0.01), held(labels, pairs=[(0, 1)], alike=[True]))
    assert len(scores.trials.mated) == 1
    assert len(scores.others) == 14


def test_nothing_to_measure_is_no_error():
    for labels in (np.zeros(3, np.int64), np.arange(3)):
        scores = validation.score(around(labels, 0.1), held(labels))
        rates = validation.measure(around(labels, 0.1), held(labels), scores)
        assert np.isnan(rates.error)
        assert card.default_threshold(scores) is None
