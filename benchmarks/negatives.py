"""Compare ways to more negatives: errors on characters never trained on, at equal time.

    python benchmarks/negatives.py FOLDER [--seconds 20]

FOLDER is as for examples/train_characters.py, Omniglot's small background set say. All runs share
the split, the network (four convolutions as in Vinyals et al. 2016, of 32 filters, on 28 x 28 px),
a batch of 16 characters with 2 drawings each, and the loss multiple-negatives, for which each
negative counts. A run takes as many steps as fit into the given processor time of a process; a
trial of a few steps tells how many. So two processes use two processors for the time that the
others use one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from siamkit.train.config import TrainConfig
from siamkit.train.data import load, prepare
from siamkit.train.device import repeatable
from siamkit.train.events import Evaluated, Step
from siamkit.train.learner import Learner
from siamkit.train.loop import Loop
from siamkit.train.losses import build_loss
from siamkit.train.processes import processes
from siamkit.train.split import Split

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from train_characters import Characters, read
from training_parts import Pixels, four_blocks

SEEDS = (0, 1, 2)
TRIAL = 20  # steps
PIXELS = 28  # of a side
WAYS: Mapping[str, tuple[int, Mapping[str, Any]]] = {  # processes, settings
    "a batch of 32": (1, {}),
    "accumulate = 4": (1, {"accumulate": 4}),
    "memory = 2048": (1, {"memory": 2048}),
    "2 processes": (2, {}),
}


def build_network() -> nn.Module:
    return nn.Sequential(Pixels(), *four_blocks(32, bias=True), nn.Flatten())


def learn(data: Path, settings: Mapping[str, Any]) -> dict[str, float]:
    """Return the last error rate and the processor seconds of this process for all steps."""
    config = TrainConfig(
        dim=32, loss="multiple-negatives", identities=16, samples=2, learning_rate=3e-3,
        evaluate_every=1.0, patience=0, **settings,
    )  # fmt: skip
    prepared = load(data)
    assert prepared is not None
    dataset = prepared.dataset
    rates: dict[str, float] = {}
    classes = len(np.unique(dataset.labels[dataset.training]))
    with (
        processes() as group,
        repeatable(config.seed, False),
        tempfile.TemporaryDirectory() as folder,
    ):
        learner = Learner(build_network(), build_loss(config, classes), config, "cpu", "fp32")
        arrays = np.stack(
            [cv2.resize(a, (PIXELS, PIXELS), None, 0, 0, cv2.INTER_AREA) for a in dataset.arrays]
        )
        loop = Loop(Path(folder), dataset, arrays, None, config, learner, group)
        began = time.process_time()
        for event in loop.events():
            if isinstance(event, Step):
                rates["seconds"] = time.process_time() - began
            elif isinstance(event, Evaluated):
                rates["eer"] = event.eer
            if event.step == 0:
                began = time.process_time()
    return rates


def run(data: Path, count: int, settings: Mapping[str, Any]) -> dict[str, float]:
    """Learn in this process, or in so many new ones."""
    if count == 1:
        return learn(data, settings)
    options = ["--standalone", "--nproc-per-node", str(count)]
    command = [sys.executable, "-m", "torch.distributed.run", *options, __file__, str(data)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    output = subprocess.run(
        [*command, "--settings", json.dumps(settings)], env=environment, check=True,
        stdout=subprocess.PIPE,
    ).stdout  # fmt: skip
    rates: dict[str, float] = json.loads(output)
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--settings", type=json.loads, help=argparse.SUPPRESS)  # of a process
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.settings is not None:
        rates = learn(options.folder, options.settings)
        if os.environ["RANK"] == "0":
            print(json.dumps(rates))
        return
    print(f"{'':<16} {'steps':>6} {'s':>4} {'EER %: mean':>12} {'lowest':>7} {'highest':>8}")
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch)
        prepare(read(options.folder), Characters(), None, data, Split(share=0.2, seed=0))
        for name, (count, settings) in WAYS.items():
            trial = run(data, count, {**settings, "steps": TRIAL})
            steps = round(TRIAL * options.seconds / trial["seconds"])
            runs = [run(data, count, {**settings, "steps": steps, "seed": s}) for s in SEEDS]
            errors = 100 * np.array([rates["eer"] for rates in runs])
            seconds = np.mean([rates["seconds"] for rates in runs])
            print(
                f"{name:<16} {steps:6} {seconds:4.0f} {errors.mean():12.2f} {errors.min():7.2f}"
                f" {errors.max():8.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
