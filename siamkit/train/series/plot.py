"""Draw the trials of a sweep or a cross-validation in one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from siamkit.io.sources import shorten
from siamkit.train.curves import GREY
from siamkit.train.events import Evaluated
from siamkit.train.record import RECORD, read_record
from siamkit.train.series.folds import FoldsRun
from siamkit.train.series.grid import describe
from siamkit.train.series.sweep import SweepRun
from siamkit.train.series.trial import Trial, selection_error

LEGEND = 12  # most settings in the legend: more would hide the curves
NAME = 40  # characters of a setting on an axis


def is_series(folder: Path) -> bool:
    """True for the folder of a sweep or of a cross-validation."""
    return SweepRun.is_begun_in(folder) or FoldsRun.is_begun_in(folder)


def series_figure(folder: Path) -> tuple[Figure, str]:
    """Draw the error against the steps, and that of the best steps; return it with a summary.

    Trials of one setting have one colour. Raises BadInput for a damaged folder.
    """
    if SweepRun.is_begun_in(folder):
        trials = SweepRun.open(folder).trials
        groups = [describe(trial.settings) or "seeds" for trial in trials]
    else:
        trials = FoldsRun.open(folder).trials
        groups = [trial.name for trial in trials]
    names = list(dict.fromkeys(groups))
    colours = {
        name: colormaps["turbo"](0.05 + 0.9 * n / len(names)) for n, name in enumerate(names)
    }
    figure = Figure(figsize=(13, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    curves, best = figure.subplots(1, 2)
    evaluated = {trial.name: _evaluated(trial) for trial in trials}
    _draw_curves(curves, evaluated, dict(zip(evaluated, groups, strict=True)), colours)
    _draw_best(best, evaluated, groups, names, colours)
    started = sum(bool(events) for events in evaluated.values())
    return figure, f"{started} of {len(trials)} trials"


def _evaluated(trial: Trial) -> list[Evaluated]:
    events = read_record(trial.folder) if (trial.folder / RECORD).exists() else []
    return [event for event in events if isinstance(event, Evaluated)]


def _draw_curves(
    panel: Axes,
    evaluated: Mapping[str, Sequence[Evaluated]],
    groups: Mapping[str, str],
    colours: Mapping[str, tuple[float, ...]],
) -> None:
    labelled = set[str]()
    for name, events in evaluated.items():
        group = groups[name]
        label = None if group in labelled or len(colours) > LEGEND else shorten(group)
        labelled.add(group)
        steps, errors = [e.step for e in events], [selection_error(e) for e in events]
        panel.plot(steps, errors, ".-", color=colours[group], linewidth=1.2, label=label)
    panel.set_title("validation: the error that selects the step")
    panel.set_xlabel("step")
    panel.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
    panel.set_ylim(bottom=0)
    if panel.get_legend_handles_labels()[0]:
        panel.legend(fontsize=8)


def _draw_best(
    panel: Axes,
    evaluated: Mapping[str, Sequence[Evaluated]],
    groups: Sequence[str],
    names: Sequence[str],
    colours: Mapping[str, tuple[float, ...]],
) -> None:
    """Draw a dot per trial, at its best step, and a line at the mean of each setting."""
    for number, name in enumerate(names):
        series = [e for e, g in zip(evaluated.values(), groups, strict=True) if g == name and e]
        errors = [min(map(selection_error, events)) for events in series]
        panel.plot(errors, [number] * len(errors), "o", color=colours[name], alpha=0.7)
        if len(errors) > 1:
            panel.plot([float(np.mean(errors))] * 2, [number - 0.3, number + 0.3], color=GREY)
    panel.set_yticks(range(len(names)), [name[:NAME] for name in names], fontsize=8)
    panel.invert_yaxis()
    panel.set_title("at the best step: each trial, and the mean")
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
