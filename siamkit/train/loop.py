"""The training loop: draw, learn, evaluate, save, and yield an event for each."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, astuple, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import SiamkitError
from siamkit.protocols import Mixes, Trainable
from siamkit.train import checkpoint, validation
from siamkit.train.augment import augment_batch
from siamkit.train.candidates import Batch
from siamkit.train.config import TrainConfig
from siamkit.train.curriculum import Curriculum
from siamkit.train.data import Dataset
from siamkit.train.events import Alarm, Evaluated, Event, Saved, Step, Stopped
from siamkit.train.folder import BEST, LAST
from siamkit.train.learner import Learner, StepMeans
from siamkit.train.loss_settings import LONE_LOSSES, loss_names
from siamkit.train.mixing import mix_identities
from siamkit.train.neighbours import hard_negatives, stated_negatives
from siamkit.train.optimiser import learning_rate
from siamkit.train.pair_sampler import PairSampler
from siamkit.train.pairs import Pairs
from siamkit.train.processes import Processes
from siamkit.train.sampler import BatchShape, Sampler, sampler
from siamkit.train.threads import map_ahead
from siamkit.train.validation import HeldOut, Rates

HARD = 8  # hard negatives to keep of each sample
AHEAD = 2  # batches prepared while one is trained on


class Diverged(Exception):
    """Numbers are not finite any more."""

    def __init__(self, alarm: Alarm) -> None:
        super().__init__(alarm.message)
        self.alarm = alarm


@dataclass(slots=True)
class RunState:
    """The state of a run beside the weights."""

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
    arrays: NDArray[Any]  # (n, …) the network's input: the data set's, or features of them
    modality: Trainable[Any] | None  # None if nothing is augmented
    config: TrainConfig
    learner: Learner
    processes: Processes
    state: RunState = field(default_factory=RunState)
    hard: NDArray[np.int64] | None = None  # (t, HARD) among the training rows
    teacher: NDArray[np.float32] | None = None  # (n, …) vectors to learn from

    def __post_init__(self) -> None:
        self._rows = np.flatnonzero(self.dataset.training)
        self.validated = validation.validated_rows(self.dataset, self.config.seed)
        self.held_out = validation.held_out(self.dataset, self.validated)
        labels = self.dataset.labels[self._rows]
        self._labels = np.unique(labels, return_inverse=True)[1].astype(np.int64)
        self._impostor = self.dataset.impostor[self._rows]
        numbers = np.full(len(self.dataset.labels), -1)
        numbers[self._rows] = np.arange(len(self._rows))
        pairs = Pairs(self.dataset.pairs, self.dataset.scores).renumbered(numbers)
        self._stated = stated_negatives(pairs, self._impostor, HARD)
        config = self.config
        shape = BatchShape(config.identities, config.samples, config.impostors)
        self._sampler: Sampler = sampler(
            self._labels,
            self._impostor,
            shape,
            config.seed,
            categories=[self.dataset.categories[label] for label in np.unique(labels)]
            if config.sampler == "category"
            else (),
            repeats=config.sampler == "balanced",
            lone=any(name in LONE_LOSSES for name in loss_names(config.loss)),
        )
        self._pair_sampler = PairSampler.of(self.dataset, config)
        self._curriculum = Curriculum(config)

    validated: NDArray[np.int64] = field(init=False)  # rows that are embedded for validation
    held_out: HeldOut = field(init=False)  # what is known of them
    _rows: NDArray[np.int64] = field(init=False)
    _labels: NDArray[np.int64] = field(init=False)
    _impostor: NDArray[np.bool_] = field(init=False)
    _stated: NDArray[np.int64] | None = field(init=False)  # as `hard`, but by labelled pairs
    _sampler: Sampler = field(init=False)
    _pair_sampler: PairSampler | None = field(init=False)  # if batches are of pairs
    _curriculum: Curriculum = field(init=False)

    def events(self) -> Iterator[Event]:
        """Train from the step of `state` to the last, or until the error no longer falls."""
        try:
            yield from self._events()
        except Diverged as error:
            yield error.alarm
            raise self._failed(error.alarm) from error

    def _events(self) -> Iterator[Event]:
        if self.state.step == 0:
            yield from self._evaluate(0)
        else:
            self._curriculum.load(self.state.curriculum)
        step, end = self.state.step, self.reason_to_end()
        while not end:
            until = self._next_stop(step)
            if self._is_mining_due(step):
                self.hard = self._mine(step)
            for event in self._steps(step, until):
                yield event
                if isinstance(event, Alarm) and self._curriculum.stop:
                    raise self._failed(event)
            step = until
            if step % self.config.steps_between_evaluations == 0 or step == self.config.steps:
                yield from self._evaluate(step)
                yield from self._save(step)
                end = self.reason_to_end()
        yield Stopped(step, end)

    def reason_to_end(self) -> str:
        """Return the reason why the run is over; empty while it goes on."""
        patience = self.config.patient_evaluations
        if patience and self.state.since >= patience:
            return f"no lower error in {patience} evaluations"
        return "all steps are done" if self.state.step >= self.config.steps else ""

    def _failed(self, alarm: Alarm) -> SiamkitError:
        return SiamkitError(
            f"training stopped at step {alarm.step:,}: {alarm.name}: {alarm.message}",
            hint=f"the last good checkpoint is from step {self.state.step:,}"
            if self.state.step
            else "no checkpoint was written yet",
        )

    def _next_stop(self, step: int) -> int:
        """Return the next step to evaluate, to save or to mine after."""
        ends = [self.config.steps, _multiple(step, self.config.steps_between_evaluations)]
        if self.config.miner == "index-driven":
            ends.append(_multiple(step, self.config.steps_between_refreshes))
        return min(ends)

    def _is_mining_due(self, step: int) -> bool:
        interval = self.config.steps_between_refreshes
        return self.config.miner == "index-driven" and step % interval == 0

    def _steps(self, first: int, last: int) -> Iterator[Event]:
        config = self.config
        turns = range(first * config.accumulate, last * config.accumulate)
        loop_start, earlier_seconds = time.monotonic(), self.state.seconds
        prefetched = map_ahead(self._batch, turns, workers=1, ahead=AHEAD)
        for step in range(first + 1, last + 1):
            step_start = time.monotonic()
            batches = [next(prefetched) for _ in range(config.accumulate)]
            mining = self._curriculum.miner
            means = self.learner.step(step, batches, mining, self.processes)
            means = StepMeans(*self.processes.share([*astuple(means)]))
            step_end = time.monotonic()
            self.state.seconds = earlier_seconds + step_end - loop_start
            yield Step(
                step,
                means.loss,
                means.active,
                means.positive,
                means.negative,
                means.spread,
                miner=mining if self.learner.loss.mined else "none",
                learning_rate=learning_rate(config, step),
                samples_per_second=means.samples / (step_end - step_start),
                seconds=self.state.seconds,
            )
            alarm = self._curriculum.observe(step, means.loss, means.active, means.spread)
            if alarm:
                yield alarm
                if self._curriculum.stop:
                    return

    def _batch(self, turn: int) -> Batch:
        rank, world = self.processes.rank, self.processes.world
        scores = None
        if self._pair_sampler:
            rows, scores = self._pair_sampler.draw(turn * world + rank)
            rows = np.searchsorted(self._rows, rows)
        else:
            hard = self._stated if self.hard is None else self.hard
            rows = self._sampler.draw(turn, rank=rank, world=world, hard=hard)
        labels, impostor = self._labels[rows], self._impostor[rows]
        arrays = self.arrays[self._rows[rows]]
        if self.modality is not None:
            key = (self.config.seed, turn, rank)
            if self.config.mix and isinstance(self.modality, Mixes):
                rng = np.random.default_rng([*key, 2])
                arrays = mix_identities(arrays, labels, impostor, self.modality, rng)
            arrays = augment_batch(arrays, labels, self.modality, key)
        draw = turn * world + rank if self.modality is not None else 0
        teacher = None if self.teacher is None else self.teacher[self._rows[rows]]
        return Batch(arrays, labels, impostor, rows, draw, teacher, scores)

    def _embed(self, rows: NDArray[np.int64], step: int) -> NDArray[np.float32]:
        learner = self.learner
        embeddings: NDArray[np.float32] = validation.embed(
            learner.average, self.arrays, rows, learner.device, learner.precision
        ).numpy()
        if not np.isfinite(embeddings).all():
            raise Diverged(self._curriculum.diverged(step, "the embeddings are not finite"))
        return embeddings

    def _share_statistics(self) -> None:
        self.processes.average_buffers(self.learner.network)
        if self.learner.average is not self.learner.network:
            self.processes.average_buffers(self.learner.average)

    def _mine(self, step: int) -> NDArray[np.int64]:
        """Return the hard negatives of every training row; each process computes the same."""
        self._share_statistics()
        embeddings = self._embed(self._rows, step)
        mined = hard_negatives(embeddings, self._labels, self._impostor, k=HARD)
        return mined if self._stated is None else np.concatenate([self._stated, mined], axis=1)

    def _evaluate(self, step: int) -> Iterator[Event]:
        rows = self.validated
        self._share_statistics()
        if not len(rows):
            return
        numbers = [math.nan] * len(fields(Rates))
        if self.processes.first:
            embeddings, held = self._embed(rows, step), self.held_out
            rates = validation.measure(embeddings, held, validation.score(embeddings, held))
            numbers = list(astuple(rates))
        rates = Rates(*self.processes.share(numbers))
        best = rates.error < self.state.best
        self.state.best = rates.error if best else self.state.best
        self.state.since = 0 if best else self.state.since + 1
        if best and self.processes.first:
            validation.write(self.folder, embeddings, held)
            weights = checkpoint.under("average.", self.learner.average.state_dict())
            checkpoint.write(self.folder / BEST, weights, {"step": step} | asdict(rates))
        yield Evaluated(step=step, best=best, **validation.as_event(rates))

    def _save(self, step: int) -> Iterator[Event]:
        self.state.step, self.state.curriculum = step, self._curriculum.state()
        if not self.processes.first:
            return
        tensors = self.learner.tensors()
        if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
            raise Diverged(self._curriculum.diverged(step, "the weights are not finite"))
        if self.hard is not None:
            import torch

            tensors["hard"] = torch.from_numpy(self.hard)
        state = self.state
        facts = {
            "step": step,
            "best": state.best if math.isfinite(state.best) else None,
            "since": state.since,
            "seconds": state.seconds,
            "curriculum": state.curriculum,
            "precision": self.learner.precision,
            "processes": self.processes.world,
        }
        checkpoint.write(self.folder / LAST, tensors, facts)
        yield Saved(step, self.folder / LAST)


def _multiple(step: int, factor: int) -> int:
    return (step // factor + 1) * factor
