"""Single steps of a small network on toy samples, in one process or as a part of several."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import nn

from siamkit.train.candidates import Batch
from siamkit.train.config import TrainConfig
from siamkit.train.learner import Learner, StepMeans
from siamkit.train.losses import build_loss
from siamkit.train.processes import Processes

FEATURES, IDENTITIES, SAMPLES = 12, 8, 4

# Losses with a miner for each; the others do not read triplets.
LOSSES = (
    ("triplet", "semi-hard"),
    ("triplet", "batch-hard"),
    ("soft-triplet", "distance-weighted"),
    ("multiple-negatives", "none"),
    ("multi-similarity", "none"),
    ("proxy-anchor", "none"),
    ("arcface", "none"),
)


def samples(seed: int = 0) -> Batch:
    """Return several samples of each identity, near its centre; of some the last is an impostor."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(IDENTITIES), SAMPLES)
    centres = np.random.default_rng(9).normal(size=(IDENTITIES, FEATURES))
    arrays = centres[labels] + 0.7 * rng.normal(size=(len(labels), FEATURES))
    numbers = np.arange(len(labels))
    impostor = numbers % (2 * SAMPLES) == SAMPLES - 1
    return Batch(arrays.astype(np.float32), labels, impostor, numbers + seed * len(numbers))


def cut(batch: Batch, *ends: int) -> list[Batch]:
    """Cut a batch into parts; an identity may be in two of them."""
    edges = [0, *ends, len(batch.rows)]
    return [
        Batch(batch.arrays[a:b], batch.labels[a:b], batch.impostor[a:b], batch.rows[a:b])
        for a, b in pairwise(edges)
    ]


def learner(loss: str = "triplet", network: nn.Module | None = None, **settings) -> Learner:
    """Build the same learner each time; its network has no batch normalisation."""
    tiny = {"dim": 8, "steps": 100, "warmup": 0.0, "identities": 4, "samples": 2}
    config = TrainConfig(loss=loss, **tiny | settings)
    torch.manual_seed(2)
    if network is None:
        network = nn.Sequential(nn.Linear(FEATURES, 16), nn.Tanh(), nn.Linear(16, 8))
    return Learner(network, build_loss(config, IDENTITIES), config, "cpu", "fp32")


def gradients(of: Learner) -> torch.Tensor:
    """Return all gradients of the latest step as one vector."""
    parameters = [*of.network.parameters(), *of.loss.parameters()]
    return torch.cat([p.grad.flatten() for p in parameters])


def convolutions() -> nn.Module:
    """Return a network for the samples whose weights have the layout of the backbones'."""
    parts = (nn.Unflatten(1, (3, 2, 2)), nn.Conv2d(3, 8, 2), nn.Flatten())
    return nn.Sequential(*parts).to(memory_format=torch.channels_last)


def weights(of: Learner) -> torch.Tensor:
    """Return all weights of the network as one vector."""
    return torch.cat([p.detach().flatten() for p in of.network.parameters()])


def take(processes: Processes) -> dict[str, torch.Tensor]:
    """Return what steps on the samples, cut into one part for each process, come to.

    Gradients of each loss, and of triplets against a memory, also of a learner that was resumed;
    and the weights of convolutions after a step.
    """
    steps = {}
    for loss, mining in LOSSES:
        taught = learner(loss)
        _step(taught, 1, mining, processes)
        steps[f"{loss} {mining}"] = gradients(taught)
    taught, resumed = learner(memory=40), learner(memory=40)
    for number in (90, 91):
        _step(taught, number, "batch-hard", processes)
    resumed.load({name: tensor.clone() for name, tensor in taught.tensors().items()})
    for name, last in (("memory", taught), ("resumed", resumed)):
        _step(last, 92, "batch-hard", processes)
        steps[name] = gradients(last)
    torch.manual_seed(3)
    convolved = learner(network=convolutions(), learning_rate=0.1)
    _step(convolved, 1, "batch-hard", processes)
    return steps | {"weights": weights(convolved)}


def _step(taught: Learner, number: int, mining: str, processes: Processes) -> StepMeans:
    parts = [samples(number)] if processes.world == 1 else cut(samples(number), 13)
    return taught.step(number, cut(parts[processes.rank], 5), mining, processes)
