"""Take optimiser steps, and save and load the state between them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from siamkit.train import checkpoint
from siamkit.train.config import TrainConfig
from siamkit.train.curriculum import spread
from siamkit.train.device import autocast
from siamkit.train.losses import Loss
from siamkit.train.miners import NO_TRIPLETS, Triplets, active_fraction, miner
from siamkit.train.optimiser import build_optimiser, learning_rate
from siamkit.train.processes import Processes
from siamkit.train.relations import Relations, relations, squared_distances
from siamkit.train.stages import frozen_modules

CLIP = 5.0  # highest norm of a gradient: one wild batch must not undo what was learned


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Samples of several identities, whose rows stand together."""

    arrays: NDArray[Any]  # (b, …)
    labels: NDArray[np.int64]  # (b,) 0, 1, … among the training identities
    impostor: NDArray[np.bool_]  # (b,)


@dataclass(frozen=True, slots=True)
class StepMeans:
    """Means over the batches of a step; see siamkit.train.events.Step."""

    loss: float
    active: float
    positive: float
    negative: float
    spread: float


class Learner:
    """The network, its loss and its optimiser."""

    def __init__(
        self, network: nn.Module, loss: Loss, config: TrainConfig, device: str, precision: str
    ) -> None:
        self.network, self.loss = network.to(device), loss.to(device)
        self.config, self.device, self.precision = config, device, precision
        # The average is validated and exported (Polyak and Juditsky 1992); without one it is the
        # network itself.
        self.average = deepcopy(self.network).requires_grad_(False) if config.average else network
        self.optimiser = build_optimiser(network, loss, config)
        self._frozen = frozen_modules(network)

    def parameters(self) -> list[nn.Parameter]:
        return [p for group in self.optimiser.param_groups for p in group["params"]]

    def step(
        self, step: int, batches: Iterable[Batch], mining: str, processes: Processes
    ) -> StepMeans:
        """Learn from the batches of one step, counted from 1.

        Gradients are clipped to a norm of CLIP. If the loss or a gradient is not finite, nothing
        is learned, and the loss returned is NaN.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.config, step) * group["share"]
        for module in self._frozen:
            module.eval()
        self.optimiser.zero_grad(set_to_none=True)
        seed = step_seed(self.config.seed, step, processes.rank)
        torch.manual_seed(seed)  # of dropout
        generator = torch.Generator().manual_seed(seed)
        means = [astuple(self._learn(batch, mining, generator)) for batch in batches]
        mean = StepMeans(*np.mean(means, axis=0).tolist())
        processes.average_gradients(self.parameters())
        norm = nn.utils.clip_grad_norm_(self.parameters(), CLIP)
        if math.isfinite(mean.loss) and bool(torch.isfinite(norm)):
            self.optimiser.step()
            self._update_average()
            return mean
        return StepMeans(math.nan, mean.active, mean.positive, mean.negative, mean.spread)

    def _learn(self, batch: Batch, mining: str, generator: torch.Generator) -> StepMeans:
        """Add the gradients of a batch to those of the step."""
        pairs = relations(
            torch.from_numpy(batch.labels).to(self.device),
            torch.from_numpy(batch.impostor).to(self.device),
        )
        with autocast(self.device, self.precision):
            embeddings = self.network(torch.from_numpy(batch.arrays).to(self.device))
        embeddings = normalize(embeddings.float(), dim=1)
        distances = squared_distances(embeddings.detach())
        triplets = self._mine(mining, distances, pairs, generator)
        loss = self.loss(embeddings, pairs, triplets)
        (loss / self.config.accumulate).backward()
        return StepMeans(
            float(loss.detach()),
            active_fraction(distances, pairs, self.config.margin),
            _mean(distances, pairs.positive),
            _mean(distances, pairs.negative),
            spread(distances),
        )

    def _mine(
        self, name: str, distances: Tensor, pairs: Relations, generator: torch.Generator
    ) -> Triplets:
        if not self.loss.mined:
            return NO_TRIPLETS
        dim, margin = self.config.dim, self.config.margin
        if name != "index-driven":
            return miner(name, margin, dim)(distances, pairs, generator)
        # The index has brought hard negatives into the batch. If none of them is semi-hard any
        # more, each anchor takes its nearest negative.
        triplets = miner("semi-hard", margin, dim)(distances, pairs, generator)
        if len(triplets.anchor):
            return triplets
        return miner("batch-hard", margin, dim)(distances, pairs, generator)

    @torch.no_grad()
    def _update_average(self) -> None:
        if self.average is self.network:
            return
        decay = self.config.average
        for mean, value in zip(
            self.average.state_dict().values(), self.network.state_dict().values(), strict=True
        ):
            mean.lerp_(value, 1 - decay) if mean.is_floating_point() else mean.copy_(value)

    def tensors(self) -> dict[str, Tensor]:
        """Return all that `load` needs to resume exactly."""
        under = checkpoint.under
        return (
            under("network.", self.network.state_dict())
            | under("loss.", self.loss.state_dict())
            | under("optimiser.", checkpoint.optimiser_tensors(self.optimiser))
            | (under("average.", self.average.state_dict()) if self.config.average else {})
        )

    def load(self, tensors: dict[str, Tensor]) -> None:
        part = checkpoint.part
        self.network.load_state_dict(part(tensors, "network."))
        self.loss.load_state_dict(part(tensors, "loss."))
        checkpoint.load_optimiser(self.optimiser, part(tensors, "optimiser."))
        if self.config.average:
            self.average.load_state_dict(part(tensors, "average."))


def step_seed(seed: int, step: int, rank: int) -> int:
    """Return the seed of a process's random numbers in one step."""
    return (seed * 1_000_003 + step) * 1_009 + rank


def _mean(distances: Tensor, pairs: Tensor) -> float:
    return float(distances[pairs].mean()) if bool(pairs.any()) else math.nan
