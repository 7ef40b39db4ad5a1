"""One of several runs on the same examples: an ordinary run folder, and how it went."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput, SiamkitError
from siamkit.io import atomic, foreign
from siamkit.train.config import TrainConfig
from siamkit.train.events import Evaluated, Event, Stopped, Verdict
from siamkit.train.record import RECORD, read_record, sum_up
from siamkit.train.run import TrainingRun

OUTCOME = "outcome.json"  # in a trial's folder, once it has ended
DONE, FAILED, WAITING = "done", "failed", "waiting"


@dataclass(frozen=True, slots=True)
class TrialResult:
    """The outcome of a trial so far. Rates are in [0, 1]."""

    name: str
    settings: Mapping[str, Any]  # in which the trials differ
    seed: int
    folder: str
    state: str  # done, failed or waiting, as is a trial that was interrupted
    fault: str | None  # the reason, of a failed one
    steps: int
    best_step: int | None
    error: float | None  # at the best step, by which trials are compared
    rates: Mapping[str, float] = field(default_factory=dict)  # at the best step, by name
    gained: bool | None = None  # over what needs no training; None if that was not measured
    fall: float | None = None  # of the error: from that, or else from the first weights


@dataclass(frozen=True, slots=True)
class Trial:
    """A run of several: `events` trains it."""

    name: str
    folder: Path
    settings: Mapping[str, Any]  # in which the trials differ
    config: TrainConfig  # all settings
    exports: bool = True  # write an encoder folder at the end, if something was gained

    def events(self) -> Iterator[Event]:
        """Train to the end, from the last checkpoint if there is one; yield what happens.

        A trial that is done yields how it stopped. Raises SiamkitError if it fails.
        """
        if self._outcome()["state"] == DONE:
            yield [e for e in read_record(self.folder) if isinstance(e, Stopped)][-1]
            return
        try:
            yield from TrainingRun.open(self.folder).events(exports=self.exports)
        except SiamkitError as error:
            self._end(FAILED, str(error))
            raise
        self._end(DONE)

    def result(self) -> TrialResult:
        """Sum up the record. Raises BadInput if it is damaged."""
        outcome = self._outcome()
        events = read_record(self.folder) if (self.folder / RECORD).exists() else []
        summary = sum_up(events, Evaluated)
        first, best = summary.first, summary.best
        verdict = next((event for event in reversed(events) if isinstance(event, Verdict)), None)
        fall = selection_error(first) - selection_error(best) if first and best else None
        if verdict and verdict.before is not None and verdict.error is not None:
            fall = verdict.before - verdict.error
        return TrialResult(
            name=self.name,
            settings=self.settings,
            seed=self.config.seed,
            folder=str(self.folder),
            state=outcome["state"],
            fault=outcome.get("fault"),
            steps=summary.steps,
            best_step=best.step if best else None,
            error=selection_error(best) if best else None,
            rates=rates_of(best) if best else {},
            gained=verdict.gained if verdict else None,
            fall=fall,
        )

    def _end(self, state: str, fault: str | None = None) -> None:
        outcome = {"state": state, "fault": fault}
        atomic.replace_text(self.folder / OUTCOME, json.dumps(outcome) + "\n")

    def _outcome(self) -> Mapping[str, Any]:
        path = self.folder / OUTCOME
        if not path.exists():
            return {"state": WAITING}
        try:
            outcome: dict[str, Any] = foreign.require_object(foreign.read_json(path), "state")
        except ValueError as error:
            raise BadInput(f"{path} is damaged: {error}", hint="delete it") from error
        return outcome


def selection_error(evaluated: Evaluated) -> float:
    """Return the error by which the best step is chosen, in [0, 1]."""
    return evaluated.eer if evaluated.error is None else evaluated.error


def rates_of(evaluated: Evaluated) -> dict[str, float]:
    """Return the rates that were measured, by name; not the interval of the error."""
    names = [item.name for item in fields(evaluated) if item.name not in ("error", "low", "high")]
    values = {name: getattr(evaluated, name) for name in names}
    return {name: value for name, value in values.items() if type(value) is float}
