"""Which validation samples an evaluation looks at, where there are too many."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from siamkit.train import validation


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
