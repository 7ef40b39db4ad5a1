"""Draw a training run: its curves, and a map of the validation identities, or its pictures.

It is drawn from train.jsonl and validation.npz alone, so it works while the run goes on.
"""

from __future__ import annotations

import colorsys
import io
from collections.abc import Sequence
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from siamkit.errors import BadInput
from siamkit.io import foreign
from siamkit.io.atomic import replacing
from siamkit.io.places import real
from siamkit.io.printable import printable
from siamkit.io.sources import to_text
from siamkit.train.curves import BLUE, GREEN, GREY, ORANGE, RED, draw_curve, mark_events
from siamkit.train.events import Evaluated, Event, LocaliserStarted, Started, Step
from siamkit.train.folder import EMBEDDINGS
from siamkit.train.localise.plot import localiser_figure, localiser_summary
from siamkit.train.page import page
from siamkit.train.record import read_record
from siamkit.train.series.plot import is_series, series_figure

PAIRED, MAPPED = 2_000, 3_000  # most validation samples in the histograms and in the map
COLOURED = 20  # most identities in colour on the map; more would look alike
MINERS = ("#d8e6fb", "#dff3e4", "#fbead0", "#f6dbe0", "#e7e0f5", "#e4e7ec")  # backgrounds
MAP_TITLE = "validation: embeddings, two principal components"
PAGES, PICTURES = (".html", ".htm"), (".png",)

# (n, d) embeddings, (n,) labels, (n,) impostor marks
Embedded: TypeAlias = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]


def draw(run: Path, out: Path) -> None:
    """Draw a run, a sweep or folds to a .png, or to an .html page that needs no other file.

    A panel without data says so. Raises BadInput for a folder without a record, for a damaged file
    in it, and for another file name extension.
    """
    if out.suffix.lower() not in PAGES + PICTURES:
        raise BadInput(f"{to_text(out)}: neither .png nor .html", hint=f"give `-o {out.stem}.png`")
    figure, summary = series_figure(run) if is_series(run) else _draw_run(run)
    title = printable(f"{real(run).name}: {summary}")
    figure.suptitle(title, fontsize=12, parse_math=False)
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=100)
    picture = target.getvalue()
    content = page(run, picture).encode() if out.suffix.lower() in PAGES else picture
    with replacing(out) as temporary:
        temporary.write_bytes(content)


def _draw_run(run: Path) -> tuple[Figure, str]:
    events = read_record(run)
    if any(isinstance(event, LocaliserStarted) for event in events):
        return localiser_figure(run, events), localiser_summary(events)
    return _figure(events, _read_embeddings(run)), _summary(events)


