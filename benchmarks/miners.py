"""Compare miners: EER on characters never trained on, at equal steps, over three seeds.

    python benchmarks/miners.py FOLDER [--steps 400] [--curve miners.svg]

FOLDER is as for examples/train_characters.py, Omniglot's small background set say. Everything but
the miner and the seed is the same: the split, the network (MobileNetV3-Small 0.5, from random
weights), P = 24 characters with K = 4 drawings, triplet loss, margin 0.2. The EER is that of the
last step, not the best one; of a run that collapsed, the last before its end.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np

from siamkit.errors import SiamkitError
from siamkit.train.config import TrainConfig
from siamkit.train.data import load, prepare
from siamkit.train.events import Alarm, Evaluated
from siamkit.train.folder import Origin
from siamkit.train.run import TrainingRun
from siamkit.train.split import Split

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from train_characters import Characters, read

MINERS = ("random", "semi-hard", "batch-hard", "distance-weighted", "index-driven", "auto")
SEEDS = (0, 1, 2)
Curve = list[tuple[int, float]]


def curve(data: Path, miner: str, seed: int, steps: int) -> tuple[Curve, bool]:
    """(step, EER) of one run on prepared data, and whether it collapsed: its last then stays."""
    config = TrainConfig(
        backbone="mobilenetv3_small_050", pretrained=False, miner=miner, seed=seed, steps=steps,
        identities=24, learning_rate=3e-3, warmup=0.05, evaluate_every=0.125, patience=0,
        refresh=0.125, precision="fp32",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "run"
        shutil.copytree(data, folder)
        origin = Origin("characters", "", None, "", "x")
        run = TrainingRun(folder, Characters(), config, origin, load(folder))
        points: Curve = []
        try:
            for event in run.events():
                if isinstance(event, Evaluated):
                    points.append((event.step, event.eer))
                elif isinstance(event, Alarm):
                    print(f"{miner}, seed {seed}: step {event.step}: {event.message}", flush=True)
        except SiamkitError:
            interval = config.steps_between_evaluations
            remaining = range(points[-1][0] + interval, steps + 1, interval)
            return [*points, *((step, points[-1][1]) for step in remaining)], True
        return points, False


def draw(curves: dict[str, list[Curve]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots()
    for miner, runs in curves.items():
        steps = [step for step, _ in runs[0]]
        errors = 100 * np.array([[error for _, error in run] for run in runs])
        dashed = "--" if miner == "auto" else "-"  # it may lie on top of another
        (line,) = axes.plot(steps, errors.mean(axis=0), dashed, label=miner)
        axes.fill_between(steps, errors.min(0), errors.max(0), alpha=0.12, color=line.get_color())
    axes.set(xlabel="step", ylabel="EER on unseen characters, %", ylim=(0, None))
    axes.set_title("mean and range of 3 seeds", fontsize="medium")
    figure.legend(title="miner", loc="outside right upper")
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--curve", type=Path)
    options = parser.parse_args()
    curves: dict[str, list[Curve]] = defaultdict(list)
    collapsed: dict[str, int] = defaultdict(int)
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch)
        prepare(read(options.folder), Characters(), None, data, Split(share=0.2, seed=0))
        for seed in SEEDS:
            for miner in MINERS:
                points, failed = curve(data, miner, seed, options.steps)
                curves[miner].append(points)
                collapsed[miner] += failed
    print(f"EER % at step {options.steps} of seeds {SEEDS}")
    print(f"{'miner':<18} {'mean':>6} {'lowest':>7} {'highest':>8}   half-way  collapsed")
    for miner, runs in curves.items():
        last = 100 * np.array([run[-1][1] for run in runs])
        half = 100 * np.mean([run[len(run) // 2][1] for run in runs])
        print(
            f"{miner:<18} {last.mean():6.2f} {last.min():7.2f} {last.max():8.2f} {half:10.2f}"
            f" {collapsed[miner]:10}"
        )
    if options.curve:
        draw(curves, options.curve)


if __name__ == "__main__":
    main()
