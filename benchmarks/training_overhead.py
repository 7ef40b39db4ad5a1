"""Measure a training step; peer: a bare torch loop with the same model, batches and optimiser.

    python benchmarks/training_overhead.py

Both learn from the same batches of 96 pictures of 64 x 64 px, made beforehand. The bare loop has a
forward pass, a triplet loss over fixed triplets, a backward pass and AdamW; siamkit also mines,
measures, schedules, clips and watches. The two take turns, and processor time of one thread is
compared, so that other load hardly matters.
"""

from __future__ import annotations

import time
from statistics import median

import numpy as np
import torch
from torch.nn.functional import normalize, triplet_margin_loss

from siamkit.train.backbones import build_network
from siamkit.train.candidates import Batch
from siamkit.train.config import TrainConfig
from siamkit.train.curriculum import Curriculum
from siamkit.train.learner import Learner
from siamkit.train.losses import build_loss
from siamkit.train.processes import Processes

IDENTITIES, SAMPLES, SIZE, ROUNDS = 24, 4, 64, 25
NAMES = ("mobilenetv3_small_100", "efficientnet-lite0", "resnet18")


def compare(name: str) -> tuple[float, float]:
    """Return the median seconds of a step: bare, and ours."""
    config = TrainConfig(backbone=name, pretrained=False, steps=10_000, warmup=0)
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(IDENTITIES), SAMPLES)
    shape = (len(labels), SIZE, SIZE)
    batches = [
        Batch(
            rng.integers(0, 256, shape, np.uint8),
            labels,
            np.zeros(len(labels), bool),
            np.arange(len(labels)),
        )
        for _ in range(4)
    ]
    network, loss = build_network(config, name, (SIZE, SIZE)), build_loss(config, IDENTITIES)
    learner = Learner(network, loss, config, "cpu", "fp32")
    curriculum = Curriculum(config)
    model = build_network(config, name, (SIZE, SIZE))
    optimiser = torch.optim.AdamW(model.parameters(), lr=config.learning_rate)
    anchor = torch.arange(len(labels))
    positive, negative = anchor ^ 1, (anchor + SAMPLES) % len(labels)
    bare, ours = [], []
    for step in range(1, ROUNDS + 1):
        batch = batches[step % len(batches)]
        began = time.process_time()
        embeddings = normalize(model(torch.from_numpy(batch.arrays)), dim=1)
        loss = triplet_margin_loss(
            embeddings, embeddings[positive], embeddings[negative], margin=0.2
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        bare.append(time.process_time() - began)

        began = time.process_time()
        result = learner.step(step, [batch], curriculum.miner, Processes())
        curriculum.observe(step, result.loss, result.active, result.spread)
        ours.append(time.process_time() - began)
    return median(bare[5:]), median(ours[5:])


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(f"{'model':<24} {'bare ms':>8} {'ours ms':>8} {'overhead':>9}")
    for name in NAMES:
        bare, ours = compare(name)
        print(f"{name:<24} {1e3 * bare:8.1f} {1e3 * ours:8.1f} {ours / bare - 1:9.1%}")