def _figure(events: Sequence[Event], embedded: Embedded | None) -> Figure:
    figure = Figure(figsize=(15, 8.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 3)
    steps = [event for event in events if isinstance(event, Step)]
    evaluated = [event for event in events if isinstance(event, Evaluated)]
    count = len(embedded[1]) if embedded else 0
    panels: tuple[tuple[Axes, str, Any, Any], ...] = (
        (axes[0, 0], "loss", steps, _draw_loss),
        (axes[0, 1], "active triplets (background: the miner)", steps, _draw_active),
        (axes[0, 2], "squared distances, mean of a batch", steps, _draw_distances),
        (axes[1, 0], "validation: equal error rate", evaluated, _draw_error_rates),
        (axes[1, 1], "validation: cosines of pairs", count >= 2 and embedded, _draw_scores),
        (axes[1, 2], MAP_TITLE, count >= 3 and embedded, _draw_map),
    )
    for panel, title, values, draw_values in panels:
        panel.set_title(title)
        if values:
            draw_values(panel, values)
        else:
            panel.text(0.5, 0.5, "nothing yet", ha="center", va="center", color=GREY)
            panel.set_axis_off()
    for panel in (*axes[0], axes[1, 0]):
        mark_events(panel, events)
    return figure


def _draw_loss(panel: Axes, steps: Sequence[Step]) -> None:
    draw_curve(panel, steps, "loss", BLUE)


def _draw_active(panel: Axes, steps: Sequence[Step]) -> None:
    """Draw the share of active triplets over stripes in the colours of the miners."""
    draw_curve(panel, steps, "active", BLUE)
    panel.set_ylim(-0.02, 1.02)
    miners = [step.miner for step in steps]
    colours = dict(zip(dict.fromkeys(miners), cycle(MINERS), strict=False))
    starts = [0, *(i for i in range(1, len(miners)) if miners[i] != miners[i - 1])]
    stripes = {}
    for start, end in pairwise([*starts, len(steps) - 1]):
        left, right, miner = steps[start].step, steps[end].step, miners[start]
        stripes[miner] = panel.axvspan(left, right, color=colours[miner], linewidth=0, zorder=0)
    panel.legend(stripes.values(), stripes.keys(), fontsize=8, loc="upper right")


def _draw_distances(panel: Axes, steps: Sequence[Step]) -> None:
    draw_curve(panel, steps, "negative", RED, "anchor – negative")
    draw_curve(panel, steps, "positive", GREEN, "anchor – positive")
    draw_curve(panel, steps, "spread", GREY, "spread of all")
    panel.set_ylim(bottom=0)
    panel.legend(fontsize=8)


def _draw_error_rates(panel: Axes, evaluated: Sequence[Evaluated]) -> None:
    steps = [event.step for event in evaluated]
    panel.plot(steps, [event.eer for event in evaluated], ".-", color=BLUE, label="all identities")
    hard = [(e.step, e.eer_hard) for e in evaluated if e.eer_hard is not None]
    if hard:
        panel.plot(*zip(*hard, strict=True), ".-", color=ORANGE, label="hard pairs")
    _draw_retrieval(panel, evaluated)
    rates = [(e.step, e.eer_impostors) for e in evaluated if e.eer_impostors is not None]
    if rates:
        panel.plot(*zip(*rates, strict=True), ".-", color=RED, label="impostors")
    best = [event for event in evaluated if event.best]
    if best:
        last = best[-1]
        value = last.error if last.error is not None else last.eer_impostors or last.eer
        panel.plot(best[-1].step, value, "o", ms=11, mfc="none", mec="black", label="best")
    panel.set_ylim(bottom=0)
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
    panel.set_xlabel("step")
    panel.legend(fontsize=8)


def _draw_retrieval(panel: Axes, evaluated: Sequence[Evaluated]) -> None:
    """Draw how many samples lack one of their identity at rank 1, and 1 - mAP@R, thinly."""
    for name, label in (("recall_at_1", "1 - recall@1"), ("map_at_r", "1 - mAP@R")):
        points = [(e.step, 1 - value) for e in evaluated if (value := getattr(e, name)) is not None]
        if points:
            style = ":" if name == "map_at_r" else "--"
            panel.plot(*zip(*points, strict=True), style, color=GREY, linewidth=1, label=label)


def _draw_scores(panel: Axes, embedded: Embedded) -> None:
    """Draw histograms of cosines, each of area 1; they show how far the kinds of pairs overlap."""
    embeddings, labels, impostor = _sample(embedded, PAIRED)
    cosines = np.clip(embeddings @ embeddings.T, -1, 1)
    same, upper = labels[:, None] == labels, np.triu(np.ones((len(labels),) * 2, bool), 1)
    genuine = ~impostor[:, None] & ~impostor
    kinds = (
        ("mated", same & genuine, GREEN),
        ("non-mated", ~same & genuine, GREY),
        ("impostors", same & (impostor[:, None] ^ impostor), RED),
    )
    low = float(np.floor(cosines.min() * 10) / 10)
    bins = np.linspace(min(low, 0.9), 1, 61).tolist()
    for name, pairs, colour in kinds:
        values = cosines[pairs & upper]
        if len(values):
            label = f"{name}, {len(values):,} pairs"
            panel.hist(values, bins, density=True, color=colour, alpha=0.5, label=label)
    panel.set_xlabel("cosine")
    panel.set_yticks([])
    panel.legend(fontsize=8, loc="upper left")


def _draw_map(panel: Axes, embedded: Embedded) -> None:
    """Draw the two directions of most variance, COLOURED identities and the others in grey."""
    identities = np.unique(embedded[1])
    coloured = identities[_spread(len(identities), COLOURED)]
    embeddings, labels, impostor = _sample(embedded, MAPPED)
    centred = embeddings - embeddings.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    x, y = (left[:, :2] * sizes[:2]).T
    colours = np.full((len(labels), 4), (0.54, 0.58, 0.65, 0.3))
    for number, label in enumerate(coloured):
        hue = (number * 0.618034) % 1  # the golden ratio keeps neighbours in the list apart
        colours[labels == label] = (*colorsys.hsv_to_rgb(hue, 0.5 + 0.45 * (number % 2), 0.8), 0.9)
    panel.scatter(x[~impostor], y[~impostor], 14, colours[~impostor], linewidths=0)
    crosses = impostor & np.isin(labels, coloured)
    if crosses.any():
        panel.scatter(x[crosses], y[crosses], 22, colours[crosses], marker="x", linewidths=1)
    legend = f", {len(coloured)} in colour" if len(identities) > COLOURED else ""
    legend += ", × impostors" if crosses.any() else ""
    panel.set_xlabel(f"{len(identities):,} identities{legend}")
    panel.set_xticks([])
    panel.set_yticks([])
    panel.set_aspect("equal", "datalim")


def _sample(embedded: Embedded, most: int) -> Embedded:
    """Return at most so many of the rows, spread evenly."""
    embeddings, labels, impostor = embedded
    rows = _spread(len(labels), most)
    return embeddings[rows], labels[rows], impostor[rows]


def _spread(count: int, most: int) -> NDArray[np.int64]:
    """Return at most so many of the numbers below `count`, spread evenly."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def _read_embeddings(run: Path) -> Embedded | None:
    path = run / EMBEDDINGS
    if not path.exists():
        return None
    names = "embeddings", "labels", "impostor"
    embeddings, labels, impostor = foreign.read_npz(path, names, hint="delete it")
    if embeddings.ndim != 2 or labels.shape != impostor.shape or len(labels) != len(embeddings):
        raise BadInput(f"{to_text(path)} is damaged: its arrays do not match", hint="delete it")
    return embeddings, labels, impostor


def _summary(events: Sequence[Event]) -> str:
    steps = [event for event in events if isinstance(event, Step)]
    started = [event for event in events if isinstance(event, Started)]
    done = steps[-1].step if steps else 0
    if not started:
        return f"{done:,} steps"
    return f"{done:,} of {started[-1].steps:,} steps, {started[-1].identities:,} identities"
