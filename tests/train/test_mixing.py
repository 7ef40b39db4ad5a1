"""Two identities of a batch exchange parts, and each remains told from its impostors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamkit.train import mixing


class Halves:
    """Samples of two cells, each cell holding a row number."""

    def mix(self, left, right, at):
        return np.stack([left[0], right[1]])


def batch(identities, samples, impostors):
    labels = np.repeat(np.arange(identities), samples + impostors)
    impostor = np.tile(np.arange(samples + impostors) >= samples, identities)
    rows = np.arange(len(labels))
    return np.stack([rows, rows], axis=1), labels, impostor


@pytest.fixture
def always(monkeypatch):
    monkeypatch.setattr(mixing, "SHARE", 1.0)


@given(
    identities=st.integers(1, 7),
    samples=st.integers(1, 4),
    impostors=st.integers(0, 3),
    seed=st.integers(0, 99),
)
def test_a_mixture_has_a_part_of_each_and_is_an_impostor_where_either_is(
    identities, samples, impostors, seed
):
    arrays, labels, impostor = batch(identities, samples, impostors)
    before = arrays.copy()
    rng = np.random.default_rng(seed)
    mixed = mixing.mix_identities(arrays, labels, impostor, Halves(), rng)
    np.testing.assert_array_equal(arrays, before)
    for row, (left, right) in enumerate(mixed):
        assert labels[left] == labels[row]
        assert (impostor[left] or impostor[right]) == impostor[row]
    partners = {label: set(labels[mixed[labels == label, 1]]) for label in range(identities)}
    for label, partner_labels in partners.items():
        (partner,) = (
            partner_labels  # all samples of an identity are mixed with one and the same other
        )
        assert partners[partner] == {label}


def test_all_parts_of_a_mixture_may_be_of_impostors_or_one(always):
    arrays, labels, impostor = batch(40, 1, 3)
    mixed = mixing.mix_identities(arrays, labels, impostor, Halves(), np.random.default_rng(0))[
        impostor
    ]
    kinds = {(bool(impostor[a]), bool(impostor[b])) for a, b in mixed}
    assert kinds == {(True, True), (True, False), (False, True)}
    assert (labels[mixed[:, 0]] != labels[mixed[:, 1]]).all()


def test_an_identity_without_a_partner_stays(always):
    arrays, labels, impostor = batch(3, 2, 1)
    mixed = mixing.mix_identities(arrays, labels, impostor, Halves(), np.random.default_rng(0))
    np.testing.assert_array_equal(mixed[labels == 2], arrays[labels == 2])
