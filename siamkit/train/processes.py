"""Train one run in several processes, which `torchrun` starts on one machine or many.

Each process draws and embeds batches of its own identities; the embeddings of all are gathered, so
that each step learns from one large batch. Gradients are added up after it, so all processes hold
the same weights. Process 0 alone evaluates, writes and reports.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

TIMEOUT = timedelta(days=1)  # the others wait while the first prepares the data


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among those of a run; what it does with the others."""

    rank: int = 0  # in [0, world)
    world: int = 1  # number of processes

    @property
    def first(self) -> bool:
        return self.rank == 0

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Add up gradients in one message: many small ones cost more than their bytes."""
        trained = [p for p in parameters if p.requires_grad]
        if self.world == 1 or not trained:
            return
        for p in trained:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        flat = torch.cat([p.grad.flatten() for p in trained if p.grad is not None])
        dist.all_reduce(flat)
        parts = torch.split(flat, [p.numel() for p in trained])
        for p, part in zip(trained, parts, strict=True):
            assert p.grad is not None
            p.grad.copy_(part.view_as(p))  # in its layout, on which a fused optimiser relies

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Average gradients in one message."""
        trained = [p for p in parameters if p.requires_grad]
        self.sum_gradients(trained)
        if self.world > 1:
            for p in trained:
                assert p.grad is not None
                p.grad /= self.world

    def gather(self, own: Tensor) -> Tensor:
        """Return the rows of all processes, in the order of their ranks.

        The processes may have different numbers of rows, of one shape. Gradients pass to the own
        rows alone: a loss of all rows, computed by every process, has the gradient that is the sum
        of those of the processes.
        """
        if self.world == 1:
            return own
        counts = [torch.zeros(1, dtype=torch.int64) for _ in range(self.world)]
        dist.all_gather(counts, torch.tensor([len(own)]))
        sizes = [int(count) for count in counts]
        padded = own.new_zeros(max(sizes), *own.shape[1:])
        padded[: len(own)] = own.detach()
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
        rows = [part[:size] for part, size in zip(parts, sizes, strict=True)]
        rows[self.rank] = own
        return torch.cat(rows)

    def average_buffers(self, network: nn.Module) -> None:
        """Average batch normalisation's statistics, which each process gathers by itself."""
        if self.world == 1:
            return
        for buffer in network.buffers():
            if buffer.is_floating_point():
                dist.all_reduce(buffer)
                buffer /= self.world

    def wait_for_first(self) -> None:
        """Wait until process 0 arrives here, too."""
        self.share([0.0])

    def agree(self, value: bool) -> bool:
        """Return the value of process 0 in every process."""
        return bool(self.share([float(value)])[0])

    def share(self, values: list[float]) -> list[float]:
        """Return the numbers of process 0 in every process."""
        if self.world == 1:
            return values
        shared = torch.tensor(values, dtype=torch.float64)
        dist.broadcast(shared, 0)
        numbers: list[float] = shared.tolist()
        return numbers


@contextmanager
def processes() -> Iterator[Processes]:
    """Join the group that torchrun's environment variables describe, or stay alone without."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Processes()
        return
    backend = "gloo"
    if torch.cuda.is_available():  # one card per process of a machine
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
        backend = "cpu:gloo,cuda:nccl"
    dist.init_process_group(backend, timeout=TIMEOUT)
    try:
        yield Processes(dist.get_rank(), world)
    finally:
        dist.destroy_process_group()
