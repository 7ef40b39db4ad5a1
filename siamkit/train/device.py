"""Pick the device and the precision of a run, and make it repeatable."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from siamkit.errors import BadInput

PROBES = 3  # training steps timed in each precision; the first is not counted
HOPELESS = 5  # a first step in bf16 that takes this many times as long as fp32 decides
GAIN = 1.1  # bf16 must be this much faster to be worth its rounding


def pick_device(name: str) -> str:
    """Return cuda, mps or cpu; "auto" takes the first available. Raises BadInput if absent."""
    is_available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return next(device for device, available in is_available.items() if available)
    if not is_available[name]:
        raise BadInput(
            f"device = {name!r}, and torch finds none here", hint="give `--set device=auto`"
        )
    return name


@contextmanager
def repeatable(seed: int, deterministic: bool) -> Iterator[None]:
    """Seed torch, and make its kernels deterministic if asked; restore both afterwards."""
    before = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(deterministic, warn_only=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)


@contextmanager
def autocast(device: str, precision: str) -> Iterator[None]:
    """Compute in bfloat16 where torch allows it, if the precision is bf16."""
    with torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bf16"):
        yield


def pick_precision(device: str, step: Callable[[], Tensor]) -> str:
    """Time a few training steps in each precision; return bf16 if it is faster, else fp32.

    step: runs forward and returns a loss; the caller discards the gradients.
    """
    fastest: dict[str, float] = {}
    for precision in ("fp32", "bf16"):
        seconds = []
        for _ in range(PROBES):
            started = time.perf_counter()
            with autocast(device, precision):
                loss = step()
            loss.backward()  # type: ignore[no-untyped-call]
            if device == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - started)
            if precision == "bf16" and seconds[0] > HOPELESS * fastest["fp32"]:
                return "fp32"  # a processor without bf16 may take a minute per step
        fastest[precision] = min(seconds[1:])
    return "bf16" if fastest["fp32"] > GAIN * fastest["bf16"] else "fp32"
