"""A page about a calibration: one self-contained HTML file.

It shows whether the probabilities are right (a reliability diagram: DeGroot and Fienberg, "The
comparison and evaluation of forecasters", 1983), and where the thresholds lie.
"""

from __future__ import annotations

import math

import numpy as np

from siamkit.reports.html import facts, page, table
from siamkit.reports.svg import COLOURS, LOG_TICKS, Axis, Chart
from siamkit.stats.calibration import different_below, probability, threshold_for_fmr
from siamkit.stats.fpir import threshold_for_fpir
from siamkit.types import Calibration, FpirModel

LARGEST_RADIUS = 32.0  # px: the disc that would stand for all comparisons
CURVE_POINTS = 200
SIZES = np.unique(np.geomspace(1, 1_000_000, 61).round())  # of a gallery, where the curve is drawn
SIZE_TICKS = tuple(
    (10.0**n, label)
    for n, label in enumerate(("1", "10", "100", "1,000", "10,000", "100,000", "1 M"))
)
PERCENT_TICKS = tuple((n / 5, f"{20 * n}") for n in range(6))
GREY = "#888"
COMPARED_WITH = {
    None: "one sample",
    "best": "the nearest sample of an identity",
    "mean": "the mean of an identity's samples",
}


def html(calibration: Calibration, gallery: str) -> str:
    """Return the page as text. User texts are escaped."""
    calibration = calibration.normalised or calibration  # the one that the gallery decides by
    charts = _reliability(calibration) + _probabilities(calibration) + _rates(calibration)
    tables = _rate_table(calibration)
    if calibration.fpir_model:
        charts += _thresholds_by_size(calibration.fpir_model, calibration.fpir)
        tables += _size_table(calibration.fpir_model, calibration.fpir)
    body = f"{facts(_facts(calibration))}<div class=row>{charts}</div><h2>Thresholds</h2>{tables}"
    return page(f"Calibration of {gallery}", body)


def _facts(calibration: Calibration) -> list[tuple[str, str]]:
    same, different = threshold_for_fmr(calibration).value, different_below(calibration)
    rows = [
        ("source", calibration.source),
        ("comparisons", f"{calibration.mated:,} mated, {calibration.non_mated:,} non-mated"),
        (
            "identities",
            f"{calibration.identities:,}, in {calibration.non_mated_identity_pairs:,} pairs",
        ),
        ("a probe is compared with", COMPARED_WITH[calibration.fusion]),
        ("same from", f"{same:.3f}, false match rate {calibration.fmr:g}"),
        ("different below", f"{different:.3f}"),
        ("lowest false match rate supported", f"{calibration.false_matches.rates[-1]:.2g}"),
        ("probability", f"{calibration.method} map"),
        ("encoder", calibration.fingerprint),
    ]
    if calibration.cllr is not None and calibration.min_cllr is not None:
        rows += [
            ("Cllr", f"{calibration.cllr:.3f} bits, at best {calibration.min_cllr:.3f}"),
            ("Brier score", f"{calibration.brier:.4f}"),
            ("expected calibration error (ECE)", f"{calibration.ece:.4f}"),
        ]
    return rows


def _reliability(calibration: Calibration) -> str:
    # The margin leaves room for discs in the corners, where most comparisons should be.
    chart = Chart(
        Axis(-0.09, 1.09, "mean predicted probability, %", ticks=PERCENT_TICKS),
        Axis(-0.09, 1.09, "share that is mated, %", ticks=PERCENT_TICKS),
    )
    chart.line([0, 1], [0, 1], GREY, "perfect calibration", dotted=True)
    name = "pairs of unseen identities; the area is their share"
    for predicted, mated, weight in calibration.reliability:
        radius = max(2.5, LARGEST_RADIUS * math.sqrt(weight))
        share = f"{weight:.1%} of the comparisons"
        tooltip = f"predicted {predicted:.1%}, mated {mated:.1%}, {share}"
        chart.dot(predicted, mated, COLOURS[0], tooltip, radius=radius, name=name)
    if not calibration.reliability:
        return chart.figure("Too few identities to judge the probabilities")
    return chart.figure("Are the probabilities right?")


def _score_range(calibration: Calibration) -> tuple[float, float]:
    """Return the scores that matter: from median to median of both kinds, with a margin."""
    both = (calibration.false_matches, calibration.false_non_matches)
    low, high = (float(np.interp(-0.5, -np.array(s.rates), s.thresholds)) for s in both)
    if not high > low:
        thresholds = both[0].thresholds + both[1].thresholds
        low, high = min(thresholds), max(thresholds)
    margin = 0.3 * (high - low)
    return (low - margin, high + margin) if high > low else (low - 0.5, low + 0.5)


