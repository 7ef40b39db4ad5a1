"""One picture of a training run: its curves, and where the validation identities have come to lie.

Drawn from train.jsonl and validation.npz alone, so it works while the run goes on.
"""

from __future__ import annotations

import colorsys
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from siamkit.errors import BadInput
from siamkit.io.atomic import replacing
from siamkit.io.sources import to_text
from siamkit.train.events import Alarm, Evaluated, Started, Step
from siamkit.train.page import page
from siamkit.train.record import read_record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from siamkit.train.events import Event

POINTS = 300  # of a curve; a longer one is averaged to this many, which smooths it
FEW = 40  # points that are drawn as points
PAIRED, MAPPED = 2_000, 3_000  # validation samples that the histograms and the map show
COLOURED = 20  # identities that the map tells apart; more colours nobody could
EMBEDDINGS = "validation.npz"
BLUE, RED, GREEN, ORANGE, GREY = "#1f6feb", "#d1242f", "#2da44e", "#bf8700", "#8a94a6"
MINERS = ("#d8e6fb", "#dff3e4", "#fbead0", "#f6dbe0", "#e7e0f5", "#e4e7ec")  # backgrounds
PAGES, PICTURES = (".html", ".htm"), (".png",)


def draw(run: Path, out: Path) -> None:
    """Draw a run folder to a .png, or to an .html page that needs no other file.

    What there is nothing of yet is a panel that says so. Raises BadInput for a folder without a
    record, for a damaged file in it, and for a name that ends otherwise.
    """
    if out.suffix.lower() not in PAGES + PICTURES:
        raise BadInput(f"{to_text(out)}: neither .png nor .html", hint=f"--out {out.stem}.png")
    events = read_record(run)
    picture = _png(_figure(events, _embedded(run), f"{run.resolve().name}: {_summary(events)}"))
    content = page(run, picture).encode() if out.suffix.lower() in PAGES else picture
    with replacing(out) as temporary:
        temporary.write_bytes(content)


def thin(values: NDArray[np.float64], points: int = POINTS) -> NDArray[np.float64]:
    """(n,) to at most `points` means of neighbours, each of as many values; NaN are left out."""
    if len(values) <= points:
        return values
    edges = np.linspace(0, len(values), points + 1).astype(int)[:-1]
    known = np.isfinite(values)
    counts = np.add.reduceat(known, edges)
    sums = np.add.reduceat(np.where(known, values, 0.0), edges)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _figure(
    events: Sequence[Event], embedded: Mapping[str, NDArray[Any]] | None, title: str
) -> Figure:
    figure = Figure(figsize=(15, 8.5), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=12)
    axes = figure.subplots(2, 3)
    steps = [event for event in events if isinstance(event, Step)]
    _loss(axes[0, 0], steps)
    _active(axes[0, 1], steps)
    _distances(axes[0, 2], steps)
    _errors(axes[1, 0], [event for event in events if isinstance(event, Evaluated)])
    for panel in (*axes[0], axes[1, 0]):
        _mark(panel, events)
    _scores(axes[1, 1], embedded)
    _map(axes[1, 2], embedded)
    return figure


def _png(figure: Figure) -> bytes:
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=100)
    return target.getvalue()


def _loss(panel: Axes, steps: Sequence[Step]) -> None:
    panel.set_title("loss")
    if not _absent(panel, steps):
        _curve(panel, steps, "loss", BLUE)


def _active(panel: Axes, steps: Sequence[Step]) -> None:
    """The share of active triplets, over the miner that was at work."""
    panel.set_title("active triplets (background: the miner)")
    if _absent(panel, steps):
        return
    _curve(panel, steps, "active", BLUE)
    panel.set_ylim(-0.02, 1.02)
    names = list(dict.fromkeys(step.miner for step in steps))
    begins = [at for at, step in enumerate(steps) if at == 0 or step.miner != steps[at - 1].miner]
    drawn: set[str] = set()
    for begin, end in zip(begins, [*begins[1:], len(steps) - 1], strict=True):
        miner = steps[begin].miner
        panel.axvspan(
            steps[begin].step,
            steps[end].step,
            color=MINERS[names.index(miner) % len(MINERS)],
            linewidth=0,
            zorder=0,
            label=None if miner in drawn else miner,
        )
        drawn.add(miner)
    panel.legend(fontsize=8, loc="upper right")


def _distances(panel: Axes, steps: Sequence[Step]) -> None:
    panel.set_title("squared distances, mean of a batch")
    if _absent(panel, steps):
        return
    _curve(panel, steps, "negative", RED, "anchor – negative")
    _curve(panel, steps, "positive", GREEN, "anchor – positive")
    _curve(panel, steps, "spread", GREY, "spread of all")
    panel.set_ylim(bottom=0)
    panel.legend(fontsize=8)


def _errors(panel: Axes, evaluated: Sequence[Evaluated]) -> None:
    panel.set_title("validation: equal error rate")
    if _absent(panel, evaluated):
        return
    at = [event.step for event in evaluated]
    panel.plot(at, [event.eer for event in evaluated], ".-", color=BLUE, label="all identities")
    rates = [(e.step, e.eer_impostors) for e in evaluated if e.eer_impostors is not None]
    if rates:
        panel.plot(*zip(*rates, strict=True), ".-", color=RED, label="impostors")
    best = [event for event in evaluated if event.best]
    if best:
        value = best[-1].eer if best[-1].eer_impostors is None else best[-1].eer_impostors
        panel.plot(best[-1].step, value, "o", ms=11, mfc="none", mec="black", label="best")
    panel.set_ylim(bottom=0)
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
    panel.set_xlabel("step")
    panel.legend(fontsize=8)


