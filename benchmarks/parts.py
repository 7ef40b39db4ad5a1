"""Compare rates of a pretrained network's parts after few steps: EER on alphabets never seen.

    python benchmarks/parts.py SMALL1 SMALL2 [--steps 60]

SMALL1 and SMALL2 are Omniglot's small background sets, unpacked. Trained on is the first, measured
are 6 drawings of every fourth character of those alphabets of the second that the first lacks.
Everything but the settings compared and the seed is the same: EfficientNet-Lite0 with ImageNet's
weights, 48 px, P = 10, K = 3, triplet loss, AdamW at 1e-3. The error is that of the last step.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np

from siamkit.train.config import TrainConfig
from siamkit.train.data import load, prepare
from siamkit.train.events import Evaluated
from siamkit.train.examples import Example
from siamkit.train.folder import Origin
from siamkit.train.run import TrainingRun
from siamkit.train.split import Split

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
import train_characters

SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"lora": 8},
    {"freeze": 4},
    {"trunk_rate": 0.1},
    {"layer_decay": 0.7},
    {"average": 0.9},
)
SEEDS = (0, 1, 2)
SIZE, STRIDE, DRAWINGS = 48, 4, 6


def examples(small1: Path, small2: Path) -> list[Example]:
    training = [replace(e, split="train") for e in train_characters.read(small1)]
    alphabets = {path.name for path in small1.iterdir()}
    new = (e for e in train_characters.read(small2) if e.label.split("/")[0] not in alphabets)
    characters = [list(islice(group, DRAWINGS)) for _, group in groupby(new, lambda e: e.label)]
    held_out = [replace(e, split="validation") for group in characters[::STRIDE] for e in group]
    return training + held_out


def measure(data: Path, settings: Mapping[str, Any], seed: int, steps: int) -> tuple[float, float]:
    """Return the EER after the last step, and the processor seconds that the run took."""
    config = TrainConfig(
        seed=seed, steps=steps, identities=10, samples=3, evaluate_every=1.0, patience=0,
        precision="fp32", device="cpu", **settings,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "run"
        shutil.copytree(data, folder)
        origin = Origin("characters", "", None, "", "x")
        run = TrainingRun(folder, train_characters.Characters(), config, origin, load(folder))
        start = time.process_time()
        for event in run.events():
            if isinstance(event, Evaluated) and event.step == steps:
                return event.eer, time.process_time() - start
    raise AssertionError("it did not reach its last step")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("small1", type=Path)
    parser.add_argument("small2", type=Path)
    parser.add_argument("--steps", type=int, default=60)
    options = parser.parse_args()
    train_characters.SIZE = SIZE
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch)
        chosen = examples(options.small1, options.small2)
        prepare(chosen, train_characters.Characters(), None, data, Split(share=0.2, seed=0))
        for settings in SETTINGS:
            runs = [measure(data, settings, seed, options.steps) for seed in SEEDS]
            errors, seconds = 100 * np.array(runs).T[0], np.array(runs).T[1]
            name = " ".join(f"{key}={value}" for key, value in settings.items()) or "all alike"
            print(
                f"{name:<16} EER {errors.mean():5.2f} %, {errors.min():.2f} to {errors.max():.2f};"
                f" {seconds.mean():.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
