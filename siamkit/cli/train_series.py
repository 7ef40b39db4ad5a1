"""Follow the trials of a sweep, and print how they compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

import siamkit as sk
from siamkit.cli.output import describe_threshold, echo, emit_json, print_error, stderr, table
from siamkit.cli.settings_text import parse_grid
from siamkit.cli.watch import follow, print_ending
from siamkit.errors import BadInput, SiamkitError
from siamkit.io.commands import suggest

if TYPE_CHECKING:
    from siamkit.train.series.compare import SettingResult, Spread

# Headings of the rates that are printed, by name; --json has all of them.
HEADINGS = {
    "eer": "EER",
    "eer_hard": "EER hard",
    "eer_impostors": "EER impostors",
    "recall_at_1": "R@1",
    "map_at_r": "mAP@R",
}
sweep = click.option(
    "--sweep",
    "sweeps",
    multiple=True,
    metavar="KEY=A,B,…",
    help="Train with each of these values, and compare; twice: every combination.",
)
seeds = click.option(
    "--seeds", type=int, metavar="N", help="Repeat a sweep with so many seeds [default: 1]."
)


folds = click.option(
    "--folds",
    type=int,
    metavar="K",
    help="Cross-validate: validate on each K-th of the identities in turn, then train on all.",
)


@dataclass(frozen=True, slots=True)
class SeriesOptions:
    """The options that ask for several runs, and --set."""

    sweeps: Sequence[str]
    seeds: int | None
    folds: int | None
    settings: Mapping[str, Any]

    def kind(self, run: Path, resume: bool) -> type[sk.SweepRun | sk.FoldsRun] | None:
        """Return what they ask for, or what is to be resumed; None for a single run.

        Raises UsageError for both kinds, BadInput for several runs under torchrun.
        """
        is_sweep = bool(self.sweeps) or self.seeds is not None
        is_sweep = is_sweep or (resume and sk.SweepRun.is_begun_in(run))
        is_folds = self.folds is not None or (resume and sk.FoldsRun.is_begun_in(run))
        if is_sweep and is_folds:
            raise click.UsageError("--folds goes with neither --sweep nor --seeds.")
        if is_sweep or is_folds:
            sk.SweepRun.require_single_process()
        return sk.SweepRun if is_sweep else sk.FoldsRun if is_folds else None

    def start(
        self,
        ws: sk.Workspace,
        kind: type[sk.SweepRun | sk.FoldsRun] | None,
        data: str | None,
        run: Path,
        **arguments: Any,
    ) -> sk.TrainingRun | sk.SweepRun | sk.FoldsRun:
        """Prepare one run, or several of a kind; see Workspace.train for the arguments."""
        if arguments.get("detector") == "none":
            arguments["detector"] = None  # samples are taken whole
        if kind is sk.SweepRun:
            return ws.train_sweep(data, run, sweep=self._grid(), seeds=self.seeds, **arguments)
        if kind is sk.FoldsRun:
            return ws.train_folds(data, run, folds=self.folds, **arguments)
        return ws.train(data, run, **arguments)

    def _grid(self) -> dict[str, list[Any]] | None:
        """Return the values of each setting, None for no sweep."""
        grid = parse_grid(self.sweeps)
        for key in grid.keys() & self.settings.keys():
            raise BadInput(f"{key} is in --set and in --sweep", hint="leave one of them out")
        return grid or None


def run(series: sk.SweepRun | sk.FoldsRun, loggers: Sequence[str], as_json: bool) -> None:
    """Train the runs of a series one after the other, and print how they compare."""
    earlier = [name for t in series.trials for name in sk.training_log.loggers_of(t.folder)]
    loggers = [*loggers, *earlier]
    with series.trained_here():
        if isinstance(series, sk.SweepRun):
            _run_sweep(series, loggers)
            print_sweep(series.conclude(), as_json)
        else:
            print_folds(_run_folds(series, loggers), as_json)


def export(folder: Path, as_json: bool) -> bool:
    """Export the encoder of a sweep or a cross-validation; False if the folder has neither."""
    if sk.SweepRun.is_begun_in(folder):
        print_sweep(sk.SweepRun.open(folder).conclude(exports_any=True), as_json)
        return True
    if sk.FoldsRun.is_begun_in(folder):
        print_folds(_export_folds(sk.FoldsRun.open(folder), ()), as_json)
        return True
    return False


def _run_sweep(sweep: sk.SweepRun, loggers: Sequence[str]) -> None:
    trials = sweep.trials
    for number, trial in enumerate(trials, 1):
        stderr(f"trial {number} of {len(trials)}: {trial.name}")
        try:
            follow(trial, loggers, sweep.folder)
        except SiamkitError as error:
            print_error(error)


def _run_folds(folds: sk.FoldsRun, loggers: Sequence[str]) -> sk.FoldsResult:
    for trial in folds.trials:
        stderr(f"{trial.name} of {folds.count}")
        follow(trial, loggers, folds.folder)
    result = folds.conclude()
    return result if result.gained is False else _export_folds(folds, loggers)


def _export_folds(folds: sk.FoldsRun, loggers: Sequence[str]) -> sk.FoldsResult:
    final = folds.final()
    stderr(f"the encoder, on all identities, to step {final.step:,}")
    follow(final, loggers, folds.folder)
    return folds.export()


def print_folds(result: sk.FoldsResult, as_json: bool) -> None:
    """Print the rates of each fold and of all, the threshold, the verdict and the encoder."""
    if as_json:
        emit_json(asdict(result))
        return
    measured = [name for name in HEADINGS if result.rates.get(name) is not None]
    rows = [
        [fold.name, f"{fold.best_step:,}", f"{fold.error:.2%}"]
        + [f"{fold.rates[name]:.2%}" if name in fold.rates else "-" for name in measured]
        for fold in result.folds
        if fold.best_step is not None and fold.error is not None
    ]
    rates = {name: "-" if rate is None else f"{rate:.2%}" for name, rate in result.rates.items()}
    rows.append(["all pairs", f"{result.step:,}", rates["error"], *(rates[n] for n in measured)])
    table(["fold", "best step", "error", *(HEADINGS[name] for name in measured)], rows)
    if result.rates["low"] is not None:
        echo(f"95% interval of the error over identities: {rates['low']} to {rates['high']}")
    if result.threshold:
        echo(f"{describe_threshold(result.threshold)}: {result.threshold.source}")
    else:
        echo("no threshold: the pairs are too few to show a false match rate of 10%")
    print_ending(result)


def print_sweep(result: sk.SweepResult, as_json: bool) -> None:
    """Print a table of the settings, the verdict, and the encoder of the best trial."""
    if as_json:
        emit_json(asdict(result))
        return
    measured = [name for name in HEADINGS if any(name in s.rates for s in result.settings)]
    head = ["setting", "trials", "error", "SD", "lowest to highest"]
    head += [HEADINGS[name] for name in measured] + ["gained"]
    table(head, [_row(setting, measured) for setting in result.settings])
    for trial in result.trials:
        if trial.state != "done":
            stderr(f"{trial.name} {trial.state}" + (f": {trial.fault}" if trial.fault else ""))
    echo(result.verdict.text)
    if result.encoder and result.exported:
        echo(f"encoder: {result.encoder}, of {result.exported}")
        echo(
            f"next: siamkit galleries create {quote(result.name)} -m {result.modality}"
            f" --encoder {quote(result.encoder)}"
        )
    else:
        echo("no encoder is exported: no trial gained anything beyond chance over no training")
        echo(f"`{suggest('train export', result.sweep)}` exports the best all the same")


def _row(setting: SettingResult, measured: Sequence[str]) -> list[str]:
    error = setting.error
    counts = f"{setting.trials}" + (f", {setting.failed} failed" if setting.failed else "")
    name = setting.name or "as given"
    if error is None:
        return [name, counts, *["-"] * (len(measured) + 4)]
    deviation = "-" if error.deviation is None else f"{error.deviation:.2%}"
    rates = [_mean(setting.rates.get(name)) for name in measured]
    between = f"{error.lowest:.2%} to {error.highest:.2%}"
    gained = f"{setting.gained} of {setting.trials}"
    return [name, counts, f"{error.mean:.2%}", deviation, between, *rates, gained]


def _mean(rate: Spread | None) -> str:
    return "-" if rate is None else f"{rate.mean:.2%}"
