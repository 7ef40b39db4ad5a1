"""Train on one alphabet set, test on another; peers: pytorch-metric-learning and OML.

    python benchmarks/omniglot.py DATA [--steps 200] [--seeds 3] [--plain] [--rates]

DATA holds Omniglot's images_background_small1.zip and …_small2.zip (Lake, Salakhutdinov and
Tenenbaum 2015). All characters of the first are trained on. Those of the second that are of other
alphabets are tested: Greek and Latin are in both. All have the same pictures of 32 x 32 px, network
(four convolutions, as in Vinyals et al. 2016, with the same random weights per seed), batches of 24
characters with 4 drawings, steps and variants: a little turned, scaled and moved, or none with
--plain. The last weights count.

    siamkit   the settings by default: triplet loss, miner auto, AdamW with warm-up and cosine
    PML       the script of its examples: TripletMarginLoss and semi-hard TripletMarginMiner, cosine
              distance, margin 0.2, MPerClassSampler, Adam
    turned    siamkit, where a quarter turn of all drawings of a character in a batch, or two or
              three, make it another character
    OML       the script of its examples: TripletLossWithMiner(margin=0.1), AllTripletsMiner or
              HardTripletsMiner, BalanceSampler, Adam

Each has the learning rate of RATES that was best for it by --rates: trained on the first set
without one of its alphabets, as many steps and another seed, and tested on that alphabet, for three
of them. Error rates are by siamkit's `eer`, the others by PML's AccuracyCalculator. Processor time
is that of all threads of a step, its batch included; siamkit's trainer lays images out with their
channels last.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_metric_learning import distances, losses, miners, reducers, samplers
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from torch.nn.functional import normalize
from training_parts import Pixels, error, four_blocks

from siamkit.train import losses as own_losses
from siamkit.train.augment import augment_batch
from siamkit.train.config import TrainConfig
from siamkit.train.data import Dataset
from siamkit.train.events import Step
from siamkit.train.learner import Learner
from siamkit.train.loop import Loop
from siamkit.train.processes import Processes

SIZE, IDENTITIES, SAMPLES = 32, 24, 4
WIDTH, DIM = 32, 128
RATES = (1e-3, 3e-3, 1e-2)
CHOSEN = {"siamkit": 1e-2, "turned": 1e-2, "PML": 1e-3, "OML all": 1e-2, "OML hard": 1e-2}
RATE_SEED, HELD_OUT = 100, 3  # of --rates; the seeds of the table begin at 0


@dataclass(frozen=True, slots=True)
class Drawings:
    """The part of a modality that a loop needs: variants of one drawing."""

    quarters: int = 1  # quarter turns that make another character
    name: str = "drawings"

    def augment(
        self, array: NDArray[np.uint8], own: np.random.Generator, shared: np.random.Generator
    ) -> NDArray[np.uint8]:
        angle = 90 * int(shared.integers(self.quarters)) + own.normal(0, 6)
        scale = np.exp(own.normal(0, 0.08))
        matrix = cv2.getRotationMatrix2D((SIZE / 2, SIZE / 2), angle, scale)
        matrix[:, 2] += own.normal(0, 1, 2)
        return np.asarray(cv2.warpAffine(array, matrix, (SIZE, SIZE)), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Characters:
    """Drawings of some characters."""

    arrays: NDArray[np.uint8]  # (n, SIZE, SIZE), ink 255 on 0
    labels: NDArray[np.int64]  # (n,)
    alphabets: NDArray[np.str_]  # (n,)

    def where(self, rows: NDArray[np.bool_]) -> Characters:
        labels = np.unique(self.labels[rows], return_inverse=True)[1].astype(np.int64)
        return Characters(self.arrays[rows], labels, self.alphabets[rows])


def read(file: Path) -> Characters:
    with zipfile.ZipFile(file) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".png"))
        pictures = [cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), 0) for name in names]
    arrays = [255 - cv2.resize(p, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for p in pictures]
    folders = [str(Path(name).parent) for name in names]
    labels = np.unique(folders, return_inverse=True)[1].astype(np.int64)
    return Characters(np.stack(arrays), labels, np.array([Path(name).parts[-3] for name in names]))


def config(seed: int, steps: int, rate: float, *, augment: bool) -> TrainConfig:
    return TrainConfig(
        dim=DIM, identities=IDENTITIES, samples=SAMPLES,
        steps=steps, learning_rate=rate, seed=seed, augment=augment, validation=0.0,
        evaluate_every=1.0, precision="fp32",
    )  # fmt: skip


def network(seed: int) -> torch.nn.Module:
    """Build four blocks of convolutions and a linear layer."""
    torch.manual_seed(seed)
    blocks = list(four_blocks(WIDTH, bias=False))
    last = torch.nn.Linear(WIDTH * (SIZE // 16) ** 2, DIM)
    return torch.nn.Sequential(Pixels(), *blocks, torch.nn.Flatten(), last)


def train_siamkit(
    data: Characters, seed: int, steps: int, rate: float, augment: bool, quarters: int = 1
) -> tuple[torch.nn.Module, float]:
    """Return the trained network, and its processor time a step in milliseconds."""
    settings = config(seed, steps, rate, augment=augment)
    count = len(data.labels)
    dataset = Dataset(
        data.arrays, data.labels, np.zeros(count, bool), np.ones(count, bool),
        [str(label) for label in np.unique(data.labels)], [str(row) for row in range(count)],
    )  # fmt: skip
    model = network(seed)
    loss = own_losses.build_loss(settings, len(dataset.names))
    learner = Learner(model, loss, settings, "cpu", "fp32")
    with tempfile.TemporaryDirectory() as folder:
        modality: Any = Drawings(quarters) if augment else None
        loop = Loop(Path(folder), dataset, data.arrays, modality, settings, learner, Processes())
        began = time.process_time()
        ended = began
        for event in loop.events():
            if isinstance(event, Step):
                ended = time.process_time()
    return model, 1e3 * (ended - began) / steps


def train_bare(
    data: Characters,
    seed: int,
    steps: int,
    rate: float,
    augment: bool,
    criterion: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    batches: Iterator[list[int]],
) -> tuple[torch.nn.Module, float]:
    """Train as the peers' examples do: forward, loss, backward, Adam."""
    model = network(seed).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    modality: Any = Drawings()
    began = time.process_time()
    for step in range(steps):
        rows = next(batches)
        arrays, labels = data.arrays[rows], data.labels[rows]
        if augment:
            arrays = augment_batch(arrays, labels, modality, (seed, step))
        embeddings = normalize(model(torch.from_numpy(arrays)), dim=1)
        loss = criterion(embeddings, torch.from_numpy(labels))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model, 1e3 * (time.process_time() - began) / steps


