"""Adaptive S-norm, against a loop that takes both identities out of both cohorts."""

from __future__ import annotations

import numpy as np
import pytest

from siamkit.errors import BadInput
from siamkit.stats import snorm


def vectors(identities=30, per_identity=3, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(identities), per_identity)
    rows = rng.normal(size=(identities, 16))[labels] + 0.6 * rng.normal(size=(len(labels), 16))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


def relative(rows, labels, probe, without, score, nearest):
    """Return the score relative to the `nearest` other identities of a probe."""
    best = sorted(
        (
            max(rows[labels == name] @ rows[probe])
            for name in set(labels.tolist()) - {labels[probe], without}
        ),
        reverse=True,
    )[:nearest]
    return (score - np.mean(best)) / np.std(best)


def test_scores_are_relative_to_the_cohorts_of_both_samples():
    rows, labels = vectors()
    cohorts = snorm.build_cohorts(rows, labels)
    left, right = np.array([0, 0, 5, 40]), np.array([1, 10, 80, 41])
    scores = np.einsum("ij,ij->i", rows[left], rows[right]).astype(np.float64)
    normalised = snorm.normalise_scores(scores, left, right, labels, cohorts)
    for a, b, score, value in zip(left, right, scores, normalised, strict=True):
        left_score = relative(rows, labels, a, labels[b], score, 28)
        right_score = relative(rows, labels, b, labels[a], score, 28)
        assert value == pytest.approx((left_score + right_score) / 2, rel=1e-3)


def test_too_few_identities_for_a_cohort_are_refused():
    with pytest.raises(BadInput, match="a cohort needs at least 12 identities; there are 9"):
        snorm.build_cohorts(*vectors(identities=9))
