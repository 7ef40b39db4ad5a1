"""Draw a curve over the steps of a run, and the events on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from siamkit.train.events import Alarm, Event, LocaliserStarted, LocaliserStep, Started, Step
from siamkit.train.thinning import POINTS, thin

DOTTED = 40  # most points of a curve that is drawn with dots
BLUE, RED, GREEN, ORANGE, GREY = "#1f6feb", "#d1242f", "#2da44e", "#bf8700", "#8a94a6"


def draw_curve(
    panel: Axes,
    steps: Sequence[Step] | Sequence[LocaliserStep],
    name: str,
    colour: str,
    label: str | None = None,
) -> None:
    """Draw a field of the steps; a long curve is averaged, over its scattered points."""
    values = np.array([getattr(step, name) for step in steps], np.float64)
    numbers = np.array([step.step for step in steps], np.float64)
    style = ".-" if len(steps) <= DOTTED else "-"
    if len(steps) > POINTS:
        stride = -(-len(steps) // (10 * POINTS))  # single steps, to show their scatter
        panel.plot(numbers[::stride], values[::stride], color=colour, alpha=0.2, linewidth=0.5)
    panel.plot(thin(numbers), thin(values), style, color=colour, linewidth=1.5, label=label)
    panel.set_xlabel("step")


def mark_events(panel: Axes, events: Sequence[Event]) -> None:
    """Draw vertical lines where the run was resumed and where an alarm was raised."""
    panel.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    for event in events:
        if isinstance(event, Alarm):
            panel.axvline(event.step, color=ORANGE, linewidth=1, linestyle="--")
            panel.text(
                event.step,
                0.98,
                event.name,
                transform=panel.get_xaxis_transform(),
                fontsize=8,
                color=ORANGE,
                rotation=90,
                va="top",
                ha="right",
            )
        elif isinstance(event, Started | LocaliserStarted) and event.step:
            panel.axvline(event.step, color=GREY, linewidth=0.8, linestyle=":")
