"""Follow the trials of a sweep, and print how they compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

import siamkit as sk
from siamkit.cli.output import echo, emit_json, print_error, stderr, table
from siamkit.cli.settings_text import parse_grid
from siamkit.cli.watch import follow
from siamkit.errors import BadInput, SiamkitError

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


def is_series(run: Path, sweeps: Sequence[str], seeds: int | None, resume: bool) -> bool:
    """True if several runs are asked for, or are to be resumed."""
    return bool(sweeps) or seeds is not None or (resume and sk.SweepRun.is_begun_in(run))


def grid_of(sweeps: Sequence[str], settings: Mapping[str, Any]) -> dict[str, list[Any]] | None:
    """Return the values of each setting, None for no sweep. Raises BadInput for a key set, too."""
    grid = parse_grid(sweeps)
    for key in grid.keys() & settings.keys():
        raise BadInput(f"{key} is in --set and in --sweep", hint="leave one of them out")
    return grid or None


def run_sweep(sweep: sk.SweepRun, loggers: Sequence[str], as_json: bool) -> None:
    """Train the trials one after the other, and print how they compare."""
    trials = sweep.trials
    for number, trial in enumerate(trials, 1):
        stderr(f"trial {number} of {len(trials)}: {trial.name}")
        try:
            follow(trial, loggers, sweep.folder)
        except SiamkitError as error:
            print_error(error)
    print_sweep(sweep.conclude(), as_json)


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
        echo("no encoder is exported: no trial is better than what needs no training")


def _row(setting: SettingResult, measured: Sequence[str]) -> list[str]:
    error = setting.error
    counts = f"{setting.trials}" + (f", {setting.failed} failed" if setting.failed else "")
    if error is None:
        return [setting.name or "-", counts, *["-"] * (len(measured) + 4)]
    deviation = "-" if error.deviation is None else f"{error.deviation:.2%}"
    rates = [_mean(setting.rates.get(name)) for name in measured]
    between = f"{error.lowest:.2%} to {error.highest:.2%}"
    gained = f"{setting.gained} of {setting.trials}"
    return [setting.name or "-", counts, f"{error.mean:.2%}", deviation, between, *rates, gained]


def _mean(rate: Spread | None) -> str:
    return "-" if rate is None else f"{rate.mean:.2%}"
