"""Take optimiser steps, and save and load the state between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from siamkit.train import checkpoint
from siamkit.train.candidates import Batch, Memory, describe, relate
from siamkit.train.config import TrainConfig
from siamkit.train.curriculum import spread
from siamkit.train.device import autocast
from siamkit.train.distillation import distillation, teacher_vectors
from siamkit.train.gradient_cache import Chunks
from siamkit.train.losses import Loss
from siamkit.train.miners import NO_TRIPLETS, Triplets, active_fraction, miner
from siamkit.train.optimiser import build_optimiser, learning_rate
from siamkit.train.processes import Processes
from siamkit.train.relations import Relations, squared_distances
from siamkit.train.stages import frozen_modules

CLIP = 5.0  # highest norm of a gradient: one wild batch must not undo what was learned


@dataclass(frozen=True, slots=True)
class StepMeans:
    """Means over the samples of a step, of all processes; see siamkit.train.events.Step."""

    loss: float
    active: float
    positive: float
    negative: float
    spread: float
    samples: float  # their number, of all processes


def _moved(network: nn.Module, device: str) -> nn.Module:
    """Move a network to its device, its images with channels last unless it has volumes, too.

    Convolutions are faster so: a step of four small ones takes about half the time on a CPU.
    """
    has_volumes = any(weight.ndim == 5 for weight in network.parameters())
    order = torch.preserve_format if has_volumes else torch.channels_last
    return network.to(device).to(memory_format=order)


class Learner:
    """The network, its loss and its optimiser."""

    def __init__(
        self, network: nn.Module, loss: Loss, config: TrainConfig, device: str, precision: str
    ) -> None:
        self.network, self.loss = _moved(network, device), loss.to(device)
        self.config, self.device, self.precision = config, device, precision
        self.memory = Memory(config)
        # The average is validated and exported (Polyak and Juditsky 1992); without one it is the
        # network itself.
        self.average = deepcopy(self.network).requires_grad_(False) if config.average else network
        self.optimiser = build_optimiser(network, loss, config)
        self._frozen = frozen_modules(network)

    def parameters(self) -> list[nn.Parameter]:
        return [p for group in self.optimiser.param_groups for p in group["params"]]

    def step(
        self, step: int, batches: Sequence[Batch], mining: str, processes: Processes
    ) -> StepMeans:
        """Learn from the batches of one step, counted from 1, as if they were one large batch.

        It holds those of all processes, and has the memory for further candidates. Gradients are
        clipped to a norm of CLIP. If the loss or a gradient is not finite, nothing is learned, and
        the loss returned is NaN.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.config, step) * group["share"]
        for module in self._frozen:
            module.eval()
        self.optimiser.zero_grad(set_to_none=True)
        chunks = Chunks(self.network, self._embedder(step, batches, processes.rank), len(batches))
        embeddings = processes.gather(chunks.embeddings)
        about = processes.gather(describe(batches, self.device))
        candidates, facts = self.memory.recall(embeddings, about)
        pairs = relate(facts, anchors=len(about))
        distances = squared_distances(candidates.detach(), len(about))
        # Every process draws the same triplets, and knows the loss of all.
        generator = torch.Generator().manual_seed(step_seed(self.config.seed, step, 0))
        loss = self.loss(candidates, pairs, self._mine(mining, distances, pairs, generator))
        if batches[0].teacher is not None:
            vectors = processes.gather(teacher_vectors(batches, self.device))
            loss = loss + self.config.distil * distillation(embeddings, vectors)
        chunks.backward(loss)
        processes.sum_gradients(self.network.parameters())
        processes.average_gradients(self.loss.parameters())  # each process has all of it
        norm = nn.utils.clip_grad_norm_(self.parameters(), CLIP)
        loss = torch.where(norm.isfinite(), loss.detach(), torch.nan)
        means = self._measure(loss, distances, pairs)
        if not math.isfinite(means.loss):
            return means
        self.optimiser.step()
        self._update_average()
        self.memory.remember(step, embeddings, about)
        return means

    def _embedder(self, step: int, batches: Sequence[Batch], rank: int) -> Callable[[int], Tensor]:
        """Return what embeds a batch by its number, with the same dropout each time."""

        def embed(number: int) -> Tensor:
            stream = rank * len(batches) + number
            torch.manual_seed(step_seed(self.config.seed, step, stream))
            # On a GPU, do not wait until it has done all that was asked before.
            arrays = torch.from_numpy(batches[number].arrays).to(
                self.device, non_blocking=self.device == "cuda"
            )
            with autocast(self.device, self.precision):
                embeddings: Tensor = self.network(arrays)
            return normalize(embeddings.float(), dim=1)

        return embed

    def _measure(self, loss: Tensor, distances: Tensor, pairs: Relations) -> StepMeans:
        """Measure the batch, without the memory; on a GPU, wait for it once."""
        count = len(distances)
        if count < len(pairs.labels):
            distances, pairs = distances[:, :count], pairs.among_anchors()
        measures = (
            loss,
            active_fraction(distances, pairs, self.config.margin),
            _mean(distances, pairs.positive),
            _mean(distances, pairs.negative),
            spread(distances),
        )
        return StepMeans(*[*torch.stack(measures).tolist(), count])

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
            | under("memory.", self.memory.tensors())
        )

    def load(self, tensors: dict[str, Tensor]) -> None:
        part = checkpoint.part
        self.network.load_state_dict(part(tensors, "network."))
        self.loss.load_state_dict(part(tensors, "loss."))
        checkpoint.load_optimiser(self.optimiser, part(tensors, "optimiser."))
        if self.config.average:
            self.average.load_state_dict(part(tensors, "average."))
        self.memory.load(part(tensors, "memory."), self.device)


def step_seed(seed: int, step: int, rank: int) -> int:
    """Return the seed of a process's random numbers in one step."""
    return (seed * 1_000_003 + step) * 1_009 + rank


def _mean(distances: Tensor, pairs: Tensor) -> Tensor:
    """Return the mean of some distances; NaN of none."""
    return (distances * pairs).sum() / pairs.sum()
