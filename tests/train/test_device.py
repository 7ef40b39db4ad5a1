"""Which precision a run takes, where it is to find out."""

from __future__ import annotations

import pytest
import torch

from siamkit.train.device import autocast, has_bf16, pick_precision


@pytest.fixture
def timed(monkeypatch):
    """A step on a processor with bfloat16, whose seconds a function of its number tells."""
    weight, now, slow = torch.ones(1, requires_grad=True), 0.0, []
    monkeypatch.setattr("siamkit.train.device.time.perf_counter", lambda: now)
    monkeypatch.setattr("siamkit.train.device.has_bf16", lambda device: True)

    def step(seconds):
        nonlocal now
        now += seconds(len(slow)) if torch.is_autocast_enabled("cpu") else 1.0
        slow.extend([now] if torch.is_autocast_enabled("cpu") else [])
        return weight.sum()

    return step, slow


@pytest.mark.parametrize(
    ("seconds", "taken"),
    [
        (lambda turn: 0.5, "bf16"),
        (lambda turn: 9.0 if turn == 3 else 0.5, "fp32"),  # no gain is worth such a step
        (lambda turn: 0.95, "fp32"),  # not clear enough
        (lambda turn: 0.5 if turn % 2 else 2.0, "fp32"),  # noise
    ],
)
def test_bf16_is_taken_where_steps_are_clearly_faster_with_it(timed, seconds, taken):
    step, slow = timed
    assert pick_precision("cpu", lambda: step(seconds)) == taken
    assert taken == "fp32" or len(slow) >= 6


def test_one_step_is_enough_of_a_slow_bf16(timed):
    step, slow = timed
    assert pick_precision("cpu", lambda: step(lambda turn: 10.0)) == "fp32"
    assert len(slow) == 1


def test_a_processor_without_bf16_is_not_timed(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True}, raising=False)
    assert pick_precision("cpu", lambda: 1 / 0) == "fp32"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    assert has_bf16("cpu")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_precision_is_that_of_the_products(precision):
    with autocast("cpu", precision):
        made = torch.ones(2, 2) @ torch.ones(2, 2)
    assert made.dtype == {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
