"""A page about an evaluation: one self-contained HTML file with curves and the worst errors.

Plots as in ISO/IEC 19795-1:2021: the detection error trade-off (DET) on normal deviates (Martin et
al., "The DET curve in assessment of detection task performance", 1997), and the receiver operating
characteristic (ROC); the cumulative match characteristic (CMC) of 1:N.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from siamkit.reports import evaluate_text
from siamkit.reports.html import escaped, page, table
from siamkit.reports.previews import exhibit
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
    from pathlib import Path
    from typing import TypeAlias

    from numpy.typing import NDArray

    from siamkit.flows.evaluate import Evaluated
    from siamkit.stats.verification import GroupRates, VerificationMetrics

    Vector: TypeAlias = NDArray[np.float64]

WORST = 9  # pairs of either kind: three rows of three
RANKS = 50  # of the CMC, at most
GROUPS, FAULTS = 40, 100  # that are drawn, and listed
LEAST = 1e-6  # error rate that a plot shows
NAME = 20  # characters of a group's name beside its row

_STYLE = """
h3 { margin: 1.6em 0 0 } h3 + p { margin: .2em 0 .8em } .pair > p { margin: 0 0 .5em }
.pairs { display: grid; gap: 1em; grid-template-columns: repeat(auto-fill, minmax(17em, 1fr)) }
.pair { border: 1px solid var(--line); border-radius: 6px; padding: .6em; break-inside: avoid }
.pair > div { display: flex; flex-wrap: wrap; gap: .6em } .pair figure { flex: 1 1 7em }
.pair img { display: block; max-width: 100%; height: auto; background: #fff }
.pair audio { width: 100% } .pair figure:has(audio), .pair blockquote { flex-basis: 100% }
.pair small { overflow-wrap: anywhere; display: block }
blockquote { margin: 0; padding: .2em .6em; border-left: 3px solid var(--line);
  overflow-wrap: anywhere; white-space: pre-line }
"""
_TERMS = """<details><summary>What the words mean</summary><ul>
<li><b>Mated</b> comparisons are of two samples of one identity, <b>non-mated</b> ones of two.
<li><b>FMR</b>, the false match rate: the share of non-mated comparisons at or above the threshold.
<li><b>FNMR</b>, the false non-match rate: the share of mated comparisons below it.
<li><b>EER</b>: the rate where both are equal. <b>ROC AUC</b>: how often a mated score is above a
non-mated one. <b>minDCF</b>: the least cost of errors, relative to always giving one answer.
<li><b>Rank-k hit rate</b>: how often the own identity is among the k most similar.
<b>FPIR</b>: how often a stranger is identified as somebody. <b>FNIR</b>: how often somebody
enrolled is not identified; <b>DIR</b> is the rest.
<li>In brackets: the interval that holds the true value 19 times in 20, drawing identities anew.
</ul></details>"""


def html(results: Sequence[Evaluated], title: str) -> str:
    """The page as text, of one or more results. Every text of the user's is escaped.

    Pictures and short sounds of the worst errors are inside; files that are gone are names.
    """
    parts = [_table(results), _curves(results), _histograms(results), _ranks(results)]
    parts += [_groups(found) for found in results if found.measured.groups]
    parts += [_errors(results), _told(results)]
    return page(f"Evaluation of {title}", "".join(parts), _STYLE)


def _table(results: Sequence[Evaluated]) -> str:
    rows = [(name, *values) for name, values in evaluate_text.compared(results).items()]
    head = ["", *(found.name for found in results)]
    return table(head, rows) + _unsupported(results) + _TERMS


def _unsupported(results: Sequence[Evaluated]) -> str:
    """What so little data cannot show, and how much would."""
    lowest: dict[str, str] = {}
    for found in results:
        others = int((~found.measured.comparisons.mated).sum())
        if found.measured.unsupported_fmrs:
            lowest[f"false match rates below {ERRORS / others:.2g}"] = f"{others:,} non-mated"
        if found.identified and found.identified.unsupported_fpirs:
            probes = len(found.identified.searches.labels)
            lowest[f"false positive identification rates below {ERRORS / probes:.2g}"] = (
                f"{probes:,} probes"
            )
    return "".join(
        f"<p>Not shown: {what}. A rate rests on {ERRORS} errors or more (the rule of {ERRORS}), and"
        f" there are {of}."
        for what, of in lowest.items()
    )


def _lowest(it: VerificationMetrics) -> float:
    """The false match rate that the number of non-mated comparisons supports."""
    return ERRORS / max(1, int((~it.comparisons.mated).sum()))


def _curves(results: Sequence[Evaluated]) -> str:
    measured = [found.measured for found in results]
    worst = max(it.eer.value for it in measured)
    high = 0.5 if worst < 0.3 else 0.95
    others = max(int((~it.comparisons.mated).sum()) for it in measured)
    mated = max(int(it.comparisons.mated.sum()) for it in measured)
    low_x, low_y = (float(np.clip(0.5 / count, LEAST, 0.02)) for count in (others, mated))
    det = Chart(
        Axis(low_x, high, "false match rate (FMR), %", "probit", PROBIT_TICKS),
        Axis(low_y, high, "false non-match rate, %", "probit", PROBIT_TICKS),
        height=400,
    )
    reached = [1 - float(it.curve.fnmr[np.argmax(it.curve.fmr <= low_x)]) for it in measured]
    bottom = float(min(0.9, np.floor(min(reached) * 10) / 10))
    roc = Chart(
        Axis(low_x, 1, "false match rate (FMR), %", "log", LOG_TICKS),
        Axis(bottom, 1, "1 - FNMR, %", ticks=_percents(bottom, 1)),
        height=400,
    )
    edge = min(_lowest(it) for it in measured)
    for chart in (det, roc):
        chart.band(0, edge, f"FMR below {100 * edge:.2g} %: too few comparisons")
    start = max(low_x, low_y)
    det.reach((start, high), (start, high), "#8888")
    for found, colour in zip(results, _colours(results), strict=True):
        it = found.measured
        inside = (it.curve.fmr <= high) & (it.curve.fnmr <= high)
        _supported(det, it.curve.fmr[inside], it.curve.fnmr[inside], it, colour, found.name)
        _supported(roc, it.curve.fmr, 1 - it.curve.fnmr, it, colour, found.name)
        for point in it.at_thresholds:
            said = (
                f"{found.name}, {point.name}: {point.threshold:.3f}, FMR {point.fmr.value:.2%},"
                f" FNMR {point.fnmr.value:.2%}"
            )
            det.dot(point.fmr.value, point.fnmr.value, colour, said=said, name=point.name)
            roc.dot(point.fmr.value, 1 - point.fnmr.value, colour, said=said, name=point.name)
    return (
        "<h2>Error rates at every threshold</h2><div class=row>"
        + det.figure("DET: the nearer to the lower left the better")
        + roc.figure("ROC: the nearer to the upper left the better")
        + "</div><p class=soft>Dotted: fewer than 30 false matches. The grey diagonal of the DET"
        " is where both rates are equal (EER)."
    )


def _supported(
    chart: Chart, fmr: Vector, ys: Vector, it: VerificationMetrics, colour: str, name: str
) -> None:
    """A curve, dotted from where too few false matches are behind it."""
    count = int((fmr >= _lowest(it)).sum())
    chart.line(fmr[:count], ys[:count], colour, name)
    chart.line(fmr[max(0, count - 1) :], ys[max(0, count - 1) :], colour, dotted=True)


def _colours(results: Sequence[Evaluated]) -> list[str]:
    return [COLOURS[number % len(COLOURS)] for number in range(len(results))]


def _limit(it: VerificationMetrics) -> tuple[float, str]:
    """The threshold that errors are told by, and its name."""
    if it.at_thresholds:
        return it.at_thresholds[
            0
        ].threshold, f"{it.at_thresholds[0].name}: {it.at_thresholds[0].threshold:.3f}"
    return it.eer_threshold, f"threshold of the EER: {it.eer_threshold:.3f}"


def _histograms(results: Sequence[Evaluated]) -> str:
    drawn = "".join(
        histogram(
            found.name,
            {
                "mated": found.measured.comparisons.mated_scores,
                "non-mated": found.measured.comparisons.non_mated_scores,
            },
            "score",
            _limit(found.measured),
        )
        for found in results
    )
    return f"<h2>Scores</h2><div class=row>{drawn}</div>"


def _ranks(results: Sequence[Evaluated]) -> str:
    """The CMC of those that were measured 1:N."""
    known = [
        (found.name, found.identified, colour)
        for found, colour in zip(results, _colours(results), strict=True)
        if found.identified
    ]
    if not known:
        return ""
    most = max(one.searches.identities for _, one, _ in known)
    longest = max(2, min(RANKS, most))
    least = min(rate.low for _, one, _ in known for rate in one.hit_rate.values())
    bottom = float(np.clip(np.floor(least * 10) / 10, 0, 0.9))
    whole = tuple(tick for tick in ticks(1, longest) if tick[0] == round(tick[0]))
    chart = Chart(
        Axis(0.5, longest + 0.5, "rank", ticks=((1, "1"), *whole)),
        Axis(bottom, 1, "hit rate, %", ticks=_percents(bottom, 1)),
    )
    for name, one, colour in known:
        ranks = np.arange(1, min(longest, one.searches.identities) + 1)
        own = np.sort(one.searches.ranks[one.searches.mated])
        chart.line(ranks, np.searchsorted(own, ranks, "right") / len(own), colour, name)
        for rank, rate in one.hit_rate.items():
            if rank <= longest:
                chart.reach((rank, rank), (rate.low, rate.high), colour)
                chart.dot(rank, rate.value, colour, radius=4, said=f"rank {rank}: {rate.value:.2%}")
    caption = "CMC: how often it is among the first"
    return f"<h2>Identification</h2><div class=row>{chart.figure(caption)}</div>"


def _groups(found: Evaluated) -> str:
    it = found.measured
    rows = [tuple(f"{c:,}" if isinstance(c, int) else c for c in evaluate_text.group_row(g))
            for g in it.groups]  # fmt: skip
    shown = it.groups[:GROUPS]
    left = 16 + int(LETTER * max(min(len(g.name), NAME) for g in shown))
    drawn = []
    for name, colour in (("FMR", COLOURS[1]), ("FNMR", COLOURS[0])):
        rates = [(g, g.fmr if name == "FMR" else g.fnmr) for g in shown]
        top = max([rate.high for _, rate in rates if rate], default=0.0) * 1.05 or 0.01
        chart = Chart(
            Axis(0, top, f"{name}, %", ticks=_percents(0, top)),
            Axis(len(shown) - 0.5, -0.5, "", ticks=_names(shown)),
            height=70 + 24 * len(shown),
            left=left,
        )
        for row, (group, rate) in enumerate(rates):
            if rate:
                chart.reach((rate.low, rate.high), (row, row), colour)
                said = f"{group.name}: {evaluate_text.shown(rate)}"
                chart.dot(rate.value, row, colour, radius=4, said=said)
        drawn.append(chart.figure(f"{name} of each group, with intervals"))
    more = f"<p>The first {GROUPS} are drawn." if len(it.groups) > GROUPS else ""
    return (
        f"<h2>Groups: {escaped(found.name)}</h2><p>At the threshold {it.groups_at:.3f}."
        f"<div class=row>{''.join(drawn)}</div>{more}{table(evaluate_text.GROUP_HEAD, rows)}"
    )


def _percents(low: float, high: float) -> Ticks:
    return tuple((at / 100, name) for at, name in ticks(100 * low, 100 * high))


def _names(groups: Sequence[GroupRates]) -> Ticks:
    names = [g.name if len(g.name) <= NAME else g.name[: NAME - 1] + "…" for g in groups]
    return tuple((float(row), name) for row, name in enumerate(names))


def _errors(results: Sequence[Evaluated]) -> str:
    shown = cache(exhibit)
    parts = []
    for found in results:
        order = np.argsort(found.scores, kind="stable")
        same = found.trials.mated[order]
        limit, name = _limit(found.measured)
        for rows, kind, heading in (
            (order[~same][::-1][:WORST], "false match", "two identities, highest scores"),
            (order[same][:WORST], "false non-match", "one identity, lowest scores"),
        ):
            cards = "".join(_pair(found, int(row), limit, kind, shown) for row in rows)
            parts.append(
                f"<h3>{escaped(found.name)}: {heading}</h3><p class=soft>{escaped(name)}"
                f"<div class=pairs>{cards}</div>"
            )
    return f"<h2>The worst errors</h2>{''.join(parts)}"


def _pair(
    found: Evaluated, row: int, limit: float, kind: str, shown: Callable[[Path | str], str]
) -> str:
    """A card of one comparison; it may be right, where so few are wrong."""
    tried, score = found.trials, float(found.scores[row])
    wrong = (score < limit) == bool(tried.mated[row])
    word = f"<b class=bad>{kind}</b>" if wrong else "<span class=soft>no error</span>"
    both = (tried.samples[of[row]] for of in (tried.left, tried.right))
    return f"<div class=pair><p>{score:.3f} {word}<div>{''.join(map(shown, both))}</div></div>"


def _told(results: Sequence[Evaluated]) -> str:
    notes = dict.fromkeys(note for found in results for note in found.notes)
    draws = dict.fromkeys(f"{found.measured.draws:,}" for found in results)
    notes[f"Intervals are 95 %, by {' and '.join(draws)} resamplings of the identities."] = None
    said = "".join(f"<li>{escaped(note)}" for note in notes)
    faults = list(dict.fromkeys(fault for found in results for fault in found.faults))
    listed = "".join(
        f"<li>{escaped(fault.where, 300)}: "
        f"{escaped(fault.reason.removeprefix(fault.where + ': '), 300)}"
        for fault in faults[:FAULTS]
    )
    if len(faults) > FAULTS:
        listed += f"<li>… and {len(faults) - FAULTS:,} more"
    could = f"<h2>Could not be used: {len(faults):,}</h2><ul>{listed}</ul>" if faults else ""
    return f"{could}<h2>Notes</h2><ul>{said}</ul>"
