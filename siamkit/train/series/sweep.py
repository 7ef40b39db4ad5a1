"""Train every combination of some settings with several seeds, compare them, export the best."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput, SiamkitError
from siamkit.io import foreign
from siamkit.io.sources import to_text
from siamkit.store import Store
from siamkit.train import folder as run_folder
from siamkit.train.config import TrainConfig
from siamkit.train.data import Prepared, load, warn_of_few
from siamkit.train.events import Event
from siamkit.train.extend import require_same
from siamkit.train.folder import ENCODER, Origin
from siamkit.train.run import TrainingRun
from siamkit.train.series import compare
from siamkit.train.series.folder import (
    PREPARED,
    arrays_of,
    export_copy,
    prepare_once,
    require_single_process,
    write_plan,
)
from siamkit.train.series.grid import points
from siamkit.train.series.trial import DONE, FAILED, Trial, TrialResult
from siamkit.train.split import Split
from siamkit.train.start import Plan, prepare_runs, read_start
from siamkit.types import Progress, ignore_progress

SWEEP = "sweep.json"  # what is swept over and, once trials are done, how they compare
TRIALS = "trials"  # the folder of the trials' folders


@dataclass(frozen=True, slots=True)
class SweepResult:
    """The trials of a sweep so far, and how their settings compare.

    Examples:
        >>> ws.train_sweep("photos", "sweep", modality="faces").result()  # doctest: +SKIP
    """

    sweep: str  # its folder
    modality: str
    name: str  # of the encoder
    trials: list[TrialResult]
    settings: list[compare.SettingResult]  # in the order of the grid
    verdict: compare.Verdict
    exported: str | None  # the trial whose encoder is the sweep's
    encoder: str | None  # the encoder folder; None if no trial gained anything


@dataclass(frozen=True, slots=True, eq=False)
class SweepRun:
    """A sweep whose examples are prepared: `events` trains its trials.

    Examples:
        >>> sweep = ws.train_sweep("photos", "sweep", modality="faces")  # doctest: +SKIP
    """

    folder: Path
    origin: Origin
    config: TrainConfig  # that all trials share
    grid: Mapping[str, Sequence[Any]]
    seeds: int
    prepared: Prepared  # of the first trial
    examples: int = 0  # how many were read; 0 if the arrays of an earlier start were used
    form: str = ""  # of a table of pairs: what was read, in one line

    @staticmethod
    def is_begun_in(folder: str | Path) -> bool:
        """True if a sweep was begun in a folder."""
        return (Path(folder) / SWEEP).exists()

    @staticmethod
    def require_single_process() -> None:
        """Raise BadInput under torchrun, in each of its processes."""
        require_single_process()

    @classmethod
    def open(cls, folder: str | Path) -> SweepRun:
        """Open a sweep that was begun before. Raises BadInput if nothing is prepared there."""
        folder = Path(folder)
        origin, config = run_folder.reopen(folder, Origin, TrainConfig)
        grid, seeds = _read_plan(folder)
        first = points(config, grid, seeds)[0]
        if not (prepared := load(folder / TRIALS / first.name)):
            raise BadInput(
                f"{to_text(folder)} holds no prepared data",
                hint="resume the sweep first, with `--resume`",
            )
        return cls(folder, origin, config, grid, seeds, prepared)

    @property
    def trials(self) -> list[Trial]:
        """The trials in their order: one per combination of values and seed."""
        return [
            Trial(point.name, self.folder / TRIALS / point.name, point.settings, point.config)
            for point in points(self.config, self.grid, self.seeds)
        ]

    def trained_here(self) -> AbstractContextManager[None]:
        """Let no other process train any of them until the block ends; BadInput if one does."""
        return run_folder.trained_here(self.folder)

    def events(self) -> Iterator[tuple[Trial, Event | SiamkitError]]:
        """Train the trials that are not done, one after the other; yield what happens in each.

        A trial that fails yields its error, and the others go on. At the end the sweep is
        concluded. Raises SiamkitError if all trials have failed.
        """
        with self.trained_here():
            for trial in self.trials:
                try:
                    for event in trial.events():
                        yield trial, event
                except SiamkitError as error:
                    yield trial, error
            self.conclude()

    def conclude(self, *, exports_any: bool = False) -> SweepResult:
        """Compare the trials so far, write it to sweep.json, and export the best trial's encoder.

        The best trial is that whose error fell most among those of the best setting that gained
        something: each seed has other validation identities, and the lowest error may be that of
        the easiest. exports_any: if none gained, take one all the same. Raises SiamkitError if no
        trial is done.
        """
        results = [trial.result() for trial in self.trials]
        if not any(result.state == DONE for result in results):
            faults = [result.fault for result in results if result.state == FAILED]
            raise SiamkitError(
                f"no trial of {to_text(self.folder)} is done"
                + (f"; {len(faults)} failed, the first: {faults[0]}" if faults else ""),
                hint="`--resume` goes on, and tries again what has failed",
            )
        best = _best_trial(results, exports_any)
        if best and not (Path(best.folder) / ENCODER).exists():
            TrainingRun.open(best.folder).export()
        if best:
            facts = {"trial": best.name, "trials": len(results), "seeds": self.seeds}
            export_copy(Path(best.folder) / ENCODER, self.folder / ENCODER, {"sweep": facts})
        result = self._result(results, best)
        document = _plan(self.grid, self.seeds) | {PREPARED: True, "result": asdict(result)}
        write_plan(self.folder / SWEEP, document)
        return result

    def result(self) -> SweepResult:
        """Compare the trials so far; nothing is written."""
        results = [trial.result() for trial in self.trials]
        return self._result(results, _best_trial(results))

    def _result(self, results: list[TrialResult], best: TrialResult | None) -> SweepResult:
        settings = compare.summarise(results)
        encoder = self.folder / ENCODER
        return SweepResult(
            sweep=str(self.folder),
            modality=self.origin.modality,
            name=self.origin.name,
            trials=results,
            settings=settings,
            verdict=compare.judge(results, settings),
            exported=best.name if best else None,
            encoder=str(encoder) if best and encoder.exists() else None,
        )


def start_sweep(
    folder: Path,
    changes: Mapping[str, Any],
    config: TrainConfig | Mapping[str, Any],
    grid: Mapping[str, Sequence[Any]] | None,
    seeds: int | None,
    open_store: Callable[[], Store],
    *,
    resume: bool,
    progress: Progress = ignore_progress,
) -> SweepRun:
    """Begin a sweep in a new folder, or reopen one, and prepare its examples once for all trials.

    changes, config, open_store: see siamkit.train.start.start_run. grid: the values of each
    setting. seeds: how many; default: one. When a sweep is reopened, both default to those of the
    sweep.

    Raises BadInput as `start_run` does, for a grid that cannot be trained, and if a sweep would go
    on with another grid or other settings. A new sweep that fails here leaves no file.
    """
    require_single_process()
    start = read_start(folder, changes, config, resume=resume)
    if resume:
        plan = _read_plan(folder)
        _require_same_grid(folder, plan, (grid, seeds))
        require_same(folder, start)
        grid, seeds = plan
    grid, seeds, config = grid or {}, 1 if seeds is None else seeds, start.config
    if not config.validation:
        raise BadInput(
            "validation = 0 leaves a sweep nothing to compare trials by",
            hint="leave validation out, or train a single run",
        )
    plans = [
        Plan(folder / TRIALS / t.name, t.config, Split(t.config.validation, t.config.seed))
        for t in points(config, grid, seeds)
    ]
    if not resume:
        run_folder.begin(folder, start.origin, config)
        write_plan(folder / SWEEP, _plan(grid, seeds))
    examples, form = prepare_once(
        folder / SWEEP,
        _plan(grid, seeds),
        plans,
        lambda: _prepare(plans, start.origin, open_store, resume, progress),
        resume=resume,
    )
    prepared = load(plans[0].folder)
    assert prepared is not None  # it is one of those above
    return SweepRun(folder, start.origin, config, grid, seeds, prepared, examples, form)


def _prepare(
    plans: Sequence[Plan],
    origin: Origin,
    open_store: Callable[[], Store],
    resume: bool,
    progress: Progress,
) -> tuple[int, str]:
    """Prepare the trials; return how many examples were read, and their form.

    Trials whose backbones take the same arrays share them.
    """
    examples, form = 0, ""
    groups: dict[str, list[Plan]] = {}
    for plan in plans:
        groups.setdefault(arrays_of(origin, plan.config), []).append(plan)
    for group in groups.values():
        runs = prepare_runs(group, origin, open_store, resume=resume, progress=progress)
        examples, form = runs[0].examples, runs[0].form
    warn_of_few(runs[0].prepared.dataset)
    return examples, form


def _best_trial(results: Sequence[TrialResult], exports_any: bool = False) -> TrialResult | None:
    """Return the trial to export, see SweepRun.conclude; None if no trial gained anything."""
    order = compare.ranked(compare.summarise(results))
    done = [trial for trial in results if trial.state == DONE and trial.fall is not None]
    gained = [trial for trial in done if trial.gained is not False]
    for trials in (gained, done) if exports_any else (gained,):
        for setting in order:
            rivals = [trial for trial in trials if trial.settings == setting.settings]
            if rivals:
                return max(rivals, key=lambda trial: trial.fall or 0.0)
    return None


def _plan(grid: Mapping[str, Sequence[Any]], seeds: int) -> dict[str, Any]:
    return {"grid": {key: list(values) for key, values in grid.items()}, "seeds": seeds}


def _read_plan(folder: Path) -> tuple[dict[str, list[Any]], int]:
    """Read what is swept over. Raises BadInput if no sweep was begun in a folder."""
    try:
        plan = foreign.require_object(foreign.read_json(folder / SWEEP), "grid", "seeds")
        grid: dict[str, list[Any]] = {key: list(values) for key, values in plan["grid"].items()}
        return grid, int(plan["seeds"])
    except (BadInput, ValueError, TypeError, AttributeError) as error:
        raise BadInput(
            f"{to_text(folder)} does not hold a sweep to resume: {SWEEP}: {error}",
            hint="give the folder of a sweep; a new sweep begins without `--resume`",
        ) from error


def _require_same_grid(
    folder: Path,
    plan: tuple[Mapping[str, Sequence[Any]], int],
    asked: tuple[Mapping[str, Sequence[Any]] | None, int | None],
) -> None:
    grid, seeds = asked
    after = _plan(plan[0] if grid is None else grid, plan[1] if seeds is None else seeds)
    before = _plan(*plan)
    if after != before:
        raise BadInput(
            f"{to_text(folder)} sweeps over {before['grid']} with {before['seeds']} seeds, and now"
            f" it would be {after['grid']} with {after['seeds']}",
            hint="`--resume` alone goes on with it; another `-o` begins a new sweep",
        )
