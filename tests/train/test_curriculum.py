"""The collapse of triplet training, reproduced, noticed, and avoided, on made-up identities."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from torch.nn import Linear, ReLU, Sequential
from torch.nn.functional import normalize

from siamkit.train.config import TrainConfig
from siamkit.train.curriculum import Curriculum, spread
from siamkit.train.losses import build_loss
from siamkit.train.miners import active_fraction, miner
from siamkit.train.relations import relations, squared_distances

IDENTITIES, SAMPLES, SIGNAL, NOISE = 600, 10, 16, 48
DIM, LABELS = 32, torch.arange(16).repeat_interleave(4)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """So small a network is quicker on one, and the same everywhere."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def people(count, each, seed):
    """(count, each, 64): 16 numbers that tell who it is, 48 that do not, mixed."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(64, 64, generator=torch.Generator().manual_seed(99)) / 8
    signals = torch.randn(count, 1, SIGNAL, generator=generator).expand(-1, each, -1)
    signals = signals + 0.3 * torch.randn(count, each, SIGNAL, generator=generator)
    noise = torch.randn(count, each, NOISE, generator=generator)
    return torch.tanh(torch.cat([signals, noise], -1) @ mixing)


def network(seed):
    torch.manual_seed(seed)
    return Sequential(Linear(64, 256), ReLU(), Linear(256, 256), ReLU(), Linear(256, DIM))


def train(net, config, steps, seed=0):
    """A bare loop. The losses, the spreads, the miners and the alarms; it goes on after a stop."""
    optimiser = torch.optim.AdamW(net.parameters(), lr=config.learning_rate)
    generator, data = torch.Generator().manual_seed(seed), people(IDENTITIES, SAMPLES, 1)
    related = relations(LABELS, torch.zeros(len(LABELS), dtype=torch.bool))
    loss, curriculum = build_loss(config, IDENTITIES), Curriculum(config)
    history = []
    for step in range(1, steps + 1):
        identities = torch.randperm(IDENTITIES, generator=generator)[:16, None]
        samples = torch.rand(16, SAMPLES, generator=generator).argsort(1)[:, :4]
        embeddings = normalize(net(data[identities, samples].flatten(0, 1)))
        distances = squared_distances(embeddings.detach())
        name = curriculum.miner
        value = loss(
            embeddings, related, miner(name, config.margin, DIM)(distances, related, generator)
        )
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        active, wide = active_fraction(distances, related, config.margin), spread(distances)
        alarm = curriculum.observe(step, value.item(), active, wide)
        history.append((value.item(), wide, name, alarm))
    return (*zip(*history, strict=True), curriculum)


@torch.no_grad()
def equal_error_rate(net):
    unseen = people(50, 6, 2)
    distances = squared_distances(normalize(net(unseen.flatten(0, 1))))
    labels = torch.arange(50).repeat_interleave(6)
    same = labels[:, None] == labels
    mated = distances[same & ~torch.eye(300, dtype=torch.bool)].sort().values
    others = distances[~same].sort().values
    missed = 1 - torch.searchsorted(mated, others) / len(mated)
    let_in = torch.arange(len(others)) / len(others)
    return float(missed[(missed - let_in).abs().argmin()])


def settings(**values):
    return TrainConfig(dim=DIM, learning_rate=1e-2, warmup=0.01, **values)


@pytest.fixture(scope="module")
def collapsed():
    net = network(0)
    return net, train(net, settings(miner="batch-hard"), 250)


def test_batch_hard_collapses_and_is_stopped_with_the_cure(collapsed):
    net, (losses, spreads, miners, alarms, curriculum) = collapsed
    assert spreads[0] > 0.5
    assert max(spreads[-50:]) < 0.002
    assert losses[-50:] == pytest.approx([0.2] * 50, abs=0.002)
    assert equal_error_rate(net) > 0.2
    first = next(alarm for alarm in alarms if alarm)
    assert first.name == "collapse"
    assert first.step < 150
    assert "--set miner=auto" in first.message
    assert curriculum.stop
    assert set(miners) == {"batch-hard"}


@pytest.mark.parametrize("seed", [0, 1])
def test_auto_does_not_collapse_where_batch_hard_does(seed):
    net = network(seed)
    _, spreads, miners, alarms, curriculum = train(net, settings(miner="auto"), 400, seed)
    assert min(spreads) > 0.4
    assert equal_error_rate(net) < 0.13
    assert not any(alarms)
    assert not curriculum.stop
    assert (miners[0], miners[-1]) == ("semi-hard", "distance-weighted")


def test_auto_leads_a_collapsed_network_out_again(collapsed):
    net = copy.deepcopy(collapsed[0])
    _, spreads, _, _, curriculum = train(net, settings(miner="auto"), 400)
    assert spreads[0] < 0.002
    assert min(spreads[-50:]) > 0.4
    assert equal_error_rate(net) < 0.18
    assert not curriculum.stop


def observe_all(config, spreads, active=1.0, loss=0.2):
    """The curriculum after these spreads, and its alarms."""
    curriculum = Curriculum(config)
    alarms = [curriculum.observe(i + 1, loss, active, s) for i, s in enumerate(spreads)]
    return curriculum, [alarm for alarm in alarms if alarm]


def test_auto_turns_to_harder_negatives_when_few_triplets_are_active():
    assert observe_all(TrainConfig(), [1.8] * 100, active=0.5)[0].miner == "semi-hard"
    assert observe_all(TrainConfig(), [1.8] * 100, active=0.05)[0].miner == "distance-weighted"


@pytest.mark.parametrize("name", ["random", "batch-hard", "distance-weighted", "index-driven"])
def test_a_miner_that_was_chosen_stays(name):
    curriculum, alarms = observe_all(TrainConfig(miner=name), [1.8] * 200, active=0.01)
    assert (curriculum.miner, alarms) == (name, [])


def test_auto_goes_back_to_semi_hard_and_gives_up_at_the_third_collapse():
    curriculum, _ = observe_all(TrainConfig(warmup=0), [1.8] * 100, active=0.05)
    alarms, step = [], 100
    while not curriculum.stop and step < 2000:
        step += 1
        alarms.append(curriculum.observe(step, 0.2, 1.0, 1e-4))
    alarms = [alarm for alarm in alarms if alarm]
    assert [alarm.name for alarm in alarms] == ["collapse"] * 3
    assert "distance-weighted negatives; back to semi-hard" in alarms[0].message
    assert "--set learning_rate=0.0001" in alarms[-1].message
    assert curriculum.miner == "semi-hard"


def test_a_network_that_begins_with_a_small_spread_and_widens_it_is_left_alone():
    slowly = [0.005 + i * 1e-4 for i in range(600)]
    assert observe_all(TrainConfig(warmup=0), slowly)[1] == []
    waiting = [0.005] * 100 + slowly
    assert observe_all(TrainConfig(warmup=0.05), waiting)[1] == []


def test_a_moment_of_small_spread_is_no_collapse():
    assert observe_all(TrainConfig(warmup=0), ([1.5] * 60 + [0.001] * 60) * 5)[1] == []


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_run(loss):
    curriculum, (alarm, *_) = observe_all(TrainConfig(), [1.0], loss=loss)
    assert alarm.name == "diverged"
    assert curriculum.stop


@pytest.mark.parametrize("name", ["auto", "batch-hard"])
@pytest.mark.parametrize("at", [1, 60, 140, 200])
def test_a_loaded_state_goes_on_exactly(name, at):
    config = TrainConfig(miner=name, warmup=0)
    steps = [(1.8, 0.05)] * 100 + [(0.001, 1.0)] * 200 + [(1.5, 0.01)] * 150
    whole, resumed = Curriculum(config), Curriculum(config)
    for step, (wide, active) in enumerate(steps, 1):
        if step == at:
            resumed.load(json.loads(json.dumps(whole.state())))
        before = whole.observe(step, 0.2, active, wide)
        if step >= at:
            assert resumed.observe(step, 0.2, active, wide) == before
            assert (resumed.miner, resumed.state()) == (whole.miner, whole.state())


def test_the_spread_of_scattered_vectors_is_two():
    vectors = normalize(torch.randn(100, 64, generator=torch.Generator().manual_seed(0)))
    assert spread(squared_distances(vectors)) == pytest.approx(2, abs=0.05)
    assert spread(squared_distances(vectors[:1].repeat(5, 1))) == pytest.approx(0, abs=1e-6)
