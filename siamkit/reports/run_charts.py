"""Draw the curves of a run so far: training, validation, and the baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

from siamkit.reports.svg import COLOURS, RED, Axis, Chart
from siamkit.train.tail import Curve, Seen, numbers
from siamkit.train.thinning import thin

HEIGHT, LEFT = 230, 62  # px: of a chart, and of its margin for labels such as 0.00025
GREY = "#8a94a6"
# Figures of a step that share a chart; those that are not named here have one each.
TOGETHER: Mapping[str, tuple[str, ...]] = {
    "loss": ("loss", "presence", "box", "label"),
    "active triplets": ("active",),
    "squared distances, mean of a batch": ("positive", "negative", "spread"),
}
MINED = {"loss", "active"}  # of a step, which a change of miners explains
SHARES = ("active",)  # of a step, which are shown in %
PLAIN = ("loss", "iou", "auc")  # of an evaluation, which are not
HIDDEN = ("seconds",)  # of a step: a straight line
UNDRAWN = ("low", "high", "fmr")  # of an evaluation: the interval of `error`, and a constant
NAMES = {
    "presence": "part: is something there",
    "box": "part: box",
    "label": "part: label",
    "positive": "anchor – positive",
    "negative": "anchor – negative",
    "spread": "any two: 0 is collapse",
    "eer": "equal error rate",
    "eer_impostors": "equal error rate against impostors",
    "eer_hard": "equal error rate against the hardest",
    "recall_at_1": "recall@1",
    "recall_at_5": "recall@5",
    "map_at_r": "mAP@R",
    "error": "error that selects the step",
    "low": "… its 95 % interval, from",
    "high": "… to",
    "fmr": "false match rate",
    "fnmr": "false non-match rate there",
    "hits": "label and box right",
    "labels": "label right",
    "iou": "mean IoU",
    "auc": "AUC: is something there",
}
Points = NDArray[np.float64]


def name_of(figure: str) -> str:
    """Return the name of a figure for people."""
    return NAMES.get(figure, figure.replace("_", " "))


def is_share(figure: str, values: Sequence[float]) -> bool:
    """True for a figure of evaluations that reads best in %."""
    return figure not in PLAIN and all(0 <= value <= 1 for value in values)


def evaluated_figures(seen: Seen) -> list[str]:
    """Return the figures that any evaluation has, in their order."""
    return list(dict.fromkeys(name for event in seen.evaluated for name in numbers(event)))


def training_charts(seen: Seen) -> str:
    """Draw the figures of the steps."""
    grouped = {name for names in TOGETHER.values() for name in names}
    alone = [name for name in seen.steps if name not in grouped and name not in HIDDEN]
    groups = {**TOGETHER, **{name_of(name): (name,) for name in alone}}
    charts = []
    for caption, names in groups.items():
        recorded = [name for name in names if name in seen.steps]
        in_percent = bool(recorded) and all(name in SHARES for name in recorded)
        curves = {name: _points(seen.steps[name], in_percent) for name in recorded}
        if curves:
            charts.append(_chart(caption, curves, seen, in_percent=in_percent))
    return "".join(charts)


def validation_charts(seen: Seen) -> str:
    """Draw each figure of the evaluations, with that of the baselines as horizontal lines."""
    charts = []
    for name in evaluated_figures(seen):
        if name in UNDRAWN:
            continue
        levels = {
            str(event.get("name")): numbers(event)[name]
            for event in seen.baselines
            if name in numbers(event)
        }
        keys = [name, "low", "high"] if name == "error" else [name]
        drawn = {key: curve for key in keys if (curve := _evaluations(seen, key)).steps}
        in_percent = is_share(name, [*drawn[name].values, *levels.values()])
        curves = {key: _points(curve, in_percent) for key, curve in drawn.items()}
        charts.append(_chart(name_of(name), curves, seen, levels, in_percent))
    return "".join(charts)


def error_curve(seen: Seen) -> Curve:
    """Return the error that selects the step, of each evaluation."""
    curve = _evaluations(seen, "error")
    return curve if curve.steps else _evaluations(seen, "eer")


def trials_chart(curves: Mapping[str, Curve]) -> str:
    """Draw the errors of several runs, in the colours that there are; nothing before the first."""
    points = {name: _points(curve, True) for name, curve in curves.items() if curve.steps}
    if not points:
        return ""
    return _chart("error that selects the step", points, Seen(), in_percent=True)


def _evaluations(seen: Seen, name: str) -> Curve:
    curve = Curve()
    for event in seen.evaluated:
        if (value := numbers(event).get(name)) is not None:
            curve.add(event["step"], value)
    return curve


def _points(curve: Curve, in_percent: bool) -> tuple[Points, Points]:
    values = np.array(curve.values) * (100 if in_percent else 1)
    return thin(np.array(curve.steps)), thin(values)


def _chart(
    caption: str,
    curves: Mapping[str, tuple[Points, Points]],  # steps and values, by name
    seen: Seen,
    levels: Mapping[str, float] | None = None,
    in_percent: bool = False,
) -> str:
    """Draw curves, the best step on those of evaluations, levels, alarms and resumptions.

    levels: horizontal lines by name; None for curves of steps.
    """
    unit, factor = ("%", 100) if in_percent else ("", 1)
    heights = {name: factor * value for name, value in (levels or {}).items()}
    values = np.concatenate([*(ys for _, ys in curves.values()), [*heights.values()]])
    last = max(1.0, seen.last.get("step") or 0, *(float(xs[-1]) for xs, _ in curves.values()))
    chart = Chart(Axis(0, last, "step"), Axis(*_range(values), unit), height=HEIGHT, left=LEFT)
    colours = cycle(COLOURS)
    for name, (xs, ys) in curves.items():
        is_interval = name in UNDRAWN
        colour = GREY if is_interval else next(colours)
        label = "95 % interval" if is_interval else name_of(name)
        named = len(curves) > 1 or heights
        chart.line(xs, ys, colour, label if named else "", dotted=is_interval)
        if len(xs) == 1:
            chart.dot(xs[0], ys[0], colour, f"{ys[0]:g}", radius=3)
    for name, height in heights.items():
        label = f"{name}: {height:.4g} {unit}".rstrip()
        chart.line([0, last], [height, height], next(colours), label, dotted=True)
    if levels is not None:
        _mark_best(chart, *next(iter(curves.values())), seen, unit)
    for alarm in seen.alarms:
        chart.vertical(alarm["step"], RED, str(alarm.get("name", "alarm")))
    for step in seen.resumed:
        chart.vertical(step, GREY, "resumed")
    for step, miner in seen.miners[1:] if MINED & curves.keys() else ():
        chart.vertical(step, GREY, f"from here on {miner}")
    if len(curves) == 1 or levels is not None:
        _, ys = next(iter(curves.values()))
        caption = f"{caption} · {ys[-1]:.4g} {unit}".rstrip()
    return chart.figure(caption)


def _mark_best(chart: Chart, xs: Points, ys: Points, seen: Seen, unit: str) -> None:
    """Mark the best step so far on a curve of evaluations."""
    best = [event["step"] for event in seen.evaluated if event.get("best")]
    if best and best[-1] in xs:
        value = f"{ys[xs == best[-1]][0]:.4g} {unit}".rstrip()
        chart.dot(
            best[-1],
            ys[xs == best[-1]][0],
            "currentColor",
            f"step {best[-1]:,}: {value}",
            radius=4,
            name=f"best step, {best[-1]:,}: {value}",
        )


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the ends of an axis that shows all values, from 0 unless they lie far above it."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    if 0 <= low < 0.6 * high or low == high:
        low = min(0.0, low)
    room = 0.04 * (high - low) or 1.0
    return (low if low == 0 else low - room), high + room
