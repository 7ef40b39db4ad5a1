"""Pick the device and the precision of a run, and make it repeatable."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import torch
from torch import Tensor

from siamkit.errors import BadInput

ROUNDS, LEAST_ROUNDS = 20, 5  # training steps timed in each precision
LONGEST = 20.0  # seconds of timing, after LEAST_ROUNDS
HOPELESS = 5  # a step in bf16 that takes this many times as long as in fp32 decides
GAIN = 1.1  # bf16 must be this much faster, in the median, to be worth its rounding
MOST = 0.8  # … and faster at all in this share of the rounds
CPU_BF16 = ("avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16", "sve_bf16")  # instructions


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


def has_bf16(device: str) -> bool:
    """Say if bfloat16 may be faster there: a processor without instructions for it emulates it."""
    if device != "cpu":
        return True
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # new in torch 2
    return any(capabilities.get(name) for name in CPU_BF16)


def pick_precision(device: str, step: Callable[[], Tensor]) -> str:
    """Return bf16 if training steps are clearly faster in it, else fp32.

    Steps in the two precisions take turns, so that other load affects both alike.

    step: runs forward and returns a loss; the caller discards the gradients.
    """
    if not has_bf16(device):
        return "fp32"
    ratios: list[float] = []
    began = time.perf_counter()
    for turn in range(1 + ROUNDS):  # the first is not counted: kernels are chosen in it
        slow, fast = (_seconds(device, precision, step) for precision in ("fp32", "bf16"))
        if fast > HOPELESS * slow:
            return "fp32"
        ratios += [slow / fast] if turn else []
        if time.perf_counter() - began > LONGEST and turn >= LEAST_ROUNDS:
            break
    is_clear = median(ratios) > GAIN and sum(ratio > 1 for ratio in ratios) >= MOST * len(ratios)
    return "bf16" if is_clear else "fp32"


def _seconds(device: str, precision: str, step: Callable[[], Tensor]) -> float:
    started = time.perf_counter()
    with autocast(device, precision):
        loss = step()
    loss.backward()  # type: ignore[no-untyped-call]
    if device != "cpu":
        getattr(torch, device).synchronize()
    return time.perf_counter() - started