def _scores(panel: Axes, embedded: Mapping[str, NDArray[Any]] | None) -> None:
    """Histograms of cosines, each of area 1: how far mated and non-mated pairs overlap."""
    panel.set_title("validation: cosines of pairs")
    if embedded is None or len(embedded["labels"]) < 2:
        _absent(panel, ())
        return
    some = _sample(len(embedded["labels"]), PAIRED)
    rows, labels, impostor = (embedded[key][some] for key in ("embeddings", "labels", "impostor"))
    cosines = np.clip(rows @ rows.T, -1, 1)
    same, first = labels[:, None] == labels, np.triu(np.ones((len(some),) * 2, bool), 1)
    genuine = ~impostor[:, None] & ~impostor
    kinds = (
        ("mated", same & genuine, GREEN),
        ("non-mated", ~same & genuine, GREY),
        ("impostors", same & (impostor[:, None] ^ impostor), RED),
    )
    low = float(np.floor(cosines.min() * 10) / 10)
    bins = np.linspace(min(low, 0.9), 1, 61).tolist()
    for name, pairs, colour in kinds:
        values = cosines[pairs & first]
        if len(values):
            panel.hist(
                values, bins, density=True, color=colour, alpha=0.5,
                label=f"{name}, {len(values):,} pairs",
            )  # fmt: skip
    panel.set_xlabel("cosine")
    panel.set_yticks([])
    panel.legend(fontsize=8, loc="upper left")


def _map(panel: Axes, embedded: Mapping[str, NDArray[Any]] | None) -> None:
    """The two directions of most variance; COLOURED of the identities, the others in grey."""
    panel.set_title("validation: embeddings, two principal components")
    if embedded is None or len(embedded["labels"]) < 3:
        _absent(panel, ())
        return
    every = np.unique(embedded["labels"])
    chosen = every[_sample(len(every), COLOURED)]
    some = _sample(len(embedded["labels"]), MAPPED)
    rows, labels, impostor = (embedded[key][some] for key in ("embeddings", "labels", "impostor"))
    centred = rows - rows.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    flat = left[:, :2] * sizes[:2]
    colours = np.full((len(some), 4), (0.54, 0.58, 0.65, 0.3))
    for number, label in enumerate(chosen):
        hue = (number * 0.618034) % 1  # the golden ratio keeps neighbours in the list apart
        colours[labels == label] = (*colorsys.hsv_to_rgb(hue, 0.5 + 0.45 * (number % 2), 0.8), 0.9)
    panel.scatter(flat[~impostor, 0], flat[~impostor, 1], 14, colours[~impostor], linewidths=0)
    crosses = impostor & np.isin(labels, chosen)
    if crosses.any():
        at = flat[crosses]
        panel.scatter(at[:, 0], at[:, 1], 22, colours[crosses], marker="x", linewidths=1)
    coloured = f", {len(chosen)} in colour" if len(every) > COLOURED else ""
    crossed = ", × impostors" if crosses.any() else ""
    panel.set_xlabel(f"{len(every):,} identities{coloured}{crossed}")
    panel.set_xticks([])
    panel.set_yticks([])
    panel.set_aspect("equal", "datalim")


def _curve(
    panel: Axes, steps: Sequence[Step], name: str, colour: str, label: str | None = None
) -> None:
    values = np.array([getattr(step, name) for step in steps], np.float64)
    at = np.array([step.step for step in steps], np.float64)
    style = ".-" if len(steps) <= FEW else "-"
    if len(steps) > POINTS:
        every = -(-len(steps) // (10 * POINTS))  # what single steps scatter like
        panel.plot(at[::every], values[::every], color=colour, alpha=0.2, linewidth=0.5)
    panel.plot(thin(at), thin(values), style, color=colour, linewidth=1.5, label=label)
    panel.set_xlabel("step")


def _mark(panel: Axes, events: Sequence[Event]) -> None:
    """Upright lines where the run was resumed, and where an alarm went off."""
    panel.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    for event in events:
        if isinstance(event, Alarm):
            panel.axvline(event.step, color=ORANGE, linewidth=1, linestyle="--")
            panel.annotate(
                event.name, (event.step, 0.98), xycoords=("data", "axes fraction"), fontsize=8,
                color=ORANGE, rotation=90, va="top", ha="right",
            )  # fmt: skip
        elif isinstance(event, Started) and event.step:
            panel.axvline(event.step, color=GREY, linewidth=0.8, linestyle=":")


def _absent(panel: Axes, what: Sequence[Any]) -> bool:
    """True, and a word in the panel, if there is nothing to draw."""
    if not what:
        panel.text(0.5, 0.5, "nothing yet", ha="center", va="center", color=GREY)
        panel.set_axis_off()
    return not what


def _sample(count: int, most: int) -> NDArray[np.int64]:
    """At most so many of (count,) rows, spread evenly."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def _embedded(run: Path) -> Mapping[str, NDArray[Any]] | None:
    """{"embeddings": (n, d), "labels": (n,), "impostor": (n,)}, or None before there are any."""
    path = run / EMBEDDINGS
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in ("embeddings", "labels", "impostor")}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise BadInput(f"{to_text(path)} is damaged: {error}", hint="delete it") from error


def _summary(events: Sequence[Event]) -> str:
    steps = [event for event in events if isinstance(event, Step)]
    started = [event for event in events if isinstance(event, Started)]
    done = f"{steps[-1].step if steps else 0:,}"
    of = f" of {started[-1].steps:,}" if started else ""
    who = f", {started[-1].identities:,} identities" if started else ""
    return f"{done}{of} steps{who}"