def train_pml(
    data: Characters, seed: int, steps: int, rate: float, augment: bool
) -> tuple[torch.nn.Module, float]:
    distance = distances.CosineSimilarity()
    reducer = reducers.ThresholdReducer(low=0)
    loss = losses.TripletMarginLoss(margin=0.2, distance=distance, reducer=reducer)
    miner = miners.TripletMarginMiner(margin=0.2, distance=distance, type_of_triplets="semihard")
    batch = IDENTITIES * SAMPLES
    np.random.seed(seed)  # its sampler draws from it
    sampler = samplers.MPerClassSampler(
        data.labels, SAMPLES, batch_size=batch, length_before_new_iter=batch * steps
    )
    order = [*sampler]
    batches = (order[start : start + batch] for start in range(0, len(order), batch))
    return train_bare(
        data, seed, steps, rate, augment, lambda e, y: loss(e, y, miner(e, y)), batches
    )


def train_oml(miner: str) -> Callable[..., tuple[torch.nn.Module, float]]:
    def train(
        data: Characters, seed: int, steps: int, rate: float, augment: bool
    ) -> tuple[torch.nn.Module, float]:
        from oml.losses.triplet import TripletLossWithMiner
        from oml.miners.inbatch_all_tri import AllTripletsMiner
        from oml.miners.inbatch_hard_tri import HardTripletsMiner
        from oml.samplers.balance import BalanceSampler

        chosen = AllTripletsMiner() if miner == "all" else HardTripletsMiner()
        loss = TripletLossWithMiner(margin=0.1, miner=chosen)
        np.random.seed(seed)  # its sampler draws from it
        sampler = BalanceSampler(data.labels, n_labels=IDENTITIES, n_instances=SAMPLES)

        def batches() -> Iterator[list[int]]:
            while True:
                yield from sampler

        return train_bare(data, seed, steps, rate, augment, loss, batches())

    return train


