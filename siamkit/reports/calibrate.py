"""A page about a calibration: one self-contained HTML file.

It shows whether probabilities mean what they say (a reliability diagram: DeGroot and Fienberg, "The
comparison and evaluation of forecasters", 1983), and where the thresholds lie.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from siamkit.reports.html import facts, page, table
from siamkit.reports.svg import COLOURS, LOG_TICKS, Axis, Chart
from siamkit.stats.calibration import different_below, probability, threshold_for_fmr
from siamkit.stats.fpir import threshold_for_fpir

if TYPE_CHECKING:
    from siamkit.types import Calibration, FpirModel

BIGGEST = 32.0  # px radius of the disc of all comparisons
POINTS = 200  # of a curve
SIZES = np.unique(np.geomspace(1, 1_000_000, 61).round())  # of a gallery
SHARES = tuple((n / 5, f"{20 * n}") for n in range(6))  # ticks in %
GREY = "#888"
COMPARED = {
    None: "one sample",
    "best": "the nearest sample of an identity",
    "mean": "the mean of an identity's samples",
}


def html(calibration: Calibration, gallery: str) -> str:
    """The page as text. Every text of the user's is escaped."""
    calibration = calibration.normalised or calibration  # what the gallery decides by
    drawn = [_reliability(calibration), _map(calibration), _rates(calibration)]
    if calibration.fpir_model:
        drawn.append(_sizes(calibration.fpir_model, calibration.fpir))
    body = (
        facts(_facts(calibration))
        + f"<div class=row>{''.join(drawn)}</div>"
        + "<h2>Thresholds</h2>"
        + _thresholds(calibration)
    )
    return page(f"Calibration of {gallery}", body)


def _facts(made: Calibration) -> list[tuple[str, str]]:
    limit, grey = threshold_for_fmr(made).value, different_below(made)
    rows = [
        ("source", made.source),
        ("comparisons", f"{made.mated:,} mated, {made.non_mated:,} non-mated"),
        ("identities", f"{made.identities:,}, in {made.impostor_pairs:,} impostor pairs"),
        ("a probe is compared with", COMPARED[made.fusion]),
        ("same from", f"{limit:.3f}, false match rate {made.fmr:g}"),
        ("different below", f"{grey:.3f}"),
        ("lowest false match rate supported", f"{made.false_matches.rates[-1]:.2g}"),
        ("probability", f"{made.method} map"),
        ("encoder", made.fingerprint),
    ]
    if made.cllr is not None and made.min_cllr is not None:
        rows += [
            ("Cllr", f"{made.cllr:.3f} bits, at best {made.min_cllr:.3f}"),
            ("Brier score", f"{made.brier:.4f}"),
            ("expected calibration error (ECE)", f"{made.ece:.4f}"),
        ]
    return rows


def _reliability(made: Calibration) -> str:
    # Room for discs at the corners, where most of the comparisons should be.
    chart = Chart(
        Axis(-0.09, 1.09, "mean probability said, %", ticks=SHARES),
        Axis(-0.09, 1.09, "share that is mated, %", ticks=SHARES),
        height=400,
    )
    chart.line([0, 1], [0, 1], GREY, "as it should be", dotted=True)
    for mean, mated, weight in made.reliability:
        chart.dot(
            mean, mated, COLOURS[0], radius=max(2.5, BIGGEST * math.sqrt(weight)),
            said=f"said {mean:.1%}, is {mated:.1%}, of {weight:.1%} of the comparisons",
            name="pairs of unseen identities; area: their weight",
        )  # fmt: skip
    lacking = "Too few identities to judge the probabilities"
    return chart.figure("Are the probabilities right?" if made.reliability else lacking)


def _span(made: Calibration) -> tuple[float, float]:
    """The scores where it is decided: between the medians of both kinds, and some more."""
    wrong, missed = made.false_matches, made.false_non_matches
    low, high = (float(np.interp(-0.5, -np.array(s.rates), s.thresholds)) for s in (wrong, missed))
    seen = wrong.thresholds + missed.thresholds
    if not high > low:
        low, high = min(seen), max(seen)
    rest = 0.3 * (high - low)
    return (low - rest, high + rest) if high > low else (low - 0.5, low + 0.5)


