"""Where a run computes, in which precision, and how repeatably."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from siamkit.errors import BadInput
from siamkit.train.config import TrainConfig

PROBES = 3  # training steps timed in each precision; the first is not counted
GAIN = 1.1  # bf16 must be this much faster to be worth its rounding


def pick_device(wanted: str) -> str:
    """cuda, mps or cpu. Raises BadInput for one that is not here."""
    here = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wanted == "auto":
        return next(name for name, available in here.items() if available)
    if not here[wanted]:
        raise BadInput(f"device = {wanted!r}, and torch finds none here", hint="--set device=auto")
    return wanted


@contextmanager
def repeatable(config: TrainConfig) -> Iterator[None]:
    """Torch's own generator seeded, its kernels deterministic if asked for; as before after."""
    before = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        torch.use_deterministic_algorithms(config.deterministic, warn_only=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)


@contextmanager
def autocast(device: str, precision: str) -> Iterator[None]:
    with torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bf16"):
        yield


def pick_precision(device: str, step: Callable[[], Tensor]) -> str:
    """fp32, or bf16 if a few training steps of either show that it is faster.

    step: runs forward and returns a loss; its gradients are thrown away by the caller.
    """
    taken = {}
    for precision in ("fp32", "bf16"):
        times = []
        for _ in range(PROBES):
            started = time.perf_counter()
            with autocast(device, precision):
                loss = step()
            loss.backward()  # type: ignore[no-untyped-call]
            if device == "cuda":
                torch.cuda.synchronize()
            times.append(time.perf_counter() - started)
        taken[precision] = min(times[1:])
    return "bf16" if taken["fp32"] > GAIN * taken["bf16"] else "fp32"
