"""The training loop of a localiser: draw, learn, evaluate, save, and yield an event for each."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from siamkit.errors import SiamkitError
from siamkit.train import checkpoint
from siamkit.train.events import Alarm, Event, LocaliserEvaluated, LocaliserStep, Saved, Stopped
from siamkit.train.folder import BEST, EMBEDDINGS, LAST, replacing
from siamkit.train.learner import CLIP, step_seed
from siamkit.train.localise.losses import losses
from siamkit.train.localise.model import Batch, Model
from siamkit.train.localise.validation import Measured, measure
from siamkit.train.optimiser import decay_groups, learning_rate
from siamkit.train.processes import Processes
from siamkit.train.threads import map_ahead

AHEAD = 2  # batches prepared while one is trained on


@dataclass(slots=True)
class State:
    """The state of a run beside the weights."""

    step: int = 0
    error: float = math.inf  # the lowest so far, and the loss that came with it
    loss: float = math.inf
    since: int = 0  # evaluations without a better one
    seconds: float = 0.0


@dataclass(slots=True, eq=False)
class LocaliserLoop:
    """A run in one process."""

    folder: Path
    model: Model
    device: str
    processes: Processes
    state: State = field(default_factory=State)

    optimiser: torch.optim.Optimizer = field(init=False)
    validated: NDArray[np.int64] = field(init=False)
    _groups: list[NDArray[np.int64]] = field(init=False)
    _weights: NDArray[np.float64] = field(init=False)
    _rates: list[float] = field(init=False)

    def __post_init__(self) -> None:
        dataset, config = self.model.dataset, self.model.config
        self.model.whole.to(self.device)
        groups = []
        self._rates = []
        for module, rate in self.model.parameter_groups():
            by_decay = decay_groups(module.parameters(), config.weight_decay)
            groups += by_decay
            self._rates += [rate] * len(by_decay)
        self.optimiser = torch.optim.AdamW(groups)
        self.validated = np.flatnonzero(~dataset.training)
        rows = np.flatnonzero(dataset.training)
        labels = dataset.labels[rows]
        self._groups = [rows[labels == label] for label in np.unique(labels)]
        self._weights = draw_weights(dataset.labels[rows], config.nothing)

    def parameters(self) -> list[nn.Parameter]:
        return [p for group in self.optimiser.param_groups for p in group["params"]]

    def events(self) -> Iterator[Event]:
        """Train from the step of `state` to the last, or until the error no longer falls."""
        config = self.model.config
        if self.state.step == 0:
            yield from self._evaluate(0)
        step, end = self.state.step, self.reason_to_end()
        while not end:
            interval = config.steps_between_evaluations
            until = min(config.steps, (step // interval + 1) * interval)
            yield from self._steps(step, until)
            step = until
            yield from self._evaluate(step)
            yield from self._save(step)
            end = self.reason_to_end()
        yield Stopped(step, end)

    def reason_to_end(self) -> str:
        """Return the reason why the run is over; empty while it goes on."""
        patience = self.model.config.patient_evaluations
        if patience and self.state.since >= patience:
            return f"no lower error in {patience} evaluations"
        return "all steps are done" if self.state.step >= self.model.config.steps else ""

    def _steps(self, first: int, last: int) -> Iterator[Event]:
        start, earlier = time.monotonic(), self.state.seconds
        batches = map_ahead(self._draw, range(first + 1, last + 1), workers=1, ahead=AHEAD)
        for step, batch in zip(range(first + 1, last + 1), batches, strict=True):
            step_start = time.monotonic()
            loss, presence, box, label = self.processes.share(self._learn(step, batch))
            step_end = time.monotonic()
            self.state.seconds = earlier + step_end - start
            count = len(batch.labels) * self.processes.world
            yield LocaliserStep(
                step,
                loss,
                presence,
                box,
                label,
                learning_rate(self.model.config, step),
                count / (step_end - step_start),
                self.state.seconds,
            )
            if not math.isfinite(loss):
                message = "the loss is not finite; nothing was learnt from this batch"
                yield Alarm(step, "diverged", message)
                raise self._failed(step, message)

    def _failed(self, step: int, message: str) -> SiamkitError:
        return SiamkitError(
            f"training stopped at step {step:,}: {message}",
            hint="lower the rate: `--set learning_rate=0.0005`",
        )

    def _draw(self, step: int) -> Batch:
        """Draw the batch of a step, which depends on the seed, the step and the process alone."""
        config = self.model.config
        rng = np.random.default_rng([config.seed, step, self.processes.rank])
        groups = rng.choice(len(self._groups), config.batch, p=self._weights)
        rows = np.array([rng.choice(self._groups[group]) for group in groups], np.int64)
        return self.model.batch(rows, rng)

    def _learn(self, step: int, batch: Batch) -> list[float]:
        """Take a step; return the loss and its parts. If one is not finite, nothing is learnt."""
        config = self.model.config
        for group, share in zip(self.optimiser.param_groups, self._rates, strict=True):
            group["lr"] = learning_rate(config, step) * share
        self.optimiser.zero_grad(set_to_none=True)
        torch.manual_seed(step_seed(config.seed, step, self.processes.rank))  # of dropout
        self.model.train()
        answers = self.model.answer(batch, self.device)
        parts = losses(answers, batch.labels.to(self.device), batch.boxes.to(self.device))
        parts.total.backward()  # type: ignore[no-untyped-call]
        self.processes.average_gradients(self.parameters())
        norm = nn.utils.clip_grad_norm_(self.parameters(), CLIP)
        values = [float(part.detach()) for part in (parts.presence, parts.box, parts.label)]
        total = sum(values)
        if math.isfinite(total) and bool(torch.isfinite(norm)):
            self.optimiser.step()
            return [total, *values]
        return [math.nan, *values]

    def _evaluate(self, step: int) -> Iterator[Event]:
        self.processes.average_buffers(self.model.trained)
        if not len(self.validated):
            return
        measured = None
        numbers = [math.nan] * 6
        if self.processes.first:
            measured = measure(self.model, self.validated, self.device)
            rates = measured.hits, measured.right_labels, measured.iou, measured.auc
            numbers = [measured.loss, measured.error]
            numbers += [math.nan if rate is None else rate for rate in rates]
        loss, error, *rates_shared = self.processes.share(numbers)
        best = (error, loss) < (self.state.error, self.state.loss)
        if best:
            self.state.error, self.state.loss = error, loss
        self.state.since = 0 if best else self.state.since + 1
        if best and measured is not None:
            self._keep_best(step, measured)
        hits, labels, iou, auc = (None if math.isnan(rate) else rate for rate in rates_shared)
        yield LocaliserEvaluated(step, loss, error, hits, labels, iou, auc, best)

    def _keep_best(self, step: int, measured: Measured) -> None:
        facts = {"step": step, "error": measured.error}
        checkpoint.write(self.folder / BEST, self._network(), facts)
        with replacing(self.folder / EMBEDDINGS) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                rows=self.validated,
                boxes=measured.boxes,
                scores=measured.scores,
                labels=measured.labels,
            )

    def _network(self) -> dict[str, Tensor]:
        return checkpoint.under("network.", self.model.trained.state_dict())

    def _save(self, step: int) -> Iterator[Event]:
        self.state.step = step
        if not self.processes.first:
            return
        optimiser = checkpoint.optimiser_tensors(self.optimiser)
        tensors = self._network() | checkpoint.under("optimiser.", optimiser)
        if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
            raise self._failed(step, "the weights are not finite")
        state = self.state
        facts = {
            "step": step,
            "error": state.error if math.isfinite(state.error) else None,
            "loss": state.loss if math.isfinite(state.loss) else None,
            "since": state.since,
            "seconds": state.seconds,
            "processes": self.processes.world,
        }
        checkpoint.write(self.folder / LAST, tensors, facts)
        yield Saved(step, self.folder / LAST)

    def load(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Restore what `_save` wrote. Raises KeyError, TypeError, ValueError or RuntimeError."""
        self.model.trained.load_state_dict(checkpoint.part(tensors, "network."))
        checkpoint.load_optimiser(self.optimiser, checkpoint.part(tensors, "optimiser."))
        if not (type(facts["step"]) is type(facts["since"]) is int and facts["step"] >= 0):
            raise TypeError("its step is not a whole number")
        error, loss = (math.inf if facts[key] is None else facts[key] for key in ("error", "loss"))
        self.state = State(facts["step"], error, loss, facts["since"], facts["seconds"])


def draw_weights(labels: NDArray[np.int64], nothing: float) -> NDArray[np.float64]:
    """Return the share of each label in a batch, in ascending order; below 0 is nothing.

    Labels have shares as the square roots of their numbers, so that rare ones are drawn more often
    than they occur. Pictures that show nothing have the share `nothing`, if there are some.
    """
    values, counts = np.unique(labels, return_counts=True)
    weights = np.sqrt(counts.astype(np.float64))
    is_label = values >= 0
    if is_label.all():
        weights /= weights.sum()
        return weights
    weights[is_label] *= (1 - nothing) / weights[is_label].sum()
    weights[~is_label] = nothing
    return weights
