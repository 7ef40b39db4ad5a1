"""The charts of an evaluation: DET and ROC curves, score histograms, CMC, error rates of groups.

Plots as in ISO/IEC 19795-1:2021: the detection error trade-off (DET) on normal deviates (Martin et
al., "The DET curve in assessment of detection task performance", 1997), the receiver operating
characteristic (ROC), and the cumulative match characteristic (CMC) of 1:N.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from siamkit.reports import evaluate_text
from siamkit.reports.html import cut, escaped, table
from siamkit.reports.svg import (
    COLOURS,
    LETTER,
    LOG_TICKS,
    PROBIT_TICKS,
    Axis,
    Chart,
    Ticks,
    histogram,
    ticks,
)
from siamkit.stats.verification import ERRORS

if TYPE_CHECKING:
    from typing import TypeAlias

    from siamkit.flows.evaluate import Evaluation
    from siamkit.stats.verification import GroupRates, VerificationMetrics

    Vector: TypeAlias = NDArray[np.float64]

MOST_RANKS = 50  # of the CMC
GROUPS = 40  # that are drawn; the table has all
LEAST_RATE = 1e-6  # lowest error rate that a plot shows
NAME_LENGTH = 20  # characters of a group's name beside its row


def error_curves(results: Sequence[Evaluation]) -> str:
    """Draw DET and ROC curves, dotted where fewer than ERRORS false matches support them."""
    measured = [result.measured for result in results]
    high = 0.5 if max(m.eer.value for m in measured) < 0.3 else 0.95
    non_mated = max(int((~m.comparisons.mated).sum()) for m in measured)
    mated = max(int(m.comparisons.mated.sum()) for m in measured)
    low_x, low_y = (float(np.clip(0.5 / n, LEAST_RATE, 0.02)) for n in (non_mated, mated))
    det = Chart(
        Axis(low_x, high, "false match rate (FMR), %", "probit", PROBIT_TICKS),
        Axis(low_y, high, "false non-match rate, %", "probit", PROBIT_TICKS),
    )
    lowest_on_roc = min(1 - float(m.curve.fnmr[np.argmax(m.curve.fmr <= low_x)]) for m in measured)
    bottom = float(min(0.9, np.floor(lowest_on_roc * 10) / 10))
    roc = Chart(
        Axis(low_x, 1, "false match rate (FMR), %", "log", LOG_TICKS),
        Axis(bottom, 1, "1 - FNMR, %", ticks=_percent_ticks(bottom, 1)),
    )
    unsupported = min(map(_lowest_fmr, measured))
    for chart in (det, roc):
        chart.band(0, unsupported, f"FMR below {100 * unsupported:.2g} %: too few comparisons")
    start = max(low_x, low_y)
    det.segment((start, high), (start, high), "#8888")
    for result, colour in zip(results, cycle(COLOURS), strict=False):
        _add_curves(det, roc, result, colour, high)
    return (
        "<h2>Error rates at every threshold</h2><div class=row>"
        + det.figure("DET: closer to the lower left is better")
        + roc.figure("ROC: closer to the upper left is better")
        + f"</div><p class=soft>Dotted: fewer than {ERRORS} false matches. On the grey diagonal of"
        " the DET both rates are equal (EER)."
    )


def _add_curves(det: Chart, roc: Chart, result: Evaluation, colour: str, high: float) -> None:
    measured = result.measured
    fmr, fnmr = measured.curve.fmr, measured.curve.fnmr
    visible = (fmr <= high) & (fnmr <= high)
    lowest = _lowest_fmr(measured)
    _add_curve(det, fmr[visible], fnmr[visible], lowest, colour, result.name)
    _add_curve(roc, fmr, 1 - fnmr, lowest, colour, result.name)
    for point in measured.at_thresholds:
        x, y = point.fmr.value, point.fnmr.value
        tooltip = f"{result.name}, {point.name}: {point.threshold:.3f}, FMR {x:.2%}, FNMR {y:.2%}"
        det.dot(x, y, colour, tooltip, name=point.name)
        roc.dot(x, 1 - y, colour, tooltip, name=point.name)


def _add_curve(
    chart: Chart, fmr: Vector, ys: Vector, lowest: float, colour: str, name: str
) -> None:
    """Draw a curve, dotted at false match rates below the lowest that the data supports."""
    count = int((fmr >= lowest).sum())
    start = max(0, count - 1)
    chart.line(fmr[:count], ys[:count], colour, name)
    chart.line(fmr[start:], ys[start:], colour, dotted=True)


def _lowest_fmr(measured: VerificationMetrics) -> float:
    """Return the lowest false match rate that the non-mated comparisons support."""
    return ERRORS / max(1, int((~measured.comparisons.mated).sum()))


def deciding_threshold(measured: VerificationMetrics) -> tuple[float, str]:
    """Return the threshold that decides what is an error, and its name with the value."""
    if measured.at_thresholds:
        point = measured.at_thresholds[0]
        return point.threshold, f"{point.name}: {point.threshold:.3f}"
    return measured.eer_threshold, f"threshold of the EER: {measured.eer_threshold:.3f}"


def score_histograms(results: Sequence[Evaluation]) -> str:
    charts = []
    for result in results:
        comparisons = result.measured.comparisons
        mated, non_mated = comparisons.mated_scores, comparisons.non_mated_scores
        series = {"mated": mated, "non-mated": non_mated}
        charts.append(histogram(result.name, series, "score", deciding_threshold(result.measured)))
    return f"<h2>Scores</h2><div class=row>{''.join(charts)}</div>"


def hit_rates(results: Sequence[Evaluation]) -> str:
    """Draw the CMC of the results that were measured 1:N; empty if there are none."""
    curves = [
        (result.name, result.identified, colour)
        for result, colour in zip(results, cycle(COLOURS), strict=False)
        if result.identified
    ]
    if not curves:
        return ""
    most = max(identified.searches.identities for _, identified, _ in curves)
    longest = max(2, min(MOST_RANKS, most))
    lowest = min(rate.low for _, identified, _ in curves for rate in identified.hit_rate.values())
    bottom = float(np.clip(np.floor(lowest * 10) / 10, 0, 0.9))
    whole_ticks = tuple(tick for tick in ticks(1, longest) if tick[0] == round(tick[0]))
    chart = Chart(
        Axis(0.5, longest + 0.5, "rank", ticks=((1, "1"), *whole_ticks)),
        Axis(bottom, 1, "hit rate, %", ticks=_percent_ticks(bottom, 1)),
        height=320,
    )
    for name, identified, colour in curves:
        searches = identified.searches
        ranks = np.arange(1, min(longest, searches.identities) + 1)
        mated_ranks = np.sort(searches.ranks[searches.mated])
        hits = np.searchsorted(mated_ranks, ranks, "right") / len(mated_ranks)
        chart.line(ranks, hits, colour, name)
        for rank, rate in identified.hit_rate.items():
            if rank <= longest:
                tooltip = f"rank {rank}: {rate.value:.2%}"
                chart.segment((rank, rank), (rate.low, rate.high), colour)
                chart.dot(rank, rate.value, colour, tooltip, radius=4)
    figure = chart.figure("CMC: how often the right identity is among the first")
    return f"<h2>Identification</h2><div class=row>{figure}</div>"


def group_rates(result: Evaluation) -> str:
    """Draw and list the error rates of each group, at one threshold for all; empty without any."""
    measured = result.measured
    groups = measured.groups[:GROUPS]
    if not groups:
        return ""
    charts = _group_chart(groups, "FMR", COLOURS[1]) + _group_chart(groups, "FNMR", COLOURS[0])
    note = f"<p>The first {GROUPS} are drawn." if len(measured.groups) > GROUPS else ""
    rows = [
        tuple(f"{cell:,}" if isinstance(cell, int) else cell for cell in row)
        for row in map(evaluate_text.group_row, measured.groups)
    ]
    return (
        f"<h2>Groups: {escaped(result.name)}</h2><p>At the threshold {measured.groups_at:.3f}."
        f"<div class=row>{charts}</div>{note}{table(evaluate_text.GROUP_HEAD, rows)}"
    )


def _group_chart(groups: Sequence[GroupRates], name: str, colour: str) -> str:
    """One row per group: the rate, and its interval."""
    rates = [group.fmr if name == "FMR" else group.fnmr for group in groups]
    top = max([rate.high for rate in rates if rate], default=0.0) * 1.05 or 0.01
    names = [cut(group.name, NAME_LENGTH) for group in groups]
    chart = Chart(
        Axis(0, top, f"{name}, %", ticks=_percent_ticks(0, top)),
        Axis(len(groups) - 0.5, -0.5, "", ticks=tuple((float(n), s) for n, s in enumerate(names))),
        height=70 + 24 * len(groups),
        left=16 + int(LETTER * max(map(len, names))),
    )
    for row, (group, rate) in enumerate(zip(groups, rates, strict=True)):
        if rate:
            chart.segment((rate.low, rate.high), (row, row), colour)
            tooltip = f"{group.name}: {evaluate_text.shown(rate)}"
            chart.dot(rate.value, row, colour, tooltip, radius=4)
    return chart.figure(f"{name} of each group, with intervals")


def _percent_ticks(low: float, high: float) -> Ticks:
    return tuple((percent / 100, label) for percent, label in ticks(100 * low, 100 * high))
