"""Draw a localiser's run: its curves, and answers about validation pictures at the best step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from siamkit.errors import BadInput
from siamkit.io import foreign
from siamkit.io.printable import printable
from siamkit.io.sources import to_text
from siamkit.train.curves import BLUE, GREEN, GREY, ORANGE, RED, draw_curve, mark_events
from siamkit.train.events import Event, LocaliserEvaluated, LocaliserStarted, LocaliserStep
from siamkit.train.folder import EMBEDDINGS
from siamkit.train.localise.config import MIN_SCORE
from siamkit.train.localise.prepare import Pictures, load

SHOWN = 8  # validation pictures that are drawn, spread evenly
LABEL_CHARS = 24  # of a label over a picture
Answers = tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]


def localiser_figure(run: Path, events: Sequence[Event]) -> Figure:
    """Return the figure of a run so far. Raises BadInput for a damaged file in its folder."""
    figure = Figure(figsize=(15, 8.5), layout="constrained")
    FigureCanvasAgg(figure)
    halves: Any = figure.subfigures(2, 1, height_ratios=(3, 2))
    curves, pictures = halves
    loss, rates = curves.subplots(1, 2)
    steps = [event for event in events if isinstance(event, LocaliserStep)]
    evaluated = [event for event in events if isinstance(event, LocaliserEvaluated)]
    _draw_losses(loss, steps)
    _draw_rates(rates, evaluated)
    for panel in (loss, rates):
        mark_events(panel, events)
    prepared, answers = load(run), _read_answers(run)
    if prepared is not None and answers is not None:
        rows = answers[0]
        if len(rows) and rows.max() < len(prepared.dataset.arrays):
            places = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), SHOWN)).astype(int))
            panels = pictures.subplots(1, len(places), squeeze=False)[0]
            for panel, place in zip(panels, places, strict=True):
                _draw_picture(panel, prepared.dataset, answers, int(place))
            pictures.suptitle("validation: the answer in colour, the truth in white", fontsize=10)
    return figure


def localiser_summary(events: Sequence[Event]) -> str:
    """Say in a line how far a run is."""
    steps = [event.step for event in events if isinstance(event, LocaliserStep)]
    started = [event for event in events if isinstance(event, LocaliserStarted)]
    pictures = f"{started[-1].pictures:,} pictures" if started else ""
    return f"{steps[-1] if steps else 0:,} of {started[-1].steps:,} steps, {pictures}"


def _draw_losses(panel: Axes, steps: Sequence[LocaliserStep]) -> None:
    panel.set_title("loss")
    for name, colour in (("loss", BLUE), ("box", GREEN), ("presence", RED), ("label", ORANGE)):
        if steps:
            draw_curve(panel, steps, name, colour, "sum" if name == "loss" else name)
    panel.set_ylim(bottom=0)
    if steps:
        panel.legend(fontsize=8)


def _draw_rates(panel: Axes, evaluated: Sequence[LocaliserEvaluated]) -> None:
    panel.set_title("validation")
    rates = {
        "hits": "label and box right",
        "labels": "label right",
        "iou": "mean IoU",
        "auc": "AUC",
    }
    for (name, label), colour in zip(rates.items(), (BLUE, ORANGE, GREEN, RED), strict=True):
        values = [getattr(event, name) for event in evaluated]
        if any(value is not None for value in values):
            points = [np.nan if value is None else value for value in values]
            steps = [event.step for event in evaluated]
            panel.plot(steps, points, ".-", color=colour, label=label)
    best = [event.step for event in evaluated if event.best]
    if best:
        panel.axvline(best[-1], color=GREY, linewidth=1, label="best")
        panel.legend(fontsize=8)
    panel.set_ylim(-0.02, 1.02)
    panel.set_xlabel("step")


def _draw_picture(panel: Axes, dataset: Pictures, answers: Answers, place: int) -> None:
    """Draw one validation picture with both boxes."""
    rows, boxes, scores, labels = answers
    row, size = int(rows[place]), dataset.arrays.shape[1]
    panel.imshow(dataset.arrays[row])
    panel.set_axis_off()
    truth = dataset.labels[row]
    if truth >= 0:
        _draw_box(panel, dataset.boxes[row] * size, "white")
    label, name = labels[place], "nothing"
    if scores[place] >= MIN_SCORE and 0 <= label < len(dataset.names):
        name = dataset.names[label]
        _draw_box(panel, boxes[place] * size, GREEN if label == truth else RED)
    panel.set_title(
        printable(f"{name[:LABEL_CHARS]} {scores[place]:.2f}"), fontsize=8, parse_math=False
    )


def _draw_box(panel: Axes, box: NDArray[np.float32], colour: str) -> None:
    left, top, right, bottom = box.tolist()
    panel.add_patch(
        Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=colour)
    )


def _read_answers(run: Path) -> Answers | None:
    path = run / EMBEDDINGS
    if not path.exists():
        return None
    names = "rows", "boxes", "scores", "labels"
    rows, boxes, scores, labels = foreign.read_npz(path, names, hint="delete it")
    if boxes.shape != (len(rows), 4) or not len(rows) == len(scores) == len(labels):
        raise BadInput(f"{to_text(path)} is damaged: its arrays do not match", hint="delete it")
    return rows, boxes, scores, labels
