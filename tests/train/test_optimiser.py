"""Optimisers, their schedules, and the rates of a network's parts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from toydata import resumes_exactly, train, write_people, write_texts  # noqa: F401

from siamkit.errors import BadInput
from siamkit.train.candidates import Batch
from siamkit.train.config import OPTIMISERS, TrainConfig
from siamkit.train.learner import Learner
from siamkit.train.losses import build_loss
from siamkit.train.optimiser import learning_rate
from siamkit.train.processes import Processes
from siamkit.train.stages import freeze, stages

TRUNK = {"backbone": "test_efficientnet", "steps": 4, "evaluate_every": 2}  # of 99 000 weights


class Small(nn.Module):
    """Three stages and a head."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.ModuleList(
            nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.ReLU()) for _ in range(3)
        )
        self.head = nn.Linear(6, 4)

    def stages(self):
        return [list(stage.parameters()) for stage in self.trunk]

    def forward(self, arrays):
        for stage in self.trunk:
            arrays = stage(arrays)
        return self.head(arrays)


def learner(**settings):
    """A learner of 20 steps, of a network that begins alike each time."""
    config = TrainConfig(dim=4, steps=20, warmup=0.0, **settings)
    torch.manual_seed(0)
    network = Small().train()
    freeze(network, config)
    return Learner(network, build_loss(config, 4), config, "cpu", "fp32")


def steps(taught, first, last):
    for step in range(first, last + 1):
        rng = np.random.default_rng(step)
        arrays = rng.standard_normal((8, 6)).astype(np.float32)
        batch = Batch(arrays, np.repeat(np.arange(4), 2), np.zeros(8, np.bool_), np.arange(8))
        assert math.isfinite(taught.step(step, [batch], "semi-hard", Processes()).loss)


def weights(taught):
    return {name: tensor.clone() for name, tensor in taught.network.state_dict().items()}


def test_each_part_learns_at_its_own_rate():
    taught = learner(trunk_rate=0.5, layer_decay=0.1, learning_rate=0.01, schedule="constant")
    steps(taught, 1, 1)
    rates = {p: group["lr"] for group in taught.optimiser.param_groups for p in group["params"]}
    network = taught.network
    assert [rates[stage[0].weight] for stage in network.trunk] == pytest.approx([5e-5, 5e-4, 5e-3])
    assert rates[network.head.weight] == rates[network.head.bias] == pytest.approx(0.01)
    assert rates.keys() == set(network.parameters())


def test_frozen_stages_stay_as_they_are_with_their_statistics():
    taught = learner(freeze=2, average=0.5)
    before = weights(taught)
    taught.network.eval().train()  # as an evaluation does
    steps(taught, 1, 3)
    changed = {name for name, tensor in weights(taught).items() if not tensor.equal(before[name])}
    assert {name.rpartition(".")[0] for name in changed} == {"trunk.2.0", "trunk.2.1", "head"}
    average = taught.average.state_dict()
    assert all(average[name].equal(before[name]) for name in before.keys() - changed)
    assert not average["head.weight"].equal(taught.network.head.weight)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_every_optimiser_resumes_exactly(optimiser):
    settings = {"optimiser": optimiser, "average": 0.9, "freeze": 1, "layer_decay": 0.8}
    whole, first, second = (learner(**settings) for _ in range(3))
    before = weights(whole)
    steps(whole, 1, 4)
    steps(first, 1, 2)
    second.load(first.tensors())
    steps(second, 3, 4)
    assert all(tensor.equal(weights(second)[name]) for name, tensor in weights(whole).items())
    average = second.average.state_dict()
    assert all(tensor.equal(average[name]) for name, tensor in whole.average.state_dict().items())
    assert not before["head.weight"].equal(weights(whole)["head.weight"])


@pytest.mark.parametrize(
    ("schedule", "middle", "last"),
    [
        ("cosine", 0.5, 0.006),
        ("linear", 0.5, 0.05),
        ("exponential", 0.1, 0.0126),
        ("constant", 1, 1),
    ],
)
def test_schedules_rise_and_fall(schedule, middle, last):
    config = TrainConfig(steps=29, warmup=10 / 29, learning_rate=1.0, schedule=schedule)
    rates = [learning_rate(config, step) for step in range(1, 30)]
    assert rates[:10] == pytest.approx(np.arange(1, 11) / 10)
    assert rates[19] == pytest.approx(middle)
    assert rates[-1] == pytest.approx(last, rel=0.1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"freeze": 4}, "freeze = 4: the network has 3 stages, the first included"),
        ({"freeze": -1}, "freeze = -1: it cannot be below 0"),
        ({"layer_decay": 1.5}, "layer_decay = 1.5: it is a share"),
        ({"trunk_rate": 0.0}, "trunk_rate = 0: it must be above 0"),
        ({"optimiser": "adamv"}, "optimiser = 'adamv'"),
        ({"frozen": True, "trunk_rate": 0.1}, "trunk_rate = 0.1 has no effect with frozen = true"),
    ],
)
def test_settings_that_a_network_cannot_follow(settings, message):
    with pytest.raises(BadInput, match=message):
        learner(**settings)


def test_networks_without_stages_or_without_a_head():
    with pytest.raises(BadInput, match="the stages of Linear are not known"):
        freeze(nn.Linear(2, 2), TrainConfig(freeze=1))
    whole = Small()
    whole.head = nn.Identity()
    with pytest.raises(BadInput, match="no head: the last one must learn"):
        freeze(whole, TrainConfig(freeze=3))
    with pytest.raises(BadInput, match="trunk_rate has no effect"):
        freeze(whole, TrainConfig(trunk_rate=0.5))


@pytest.mark.parametrize(("name", "count"), [("test_efficientnet", 6), ("test_vit", 7)])
def test_the_stages_of_timm_hold_every_weight_in_order(name, count):
    import timm

    trunk = timm.create_model(name, num_classes=0)
    groups = stages(nn.Sequential(trunk, nn.Linear(2, 2)))
    assert len(groups) == count
    assert {p for group in groups for p in group} == set(trunk.parameters())
    assert next(trunk.parameters()) in set(groups[0])


def test_the_layers_of_a_transformer_are_its_stages():
    from transformers import MPNetConfig, MPNetModel

    size = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 2, "vocab_size": 9}
    trunk = MPNetModel(MPNetConfig(num_hidden_layers=2, **size))
    first, *layers = stages(nn.Sequential(trunk, nn.Linear(2, 2)))
    assert len(layers) == 2
    assert trunk.embeddings.word_embeddings.weight in set(first)
    assert trunk.encoder.relative_attention_bias.weight in set(first)  # of all layers
    assert sum(map(len, [first, *layers])) == len(list(trunk.parameters()))


def test_a_run_with_parts_resumes_exactly(train):  # noqa: F811
    write_people(train.folder)
    resumes_exactly(train.folder, freeze=3, trunk_rate=0.1, optimiser="sgd", average=0.5)


def test_what_a_run_cannot_freeze(train):  # noqa: F811
    write_people(train.folder, identities=4)
    refused = train.tiles(**TRUNK, freeze=7)
    assert refused.code == 2
    assert "freeze = 7: the network has 6 stages" in refused.err
    write_texts(train.folder)
    refused = train.texts("texts.jsonl", backbone="encoder", layer_decay=0.5, out="texts")
    assert refused.code == 2
    assert "layer_decay = 0.5 has no effect with backbone encoder" in refused.err
    assert not (train.folder / "texts").exists()
