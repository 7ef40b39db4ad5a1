"""Which miner when, and the alarm when the embeddings collapse.

The hardest negatives of an untrained network are nearer than the positives, and the quickest way
to lower the loss is to move everything to one point: from there it stays at the margin. So "auto"
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

# Distance-weighted rather than batch-hard is the harder one: as good in the end, and it does not
# collapse at ten times the usual learning rate, where batch-hard can when it comes this early.
STAGES = ("semi-hard", "distance-weighted")
FEW = 0.1  # active share at which the second stage begins; half of it after each collapse
DECAY = 0.95  # of the moving averages: about the last 20 steps
FLOOR = 0.05  # mean d² below which embeddings count as collapsed; scattered evenly they have 2
RISING, ROUNDING = 1.02, 1e-5  # how much more spread counts as rising: not what rounding adds
PATIENCE = 50  # steps below FLOOR without rising
COLLAPSES = 3  # at which "auto" gives up, too


def spread(distances: Tensor) -> float:
    """Mean d² of two different embeddings, in [0, 4], of (n, n) squared distances with n > 1."""
    count = len(distances)
    return float(distances.sum()) / (count * (count - 1))


@dataclass(slots=True)
class _State:
    stage: int = 0
    active: float = 1.0  # moving average
    spread: float = -1.0  # moving average; below 0 before the first step
    highest: float = 0.0  # spread since it was last above FLOOR, or since the last alarm
    low: int = 0  # steps for which it has been below FLOOR and not risen above `highest`
    collapses: int = 0


class Curriculum:
    """Told of every step; says which miner is next, and whether to go on.

    A miner that the configuration names stays, and the first collapse ends the run: with the same
    triplets it may never recover. "auto" goes back to semi-hard negatives, which lead out of it at
    the full learning rate, and takes harder ones later than before.
    """

    def __init__(self, config: TrainConfig) -> None:
        self._config = config
        self._state = _State()
        self.stop = False

    @property
    def miner(self) -> str:
        return STAGES[self._state.stage] if self._auto else self._config.miner

    def state(self) -> dict[str, int | float]:
        """All that `load` needs to go on exactly from here."""
        return asdict(self._state)

    def load(self, state: Mapping[str, Any]) -> None:
        self._state = _State(**state)

    def observe(self, step: int, loss: float, active: float, spread: float) -> Alarm | None:
        """`active` as of `miners.active_fraction`; `spread` as of `spread`; steps count from 1."""
        if not math.isfinite(loss):
            return self._give_up(self.diverged(step, f"the loss is {loss}"))
        state = self._state
        before = spread if state.spread < 0 else state.spread
        state.spread = DECAY * before + (1 - DECAY) * spread
        state.active = DECAY * state.active + (1 - DECAY) * active
        if state.active < FEW / 2**state.collapses:
            state.stage = len(STAGES) - 1
        # While the learning rate warms up, a network that starts with a small spread has not had
        # the chance to widen it.
        if (
            state.spread >= FLOOR
            or state.spread > RISING * state.highest + ROUNDING
            or step <= self._config.warmup
        ):
            state.highest, state.low = min(state.spread, FLOOR), 0
            return None
        state.low += 1
        if state.low < PATIENCE:
            return None
        what = f"the embeddings have collapsed: mean d² {spread:.2g}, loss {loss:.3g}"
        return self._collapsed(step, f"{what}, {self.miner} negatives")

    def diverged(self, step: int, what: str) -> Alarm:
        return Alarm(step, "diverged", f"{what}; try {self._slower()}")

    def _collapsed(self, step: int, what: str) -> Alarm:
        state = self._state
        state.stage, state.low, state.highest = 0, 0, state.spread
        state.collapses += 1
        if not self._auto:
            return self._give_up(Alarm(step, "collapse", f"{what}; try --set miner=auto"))
        if state.collapses >= COLLAPSES:
            return self._give_up(Alarm(step, "collapse", f"{what}; try {self._slower()}"))
        return Alarm(step, "collapse", f"{what}; back to {self.miner} ones")

    def _give_up(self, alarm: Alarm) -> Alarm:
        self.stop = True
        return alarm

    def _slower(self) -> str:
        return f"--set learning_rate={self._config.learning_rate / 10:g}"

    @property
    def _auto(self) -> bool:
        return self._config.miner == "auto"
