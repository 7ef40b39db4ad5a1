"""Which precision a run takes, where it is to find out."""

from __future__ import annotations

import pytest
import torch

from siamkit.train.device import autocast, pick_precision


@pytest.mark.parametrize(("faster", "taken"), [(True, "bf16"), (False, "fp32")])
def test_bf16_is_taken_where_a_step_is_faster_with_it(monkeypatch, faster, taken):
    weight, now = torch.ones(1, requires_grad=True), 0.0
    monkeypatch.setattr("siamkit.train.device.time.perf_counter", lambda: now)

    def step():
        nonlocal now
        now += 1.0 if torch.is_autocast_enabled("cpu") == faster else 2.0
        return weight.sum()

    assert pick_precision("cpu", step) == taken


def test_one_step_is_enough_of_a_slow_bf16(monkeypatch):
    weight, now, slow = torch.ones(1, requires_grad=True), 0.0, []
    monkeypatch.setattr("siamkit.train.device.time.perf_counter", lambda: now)

    def step():
        nonlocal now
        now += 1.0
        if torch.is_autocast_enabled("cpu"):
            now += 9.0
            slow.append(now)
        return weight.sum()

    assert pick_precision("cpu", step) == "fp32"
    assert len(slow) == 1


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_precision_is_that_of_the_products(precision):
    with autocast("cpu", precision):
        made = torch.ones(2, 2) @ torch.ones(2, 2)
    assert made.dtype == {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