def _probabilities(calibration: Calibration) -> str:
    low, high = _score_range(calibration)
    chart = Chart(
        Axis(low, high, "score"),
        Axis(0, 1, "probability of the same, %", ticks=PERCENT_TICKS),
    )
    _mark_decisions(chart, calibration)
    scores = np.linspace(low, high, CURVE_POINTS)
    probabilities = [probability(calibration, score) for score in scores.tolist()]
    chart.line(scores, probabilities, COLOURS[0], "if half of all pairs are mated")
    return chart.figure("What a score means")


def _mark_decisions(chart: Chart, calibration: Calibration) -> None:
    """Mark where "same" begins and where "different" ends."""
    same, different = threshold_for_fmr(calibration).value, different_below(calibration)
    if different < same:
        chart.band(different, same, f"inconclusive: {different:.3f} to {same:.3f}")
    chart.vertical(same, COLOURS[5], f"same from {same:.3f}")


def _rates(calibration: Calibration) -> str:
    fmr, fnmr = calibration.false_matches, calibration.false_non_matches
    low, high = _score_range(calibration)
    lowest = min(fmr.rates[-1], fnmr.rates[-1], 0.1)
    chart = Chart(
        Axis(low, high, "threshold"),
        Axis(10 ** math.floor(math.log10(lowest)), 1, "rate, %", "log", LOG_TICKS),
    )
    _mark_decisions(chart, calibration)
    for steps, colour, name in (
        (fmr, COLOURS[1], "false matches (FMR)"),
        (fnmr, COLOURS[0], "false non-matches (FNMR)"),
    ):
        thresholds, rates = np.array(steps.thresholds), np.array(steps.rates)
        visible = (low <= thresholds) & (thresholds <= high)
        chart.line(thresholds[visible], rates[visible], colour, name)
    return chart.figure("Error rates, as far as the data supports them")


def _thresholds_by_size(model: FpirModel, fpir: float) -> str:
    thresholds = np.array([threshold_for_fpir(model, fpir, int(size)) for size in SIZES])
    margin = max(0.05 * float(np.ptp(thresholds)), 1e-3)
    chart = Chart(
        Axis(1, float(SIZES[-1]), "identities enrolled", "log", SIZE_TICKS),
        Axis(float(thresholds.min()) - margin, float(thresholds.max()) + margin, "threshold"),
    )
    measured = model.sizes[-1]
    count = int((measured >= SIZES).sum())
    if measured < SIZES[-1]:
        name = f"extrapolated: the data has {measured:,} other identities"
        chart.band(measured, float(SIZES[-1]), name)
    name = f"strangers identified: {fpir:.2%} (FPIR)"
    chart.line(SIZES[:count], thresholds[:count], COLOURS[0], name)
    chart.line(SIZES[count - 1 :], thresholds[count - 1 :], COLOURS[0], dotted=True)
    return chart.figure("The threshold of a search, by gallery size")


def _rate_table(calibration: Calibration) -> str:
    """Thresholds at powers of ten down to the lowest false match rate that the data supports."""
    lowest = calibration.false_matches.rates[-1]
    lowest_fnmr = calibration.false_non_matches.rates[-1]
    rates = [10.0**-n for n in range(1, 9) if 10.0**-n >= lowest * (1 + 1e-9)]
    rates += [lowest] if lowest < 1 else []
    rows = []
    note = ""
    for rate in rates:
        label, different = f"{rate:.2g}", f"{different_below(calibration, rate):.3f}"
        if float(label) < lowest_fnmr:
            different += " *"
            note = (
                f"<p class=soft>* at a rate of {lowest_fnmr:.2g}, the lowest false non-match rate"
                " that the data supports"
            )
        rows.append((label, f"{threshold_for_fmr(calibration, rate).value:.3f}", different))
    return table(["error rate", "same from (FMR)", "different below (FNMR)"], rows) + note


def _size_table(model: FpirModel, fpir: float) -> str:
    rows = []
    for size in (10**n for n in range(7)):
        note = "extrapolated" if size > model.sizes[-1] else ""
        rows.append((f"{size:,}", f"{threshold_for_fpir(model, fpir, size):.3f}", note))
    return table(["identities enrolled", f"identified from, FPIR {fpir:g}", ""], rows)