METHODS: dict[str, Callable[..., tuple[torch.nn.Module, float]]] = {
    "siamkit": train_siamkit,
    "turned": partial(train_siamkit, quarters=4),
    "PML": train_pml,
    "OML all": train_oml("all"),
    "OML hard": train_oml("hard"),
}


def rates(model: torch.nn.Module, test: Characters) -> tuple[float, float, float]:
    """Return EER, R@1 and mAP@R, in per cent."""
    model.eval()
    with torch.inference_mode():
        parts = torch.from_numpy(test.arrays).split(256)
        vectors = torch.cat([normalize(model(part), dim=1) for part in parts])
    measures = ("precision_at_1", "mean_average_precision_at_r")
    accuracy = AccuracyCalculator(include=measures, k="max_bin_count").get_accuracy(
        vectors, torch.from_numpy(test.labels)
    )
    cosines = (vectors @ vectors.T).numpy()
    return error(cosines, test.labels), 100 * accuracy[measures[0]], 100 * accuracy[measures[1]]


def find_rates(data: Characters, methods: list[str], steps: int, *, augment: bool) -> None:
    """Print the EER of each method by learning rate, on alphabets held out of the first set."""
    held_out = np.unique(data.alphabets)[:HELD_OUT]
    print(f"mean EER % on {', '.join(held_out)}, each held out in turn, by learning rate")
    for name in methods:
        errors = {}
        for rate in RATES:
            parts = []
            for number, alphabet in enumerate(held_out):
                rows = data.alphabets == alphabet
                seed = RATE_SEED + number
                model, _ = METHODS[name](data.where(~rows), seed, steps, rate, augment)
                parts.append(rates(model, data.where(rows))[0])
            errors[rate] = float(np.mean(parts))
        shown = "  ".join(f"{rate:g}: {error:.2f}" for rate, error in errors.items())
        print(f"{name:<10} {shown}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", nargs="+", default=[*METHODS])
    parser.add_argument("--plain", action="store_true", help="without variants")
    parser.add_argument("--rates", action="store_true", help="compare learning rates instead")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data, test = (read(options.data / f"images_background_small{n}.zip") for n in (1, 2))
    test = test.where(~np.isin(test.alphabets, data.alphabets))
    print(
        f"{len(np.unique(data.labels))} characters to train on, {len(np.unique(test.labels))} new"
    )
    if options.rates:
        find_rates(data, options.methods, options.steps, augment=not options.plain)
        return
    table: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for seed in range(options.seeds):
        for name in options.methods:
            model, spent = METHODS[name](data, seed, options.steps, CHOSEN[name], not options.plain)
            table[name].append((*rates(model, test), spent))
            print(f"seed {seed}, {name}: EER {table[name][-1][0]:.2f} %", flush=True)
    print(f"\n{options.steps} steps, {options.seeds} seeds: mean ± standard deviation")
    print(f"{'':<10} {'EER %':>12} {'R@1 %':>12} {'mAP@R %':>12} {'CPU ms a step':>14}")
    for name, rows in table.items():
        mean, spread = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1)
        cells = [f"{m:.2f} ± {s:.2f}" for m, s in zip(mean[:3], spread[:3], strict=True)]
        print(f"{name:<10} {''.join(f'{cell:>13}' for cell in cells)} {mean[3]:10.1f}")


if __name__ == "__main__":
    main()
