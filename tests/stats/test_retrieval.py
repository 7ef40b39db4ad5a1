"""Recall@k and MAP@R, against pytorch-metric-learning and against their definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from siamkit.stats.retrieval import retrieval_rates


def unit(seed, count, dim=8):
    rows = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(5))
def test_the_rates_are_those_of_pytorch_metric_learning(seed):
    from pytorch_metric_learning.distances import CosineSimilarity
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
    from pytorch_metric_learning.utils.inference import CustomKNN

    labels = np.random.default_rng(seed).integers(0, 20, 150)  # some stand alone
    vectors = unit(seed, 150) + 0.4 * unit(99, 20)[labels]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    (first, _), map_at_r = retrieval_rates(vectors, labels)
    peer = AccuracyCalculator(
        include=("precision_at_1", "mean_average_precision_at_r"),
        k="max_bin_count",
        knn_func=CustomKNN(CosineSimilarity()),
    ).get_accuracy(torch.from_numpy(vectors), torch.from_numpy(labels))
    assert first == pytest.approx(peer["precision_at_1"], abs=1e-9)
    assert map_at_r == pytest.approx(peer["mean_average_precision_at_r"], abs=1e-6)


def test_recall_counts_queries_with_a_positive_among_the_nearest():
    vectors, labels = unit(3, 60), np.arange(60) // 3
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -2)
    order = np.argsort(-cosines, axis=1)
    expected = [(labels[order[:, :k]] == labels[:, None]).any(1).mean() for k in (1, 5, 59)]
    assert retrieval_rates(vectors, labels, (1, 5, 59))[0] == pytest.approx(expected)


def test_samples_that_stand_alone_have_no_rates():
    rates, average = retrieval_rates(unit(0, 4), np.arange(4))
    assert np.isnan([*rates, average]).all()
    assert retrieval_rates(unit(0, 2), np.zeros(2, np.int64)) == ([1.0, 1.0], 1.0)
