"""Cross-validate: every identity is validated on once, by an encoder that never saw it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median_low
from typing import Any

from siamkit.errors import BadInput
from siamkit.io import foreign
from siamkit.io.sources import to_text
from siamkit.sdk.model_folder import read_card
from siamkit.store import Store
from siamkit.train import folder as run_folder
from siamkit.train.config import TrainConfig
from siamkit.train.data import Prepared, load
from siamkit.train.events import Event, Saved, Stopped, Verdict
from siamkit.train.extend import read_step, require_same
from siamkit.train.folder import ENCODER, Origin
from siamkit.train.run import TrainingRun
from siamkit.train.series.folder import (
    PREPARED,
    export_copy,
    prepare_once,
    require_single_process,
    write_plan,
)
from siamkit.train.series.trial import DONE, Trial, TrialResult
from siamkit.train.split import Split
from siamkit.train.start import Plan, prepare_runs, read_start
from siamkit.types import Progress, Threshold, ignore_progress

FOLDS = "folds.json"  # how many there are and, once they are done, what they measured
PARTS, FINAL = "folds", "final"  # the folder of the folds' folders, and that of the final run


@dataclass(frozen=True, slots=True)
class FoldsResult:
    """The outcome of a cross-validation. Rates are in [0, 1], over the pairs of all folds.

    Examples:
        >>> run = ws.train_folds("photos", "run", modality="faces")  # doctest: +SKIP
        >>> run.result().rates  # doctest: +SKIP
    """

    run: str  # its folder
    modality: str
    name: str  # of the encoder
    folds: list[TrialResult]
    step: int  # the median of the folds' best steps, which the final encoder is trained for
    rates: Mapping[str, float | None]  # by name; low and high are the interval of the error
    gained: bool | None  # over what needs no training; None: there is nothing to compare with
    verdict: Verdict  # the particulars
    threshold: Threshold | None  # with the rates at it
    encoder: str | None  # trained on all identities; None if nothing was gained
    fingerprint: str | None


@dataclass(frozen=True, slots=True)
class FinalTrial(Trial):
    """The run on all identities, which ends at a step that the folds have chosen."""

    step: int = 0

    def events(self) -> Iterator[Event]:
        """Train to that step, from the last checkpoint if there is one; yield what happens."""
        run = TrainingRun.open(self.folder)
        stopped = Stopped(self.step, "the median best step of the folds")
        if read_step(self.folder) < self.step:
            for event in run.events():
                yield event
                if isinstance(event, Saved) and event.step == self.step:
                    break
        run.export()
        yield stopped


@dataclass(frozen=True, slots=True, eq=False)
class FoldsRun:
    """A cross-validation whose examples are prepared: `events` trains the folds, then the rest.

    Examples:
        >>> run = ws.train_folds("photos", "run", modality="faces", folds=5)  # doctest: +SKIP
    """

    folder: Path
    origin: Origin
    config: TrainConfig
    count: int  # of the folds
    prepared: Prepared
    examples: int = 0  # how many were read; 0 if the arrays of an earlier start were used
    form: str = ""  # of a table of pairs: what was read, in one line

    @staticmethod
    def is_begun_in(folder: str | Path) -> bool:
        """True if a cross-validation was begun in a folder."""
        return (Path(folder) / FOLDS).exists()

    @classmethod
    def open(cls, folder: str | Path) -> FoldsRun:
        """Open one that was begun before. Raises BadInput if nothing is prepared there."""
        folder = Path(folder)
        origin, config = run_folder.reopen(folder, Origin, TrainConfig)
        if not (prepared := load(folder / FINAL)):
            raise BadInput(
                f"{to_text(folder)} holds no prepared data", hint="resume it first, with `--resume`"
            )
        return cls(folder, origin, config, _read_count(folder), prepared)

    @property
    def trials(self) -> list[Trial]:
        """The folds in their order."""
        return [
            Trial(
                f"fold {number}", self.folder / PARTS / str(number), {}, self.config, exports=False
            )
            for number in range(1, self.count + 1)
        ]

    def trained_here(self) -> AbstractContextManager[None]:
        """Let no other process train any of them until the block ends; BadInput if one does."""
        return run_folder.trained_here(self.folder)

    def events(self) -> Iterator[tuple[Trial, Event]]:
        """Train the folds that are not done, then the final encoder unless they gained nothing.

        Yields what happens in each. Raises SiamkitError if a fold fails.
        """
        with self.trained_here():
            for trial in self.trials:
                for event in trial.events():
                    yield trial, event
            result = self.conclude()
            if result.gained is not False:
                final = self.final()
                for event in final.events():
                    yield final, event
                self.export()

    def final(self) -> FinalTrial:
        """Return the run on all identities. Raises BadInput unless all folds are done."""
        config = _of_all(self.config)
        step = _median_step(self._done())
        if step == 0:
            raise BadInput(
                f"no step of {to_text(self.folder)} is better than the first weights",
                hint="there is nothing to export; try another learning_rate or loss",
            )
        return FinalTrial("final", self.folder / FINAL, {}, config, step=step)

    def conclude(self) -> FoldsResult:
        """Pool what the folds measured, and write it to folds.json.

        Raises BadInput unless all folds are done.
        """
        result = self.result()
        document = {"folds": self.count, PREPARED: True, "result": asdict(result)}
        write_plan(self.folder / FOLDS, document)
        return result

    def export(self) -> FoldsResult:
        """Write the folder `encoder`: the final encoder, with the threshold and the pooled rates.

        It is trained first if need be, whether or not anything was gained.
        """
        from siamkit.train.card import mean_mated
        from siamkit.train.series import pool

        final = self.final()
        if read_step(final.folder) < final.step or not (final.folder / ENCODER).exists():
            for _ in final.events():
                pass
        folds = pool.read_folds([trial.folder for trial in self.trials])
        scores = pool.score([(fold.vectors, fold.held) for fold in folds])
        steps = [fold.best_step or 0 for fold in self._done()]
        export_copy(
            final.folder / ENCODER,
            self.folder / ENCODER,
            pool.facts(scores, pool.measure(folds, scores), steps),
            threshold=pool.threshold(scores, self.count),
            mated=mean_mated(scores),
        )
        return self.conclude()

    def result(self) -> FoldsResult:
        """Pool what the folds measured. Raises BadInput unless all folds are done."""
        from siamkit.train.modality import can_freeze, load_modality
        from siamkit.train.series import pool
        from siamkit.train.validation import as_event

        results = self._done()
        folds = pool.read_folds([trial.folder for trial in self.trials])
        scores = pool.score([(fold.vectors, fold.held) for fold in folds])
        step = _median_step(results)
        modality = load_modality(self.origin.modality, self.config)
        freezes = can_freeze(modality, self.config)
        verdict = pool.judge(folds, step, self.config, can_freeze=freezes)
        encoder = self.folder / ENCODER
        return FoldsResult(
            run=str(self.folder),
            modality=self.origin.modality,
            name=self.origin.name,
            folds=results,
            step=step,
            rates=as_event(pool.measure(folds, scores)),
            gained=verdict.gained if step else False,
            verdict=verdict,
            threshold=pool.threshold(scores, self.count),
            encoder=str(encoder) if encoder.exists() else None,
            fingerprint=read_card(encoder).fingerprint if encoder.exists() else None,
        )

    def _done(self) -> list[TrialResult]:
        results = [trial.result() for trial in self.trials]
        waiting = [result.name for result in results if result.state != DONE]
        if waiting:
            raise BadInput(
                f"{to_text(self.folder)}: {', '.join(waiting)} not done yet",
                hint="`--resume` goes on",
            )
        return results


def start_folds(
    folder: Path,
    changes: Mapping[str, Any],
    config: TrainConfig | Mapping[str, Any],
    count: int | None,
    open_store: Callable[[], Store],
    *,
    resume: bool,
    progress: Progress = ignore_progress,
) -> FoldsRun:
    """Begin a cross-validation in a new folder, or reopen one; prepare its examples once.

    changes, config, open_store: see siamkit.train.start.start_run. count: of the folds, from 2 to
    half of the identities; None if one is reopened.

    Raises BadInput as `start_run` does, for too many folds, and if it would go on otherwise. What
    is new and fails here leaves no file.
    """
    require_single_process()
    start = read_start(folder, changes, config, resume=resume)
    if resume:
        count = _require_same_count(folder, count)
        require_same(folder, start)
    if count is None or count < 2:
        raise BadInput(f"folds = {count}", hint="give `--folds 2` or more")
    config = start.config
    plans = [
        Plan(folder / PARTS / str(part + 1), config, Split(1 / count, config.seed, (part, count)))
        for part in range(count)
    ]
    plans.append(Plan(folder / FINAL, _of_all(config), Split(0.0, config.seed)))
    if not resume:
        run_folder.begin(folder, start.origin, config)
        write_plan(folder / FOLDS, {"folds": count})

    def prepare() -> tuple[int, str]:
        runs = prepare_runs(plans, start.origin, open_store, resume=resume, progress=progress)
        return runs[0].examples, runs[0].form

    examples, form = prepare_once(folder / FOLDS, {"folds": count}, plans, prepare, resume=resume)
    prepared = load(folder / FINAL)
    assert prepared is not None  # it is one of those above
    return FoldsRun(folder, start.origin, config, count, prepared, examples, form)


def _require_same_count(folder: Path, asked: int | None) -> int:
    """Return how many folds there are in a folder. Raises BadInput if others are asked for."""
    count = _read_count(folder)
    if asked not in (None, count):
        raise BadInput(
            f"{to_text(folder)} has {count} folds, not {asked}",
            hint="`--resume` alone goes on with them; another `-o` starts afresh",
        )
    return count


def _of_all(config: TrainConfig) -> TrainConfig:
    """Return the settings of the run on all identities."""
    return replace(config, validation=0.0)


def _median_step(folds: Sequence[TrialResult]) -> int:
    """Return the lower median of the best steps: one at which a checkpoint is written."""
    return median_low([fold.best_step or 0 for fold in folds])


def _read_count(folder: Path) -> int:
    try:
        return int(foreign.require_object(foreign.read_json(folder / FOLDS), "folds")["folds"])
    except (BadInput, ValueError, TypeError) as error:
        raise BadInput(
            f"{to_text(folder)} does not hold a cross-validation to resume: {FOLDS}: {error}",
            hint="give the folder of one; a new one begins without `--resume`",
        ) from error
