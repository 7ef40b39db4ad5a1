"""One optimiser step after another: what is learned, and all of its state."""

from __future__ import annotations

import math
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from siamkit.train import checkpoint
from siamkit.train.config import TrainConfig
from siamkit.train.curriculum import spread
from siamkit.train.device import autocast
from siamkit.train.losses import Loss
from siamkit.train.miners import NO_TRIPLETS, Triplets, active_fraction, miner
from siamkit.train.processes import Processes
from siamkit.train.relations import Relations, relations, squared_distances

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLIP = 5.0  # of the gradient's norm: a single wild batch must not undo what was learned


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    arrays: NDArray[Any]  # (b, …)
    labels: NDArray[np.int64]  # (b,) 0, 1, … among the training identities
    impostor: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Measured:
    """Means over the batches of a step."""

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
        # The average is what is judged and exported (Polyak and Juditsky 1992); without one it
        # is the network itself.
        self.average = deepcopy(self.network).requires_grad_(False) if config.average else network
        self.optimiser = torch.optim.AdamW(_groups([network, loss], config.weight_decay))

    def parameters(self) -> list[nn.Parameter]:
        return [p for group in self.optimiser.param_groups for p in group["params"]]

    def step(
        self, step: int, batches: Iterable[Batch], mining: str, processes: Processes
    ) -> Measured:
        """Learn from the batches of one step, counted from 1.

        Gradients are clipped to a norm of CLIP. A loss that is not finite is returned as it is,
        and nothing is learned from it.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.config, step)
        self.optimiser.zero_grad(set_to_none=True)
        seed = (self.config.seed * 1_000_003 + step) * 1_009 + processes.rank
        torch.manual_seed(seed)  # of dropout
        generator = torch.Generator().manual_seed(seed)
        measured = [self._learn(batch, mining, generator) for batch in batches]
        mean = Measured(*np.mean([astuple(each) for each in measured], axis=0).tolist())
        processes.average_gradients(self.parameters())
        norm = nn.utils.clip_grad_norm_(self.parameters(), CLIP)
        if math.isfinite(mean.loss) and bool(torch.isfinite(norm)):
            self.optimiser.step()
            self._follow()
            return mean
        return Measured(math.nan, mean.active, mean.positive, mean.negative, mean.spread)

    def _learn(self, batch: Batch, mining: str, generator: torch.Generator) -> Measured:
        """Add a batch's gradients to those that are there."""
        related = relations(
            torch.from_numpy(batch.labels).to(self.device),
            torch.from_numpy(batch.impostor).to(self.device),
        )
        with autocast(self.device, self.precision):
            embeddings = self.network(torch.from_numpy(batch.arrays).to(self.device))
        embeddings = normalize(embeddings.float(), dim=1)
        distances = squared_distances(embeddings.detach())
        triplets = self._mine(mining, distances, related, generator)
        loss = self.loss(embeddings, related, triplets)
        (loss / self.config.accumulate).backward()
        return Measured(
            float(loss.detach()),
            active_fraction(distances, related, self.config.margin),
            _mean(distances, related.positive),
            _mean(distances, related.negative),
            spread(distances),
        )

    def _mine(
        self, name: str, distances: Tensor, related: Relations, generator: torch.Generator
    ) -> Triplets:
        if not self.loss.mined:
            return NO_TRIPLETS
        dim, margin = self.config.dim, self.config.margin
        if name != "index-driven":
            return miner(name, margin, dim)(distances, related, generator)
        # The index has brought hard negatives into the batch; where none of them is semi-hard
        # any more, the nearest of them all is taken.
        found = miner("semi-hard", margin, dim)(distances, related, generator)
        return found if len(found.anchor) else miner("batch-hard", margin, dim)(
            distances, related, generator
        )  # fmt: skip

    @torch.no_grad()
    def _follow(self) -> None:
        if self.average is self.network:
            return
        decay = self.config.average
        for kept, new in zip(
            self.average.state_dict().values(), self.network.state_dict().values(), strict=True
        ):
            kept.lerp_(new, 1 - decay) if kept.is_floating_point() else kept.copy_(new)

    def tensors(self) -> dict[str, Tensor]:
        """All that `load` needs to go on exactly from here."""
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


def learning_rate(config: TrainConfig, step: int) -> float:
    """Linear warm-up, then half a cosine to 0 (Loshchilov and Hutter 2017); steps from 1."""
    if step <= config.warmup:
        return config.learning_rate * step / config.warmup
    done = (step - config.warmup) / max(1, config.steps - config.warmup + 1)
    return config.learning_rate * (1 + math.cos(math.pi * min(1.0, done))) / 2


def _groups(modules: Iterable[nn.Module], decay: float) -> list[dict[str, Any]]:
    """Weight decay is for matrices and kernels; biases and normalisation go without."""
    trained = [p for module in modules for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _mean(distances: Tensor, chosen: Tensor) -> float:
    return float(distances[chosen].mean()) if bool(chosen.any()) else math.nan
