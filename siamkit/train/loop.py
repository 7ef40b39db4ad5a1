"""The loop: draw, learn, evaluate, save. Yields what happens; the caller draws or stops."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.errors import SiamkitError
from siamkit.protocols import Mixes, Trainable
from siamkit.train import checkpoint, feed, validation
from siamkit.train.config import TrainConfig
from siamkit.train.curriculum import Curriculum
from siamkit.train.data import Dataset
from siamkit.train.events import Alarm, Evaluated, Event, Saved, Step, Stopped
from siamkit.train.folder import BEST, LAST
from siamkit.train.learner import Batch, Learner, Measured, learning_rate
from siamkit.train.mixing import mixed
from siamkit.train.neighbours import hard_negatives
from siamkit.train.processes import Processes
from siamkit.train.sampler import BatchShape, Sampler, sampler

if TYPE_CHECKING:
    from numpy.typing import NDArray

HARD = 8  # wrong neighbours that are kept of each sample


@dataclass(slots=True)
class RunState:
    """Where a run is, beside the weights."""

    step: int = 0
    best: float = math.inf  # the lowest error so far
    since: int = 0  # evaluations without a lower one
    seconds: float = 0.0
    curriculum: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Loop:
    """A run in one process."""

    folder: Path
    dataset: Dataset
    arrays: NDArray[Any]  # what the network eats: the data set's, or features of them
    modality: Trainable[Any] | None  # None where nothing is augmented
    config: TrainConfig
    learner: Learner
    processes: Processes
    state: RunState = field(default_factory=RunState)
    hard: NDArray[np.int64] | None = None  # (t, HARD) among the training rows

    def __post_init__(self) -> None:
        self._rows = np.flatnonzero(self.dataset.training)
        others = np.flatnonzero(~self.dataset.training)
        self.validated = others[
            validation.choose_rows(
                self.dataset.labels[others], self.dataset.impostor[others], self.config.seed
            )
        ]
        labels = self.dataset.labels[self._rows]
        self._labels = np.unique(labels, return_inverse=True)[1].astype(np.int64)
        self._impostor = self.dataset.impostor[self._rows]
        config = self.config
        shape = BatchShape(config.identities, config.samples, config.impostors)
        self._sampler: Sampler = sampler(self._labels, self._impostor, shape, config.seed)
        self._curriculum = Curriculum(config)

    validated: NDArray[np.int64] = field(init=False)  # rows that an evaluation looks at
    _rows: NDArray[np.int64] = field(init=False)
    _labels: NDArray[np.int64] = field(init=False)
    _impostor: NDArray[np.bool_] = field(init=False)
    _sampler: Sampler = field(init=False)
    _curriculum: Curriculum = field(init=False)

    def events(self) -> Iterator[Event]:
        """Train from where `state` stands to the end, or until nothing is gained any more."""
        if self.state.step == 0:
            yield from self._evaluate(0)
        else:
            self._curriculum.load(self.state.curriculum)
        step, stop = self.state.step, self._spent()
        while step < self.config.steps and not stop:
            until = self._next_stop(step)
            if self._refreshes(step):
                self.hard = self._mine(step)
            for event in self._steps(step, until):
                yield event
                if isinstance(event, Alarm) and self._curriculum.stop:
                    raise self._failed(event)
            step = until
            if step % self.config.evaluate_every == 0 or step == self.config.steps:
                yield from self._evaluate(step)
                yield from self._save(step)
                stop = self._spent()
        yield Stopped(step, stop or "all steps are done")

    def _spent(self) -> str:
        """Why there is no use in going on; empty if there is."""
        patience = self.config.patience
        if patience and self.state.since >= patience:
            return f"no lower error in {patience} evaluations"
        return ""

    def _failed(self, alarm: Alarm) -> SiamkitError:
        return SiamkitError(
            f"training stopped at step {alarm.step:,}: {alarm.name}: {alarm.message}",
            hint=f"the last good checkpoint is that of step {self.state.step:,}"
            if self.state.step
            else "no checkpoint was written yet",
        )

    def _next_stop(self, step: int) -> int:
        """The next step after which something other than a step happens."""
        ends = [self.config.steps, _multiple(step, self.config.evaluate_every)]
        if self.config.miner == "index-driven":
            ends.append(_multiple(step, self.config.refresh))
        return min(ends)

    def _refreshes(self, step: int) -> bool:
        return self.config.miner == "index-driven" and step % self.config.refresh == 0

    def _steps(self, first: int, last: int) -> Iterator[Event]:
        config, world = self.config, self.processes.world
        turns = range(first * config.accumulate, last * config.accumulate)
        started, before = time.monotonic(), self.state.seconds
        batches = feed.ahead(self._batch, turns)
        for step in range(first + 1, last + 1):
            begun = time.monotonic()
            taken = [next(batches) for _ in range(config.accumulate)]
            mining = self._curriculum.miner
            measured = self.learner.step(step, taken, mining, self.processes)
            measured = Measured(*self.processes.share([*astuple(measured)]))
            now = time.monotonic()
            self.state.seconds = before + now - started
            yield Step(
                step,
                measured.loss,
                measured.active,
                measured.positive,
                measured.negative,
                measured.spread,
                miner=mining if self.learner.loss.mined else "none",
                learning_rate=learning_rate(config, step),
                samples_per_second=sum(len(b.labels) for b in taken) * world / (now - begun),
                seconds=self.state.seconds,
            )
            alarm = self._curriculum.observe(step, measured.loss, measured.active, measured.spread)
            if alarm:
                yield alarm
                if self._curriculum.stop:
                    return

    def _batch(self, turn: int) -> Batch:
        rank, world = self.processes.rank, self.processes.world
        rows = self._sampler.draw(turn, rank=rank, world=world, hard=self.hard)
        labels, impostor = self._labels[rows], self._impostor[rows]
        arrays = self.arrays[self._rows[rows]]
        if self.modality is not None:
            key = (self.config.seed, turn, rank)
            if self.config.mix and isinstance(self.modality, Mixes):
                rng = np.random.default_rng([*key, 2])
                arrays = mixed(arrays, labels, impostor, self.modality, rng)
            arrays = feed.varied(arrays, labels, self.modality, key)
        return Batch(arrays, labels, impostor)

    def _embed(self, rows: NDArray[np.int64], step: int) -> NDArray[np.float32]:
        learner = self.learner
        found: NDArray[np.float32] = validation.embed(
            learner.average, self.arrays, rows, learner.device, learner.precision
        ).numpy()
        if not np.isfinite(found).all():
            raise self._failed(self._curriculum.diverged(step, "the embeddings are not finite"))
        return found

    def _share_statistics(self) -> None:
        self.processes.average_buffers(self.learner.network)
        if self.learner.average is not self.learner.network:
            self.processes.average_buffers(self.learner.average)

    def _mine(self, step: int) -> NDArray[np.int64]:
        """The hardest wrong neighbours of every training row; each process computes the same."""
        self._share_statistics()
        return hard_negatives(self._embed(self._rows, step), self._labels, self._impostor, k=HARD)

    def _evaluate(self, step: int) -> Iterator[Event]:
        rows = self.validated
        self._share_statistics()
        if not len(rows):
            return
        numbers = [math.nan, math.nan]
        if self.processes.first:
            embeddings = self._embed(rows, step)
            labels, impostor = self.dataset.labels[rows], self.dataset.impostor[rows]
            others, against = validation.errors(validation.score(embeddings, labels, impostor))
            numbers = [others, math.nan if against is None else against]
        others, against = self.processes.share(numbers)
        error = others if math.isnan(against) else against
        best = error < self.state.best
        self.state.best = min(error, self.state.best)
        self.state.since = 0 if best else self.state.since + 1
        if best and self.processes.first:
            validation.write(self.folder, embeddings, labels, impostor)
            facts = {"step": step, "eer": others, "eer_impostors": against}
            checkpoint.write(self.folder / BEST, self._best(), facts)
        yield Evaluated(step, others, None if math.isnan(against) else against, best)

    def _best(self) -> dict[str, Any]:
        return checkpoint.under("average.", self.learner.average.state_dict())

    def _save(self, step: int) -> Iterator[Event]:
        self.state.step, self.state.curriculum = step, self._curriculum.state()
        if not self.processes.first:
            return
        tensors = self.learner.tensors()
        if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
            raise self._failed(self._curriculum.diverged(step, "the weights are not finite"))
        if self.hard is not None:
            import torch

            tensors["hard"] = torch.from_numpy(self.hard)
        state = self.state
        checkpoint.write(self.folder / LAST, tensors, {
            "step": step,
            "best": state.best if math.isfinite(state.best) else None,
            "since": state.since,
            "seconds": state.seconds,
            "curriculum": state.curriculum,
            "precision": self.learner.precision,
            "processes": self.processes.world,
        })  # fmt: skip
        yield Saved(step, self.folder / LAST)


def _multiple(step: int, of: int) -> int:
    """The next multiple after a step."""
    return (step // of + 1) * of
