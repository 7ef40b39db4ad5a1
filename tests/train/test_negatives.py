"""Negatives beyond a batch: several batches and a memory, compared with one large batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from steps import FEATURES, LOSSES, convolutions, cut, gradients, learner, samples, weights
from torch import nn

from siamkit.errors import BadInput
from siamkit.train.candidates import Batch, describe, relate
from siamkit.train.config import TrainConfig
from siamkit.train.processes import Processes

ALONE = Processes()


@pytest.mark.parametrize(("loss", "mining"), LOSSES)
def test_chunks_have_the_gradient_of_one_large_batch(loss, mining):
    batch = samples()
    whole, chunked = learner(loss), learner(loss)
    expected = whole.step(1, [batch], mining, ALONE)
    means = chunked.step(1, cut(batch, 7, 22), mining, ALONE)  # both cuts are within identities
    assert gradients(whole).abs().max() > 1e-3
    torch.testing.assert_close(gradients(chunked), gradients(whole), atol=1e-6, rtol=1e-5)
    for name in ("loss", "active", "positive", "negative", "spread", "samples"):
        assert getattr(means, name) == pytest.approx(getattr(expected, name), abs=1e-6)
    assert means.samples == len(batch.rows)


def test_a_chunk_that_is_embedded_twice_has_the_same_dropout_and_counts_once():
    network = nn.Sequential(nn.Linear(FEATURES, 8), nn.Dropout(0.5), nn.BatchNorm1d(8))
    passes = []
    network[-1].register_forward_hook(lambda _, given, __: passes.append(given[0].detach()))
    learner(network=network).step(1, cut(samples(), 12), "batch-hard", ALONE)
    first, last, again = passes  # the last chunk is embedded once
    assert torch.equal(first, again)
    assert (first == 0).any()
    assert network[-1].num_batches_tracked == 2
    expected = 0.9 * 0.1 * last.mean(0) + 0.1 * first.mean(0)
    torch.testing.assert_close(network[-1].running_mean, expected)


def test_the_memory_holds_candidates_without_a_gradient():
    """Against a reference: the loss of the batch with the earlier embeddings as constants."""
    settings = {"temperature": 1.0, "learning_rate": 1e-30}  # no gradient is clipped
    taught, plain = (learner("multiple-negatives", memory=m, **settings) for m in (40, 0))
    for number in (10, 11):  # 64 samples, of which the latest 40 are kept
        taught.step(number, [samples(number)], "none", ALONE)
    batches = [samples(12), samples(11), samples(10)]
    taught.step(12, batches[:1], "none", ALONE)

    with torch.no_grad():
        earlier = [plain.network(torch.from_numpy(batch.arrays)) for batch in batches[1:]]
    own = plain.network(torch.from_numpy(batches[0].arrays))
    vectors = nn.functional.normalize(torch.cat([own, *earlier])[: 32 + 40])
    pairs = relate(describe(batches, "cpu")[: 32 + 40], anchors=32)
    assert pairs.positive[:, 32:].any()
    plain.loss(vectors, pairs, None).backward()
    torch.testing.assert_close(gradients(taught), gradients(plain), atol=1e-6, rtol=1e-5)


def test_the_memory_begins_after_the_warm_up():
    for warmup, share in ((0.0, 0.03), (0.1, 0.1)):
        taught = learner(memory=48, warmup=warmup)
        for step in range(1, 14):
            taught.step(step, [samples(step)], "random", ALONE)
            remembered = taught.memory.tensors().get("embeddings", ())
            assert len(remembered) == min(48, 32 * max(0, step - round(share * 100)))


def test_a_sample_is_never_its_own_positive_and_varied_ones_only_within_a_draw():
    zeros = np.zeros((3, 1), np.float32)
    labels, genuine = np.array([0, 0, 1]), np.zeros(3, bool)
    first = Batch(zeros, labels, genuine, np.array([5, 6, 7]))
    second = Batch(zeros, labels, genuine, np.array([6, 8, 7]))
    pairs = relate(describe([first, second], "cpu"), anchors=3)
    assert pairs.positive[:, 3:].tolist() == [
        [True, True, False],
        [False, True, False],
        [False] * 3,
    ]
    assert pairs.negative[:, 3:].tolist() == [[False, False, True]] * 2 + [[True, True, False]]
    varied = Batch(zeros, labels, genuine, second.rows, draw=1)
    pairs = relate(describe([first, varied], "cpu"), anchors=3)
    assert not pairs.positive[:, 3:].any()
    assert pairs.negative[:, 3:].tolist() == [[False, False, True]] * 2 + [[True, True, False]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"memory": 1000, "loss": "arcface"}, "arcface does not compare samples"),
        ({"memory": 1000, "loss": ["cosface", {"name": "cosent"}]}, "cosface does not compare"),
        ({"memory": 10}, "memory = 10: it holds less than the 64 samples of one step"),
        ({"memory": 100, "accumulate": 2}, "less than the 128 samples"),
        ({"memory": -1}, "memory = -1: it cannot be below 0"),
        ({"accumulate": 0}, "accumulate = 0: it cannot be below 1"),
    ],
)
def test_settings_that_cannot_be_met(settings, message):
    with pytest.raises(BadInput, match=message):
        TrainConfig(**settings)


def test_one_loss_of_a_sum_may_use_the_memory():
    assert TrainConfig(memory=1000, loss=["arcface", "triplet"]).memory == 1000


def test_convolutions_resume_exactly():
    """Their weights lie in memory by channels last, and a checkpoint does not."""
    whole, resumed = learner(network=convolutions()), learner(network=convolutions())
    for step in (1, 2):
        whole.step(step, [samples(step)], "batch-hard", ALONE)
    resumed.load({name: value.contiguous().clone() for name, value in whole.tensors().items()})
    for taught in (whole, resumed):
        taught.step(3, [samples(3)], "batch-hard", ALONE)
    assert torch.equal(weights(whole), weights(resumed))
