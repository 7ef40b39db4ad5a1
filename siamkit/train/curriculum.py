"""Choose the miner step by step, and raise the alarm when the embeddings collapse.

The hardest negatives of an untrained network are nearer than the positives, and the quickest way
to lower the loss is to move everything to one point, where it stays at the margin. So "auto"
begins with semi-hard negatives, and takes harder ones once few triplets are left to learn from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from siamkit.train.config import TrainConfig
from siamkit.train.events import Alarm

# The harder stage is distance-weighted, not batch-hard: it is as good in the end, and it does not
# collapse at ten times the usual learning rate, as batch-hard can this early.
STAGES = ("semi-hard", "distance-weighted")
FEW_ACTIVE = 0.1  # active share at which the second stage begins; halved by each collapse
WINDOW = 0.05  # share of the run's steps that the moving averages look back on
STEPS_BACK = (5, 20)  # the least and the most steps of it
FLOOR = 0.05  # mean d² below which embeddings count as collapsed; 2 if evenly scattered
RISING, ROUNDING = 1.02, 1e-5  # a spread rises if it exceeds the highest by this factor and term
PATIENCE = 0.1  # share of the run's steps below FLOOR, without rising, that are a collapse
PATIENT_STEPS = (10, 50)  # the least and the most of them
MOST_COLLAPSES = 3  # at which "auto" gives up, too


def spread(distances: Tensor) -> Tensor:
    """Return the mean d² of an anchor and another embedding, in [0, 4], of (a, c) d², c > 1."""
    anchors, candidates = distances.shape
    return distances.sum() / (anchors * (candidates - 1))


def _within(limits: tuple[int, int], steps: float) -> int:
    return min(max(round(steps), limits[0]), limits[1])


@dataclass(slots=True)
class _State:
    stage: int = 0
    active: float = 1.0  # moving average
    spread: float = -1.0  # moving average; below 0 before the first step
    highest: float = 0.0  # spread since it was last above FLOOR, or since the last alarm
    low: int = 0  # steps for which it has been below FLOOR and not risen above `highest`
    collapses: int = 0


class Curriculum:
    """Observes every step; picks the next miner, and decides when to stop.

    A configured miner is never changed, and the first collapse ends the run: with the same
    triplets it may never recover. "auto" returns to semi-hard negatives, which lead out of the
    collapse at the full learning rate, and takes harder ones later than before.
    """

    def __init__(self, config: TrainConfig) -> None:
        self._config = config
        self._state = _State()
        self._decay = 1 - 1 / _within(STEPS_BACK, config.steps * WINDOW)
        self._patience = _within(PATIENT_STEPS, config.steps * PATIENCE)
        self.stop = False

    @property
    def miner(self) -> str:
        return STAGES[self._state.stage] if self._auto else self._config.miner

    def state(self) -> dict[str, int | float]:
        """Return all that `load` needs to resume exactly."""
        return asdict(self._state)

    def load(self, state: Mapping[str, Any]) -> None:
        self._state = _State(**state)

    def observe(self, step: int, loss: float, active: float, spread: float) -> Alarm | None:
        """Take in one step, counted from 1; return the alarm if there is one.

        active: see miners.active_fraction. spread: see `spread`.
        """
        if not math.isfinite(loss):
            return self._give_up(self.diverged(step, f"the loss is {loss}"))
        state = self._state
        before = spread if state.spread < 0 else state.spread
        state.spread = self._decay * before + (1 - self._decay) * spread
        state.active = self._decay * state.active + (1 - self._decay) * active
        if state.active < FEW_ACTIVE / 2**state.collapses:
            state.stage = len(STAGES) - 1
        # While the learning rate warms up, a small spread cannot have widened yet.
        if (
            state.spread >= FLOOR
            or state.spread > RISING * state.highest + ROUNDING
            or step <= self._config.warmup_steps
        ):
            state.highest, state.low = min(state.spread, FLOOR), 0
            return None
        state.low += 1
        if state.low < self._patience:
            return None
        message = f"the embeddings have collapsed: mean d² {spread:.2g}, loss {loss:.3g}"
        return self._collapsed(step, f"{message}, {self.miner} negatives")

    def diverged(self, step: int, reason: str) -> Alarm:
        return Alarm(step, "diverged", f"{reason}; try {self._slower()}")

    def _collapsed(self, step: int, message: str) -> Alarm:
        state = self._state
        state.stage, state.low, state.highest = 0, 0, state.spread
        state.collapses += 1
        if not self._auto:
            return self._give_up(Alarm(step, "collapse", f"{message}; try --set miner=auto"))
        if state.collapses >= MOST_COLLAPSES:
            return self._give_up(Alarm(step, "collapse", f"{message}; try {self._slower()}"))
        return Alarm(step, "collapse", f"{message}; back to {self.miner} ones")

    def _give_up(self, alarm: Alarm) -> Alarm:
        self.stop = True
        return alarm

    def _slower(self) -> str:
        return f"--set learning_rate={self._config.learning_rate / 10:g}"

    @property
    def _auto(self) -> bool:
        return self._config.miner == "auto"