def _map(made: Calibration) -> str:
    low, high = _span(made)
    chart = Chart(
        Axis(low, high, "score"), Axis(0, 1, "probability of the same, %", ticks=SHARES), height=400
    )
    _decide(chart, made)
    scores = np.linspace(low, high, POINTS)
    chances = [probability(made, score) for score in scores.tolist()]
    chart.line(scores, chances, COLOURS[0], "where half of all pairs are mated")
    return chart.figure("What a score means")


def _decide(chart: Chart, made: Calibration) -> None:
    """Mark where same begins and different ends."""
    limit, grey = threshold_for_fmr(made).value, different_below(made)
    if grey < limit:
        chart.band(grey, limit, f"can't tell: {grey:.3f} to {limit:.3f}")
    chart.upright(limit, COLOURS[5], f"same from {limit:.3f}")


def _rates(made: Calibration) -> str:
    wrong, missed = made.false_matches, made.false_non_matches
    low, high = _span(made)
    lowest = min(wrong.rates[-1], missed.rates[-1], 0.1)
    chart = Chart(
        Axis(low, high, "threshold"),
        Axis(10 ** math.floor(math.log10(lowest)), 1, "rate, %", "log", LOG_TICKS),
        height=400,
    )
    _decide(chart, made)
    for steps, colour, name in (
        (wrong, COLOURS[1], "false matches (FMR)"),
        (missed, COLOURS[0], "false non-matches (FNMR)"),
    ):
        limits, rates = np.array(steps.thresholds), np.array(steps.rates)
        inside = (low <= limits) & (limits <= high)
        chart.line(limits[inside], rates[inside], colour, name)
    return chart.figure("Error rates, as far as the data supports them")


def _sizes(fpir_model: FpirModel, fpir: float) -> str:
    limits = np.array([threshold_for_fpir(fpir_model, fpir, int(size)) for size in SIZES])
    spread = max(0.05 * float(np.ptp(limits)), 1e-3)
    words = ("1", "10", "100", "1,000", "10,000", "100,000", "1 M")
    names = tuple((10.0**n, word) for n, word in enumerate(words))
    chart = Chart(
        Axis(1, float(SIZES[-1]), "identities enrolled", "log", names),
        Axis(float(limits.min()) - spread, float(limits.max()) + spread, "threshold"),
        height=400,
    )
    known = fpir_model.sizes[-1]
    seen = int((known >= SIZES).sum())
    if known < SIZES[-1]:
        chart.band(known, float(SIZES[-1]), f"extrapolated: the data has {known:,} others")
    chart.line(SIZES[:seen], limits[:seen], COLOURS[0], f"strangers identified: {fpir:.2%} (FPIR)")
    chart.line(SIZES[seen - 1 :], limits[seen - 1 :], COLOURS[0], dotted=True)
    return chart.figure("The threshold of a search, by the size of the gallery")


def _thresholds(made: Calibration) -> str:
    lowest, missed = made.false_matches.rates[-1], made.false_non_matches.rates[-1]
    wanted = [10.0**-n for n in range(1, 9) if 10.0**-n >= lowest * (1 + 1e-9)]
    rows = [
        (
            f"{rate:.2g}",
            f"{threshold_for_fmr(made, rate).value:.3f}",
            f"{different_below(made, rate):.3f}",
        )
        for rate in [*wanted, *([lowest] if lowest < 1 else [])]
    ]
    rows = [
        (rate, limit, grey + (" *" if float(rate) < missed else "")) for rate, limit, grey in rows
    ]
    crowd = ""
    if made.fpir_model:
        sizes = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
        limits = [(size, threshold_for_fpir(made.fpir_model, made.fpir, size)) for size in sizes]
        crowd = table(
            ["identities enrolled", f"identified from, FPIR {made.fpir:g}", ""],
            [
                (f"{n:,}", f"{at:.3f}", "extrapolated" if n > made.fpir_model.sizes[-1] else "")
                for n, at in limits
            ],
        )
    note = f"<p class=soft>* at a rate of {missed:.2g}, the lowest miss rate that the data supports"
    head = ["error rate", "same from (FMR)", "different below (FNMR)"]
    return table(head, rows) + (note if any("*" in row[2] for row in rows) else "") + crowd
