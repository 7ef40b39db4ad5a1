"""Measure: how often a gallery is wrong at each threshold, and how sure that is; calibrate."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from siamkit.errors import BadInput, SiamkitError
from siamkit.io.wording import Nouns, describe_rate, format_odds
from siamkit.serve.pages.frame import Form, Moved, Shown, describe, link
from siamkit.serve.server import Server
from siamkit.stats.verification import Estimate, OperatingPoint, measure_verification
from siamkit.store import Gallery

PAIRS = 50_000  # of a gallery, at most: a second or two
STEPS, BINS, DRAWS = 61, 48, 200  # of the slider, of the histogram, resamplings
WIDTH, HEIGHT = 600, 220  # of a chart, in its own units
DET_RATES = (1e-4, 0.6)  # at the edges of the DET curve
TICKS = (1e-4, 1e-3, 0.01, 0.05, 0.2, 0.5)
TARGETS = (0.01, 0.001, 0.0001)  # false match rates to calibrate for


@dataclass(frozen=True, slots=True)
class Measured:
    """The scores of a gallery's own pairs, as the page draws them."""

    points: tuple[OperatingPoint, ...]  # one per step of the slider
    mated: tuple[float, ...]  # heights of the bars, 0 to 1
    non_mated: tuple[float, ...]
    low: float  # the range of the histogram
    high: float
    det: tuple[tuple[float, float], ...]  # FMR and FNMR, along the curve
    eer: Estimate
    mated_pairs: int
    non_mated_pairs: int
    identities: int


class Measurements:
    """The last measurement of each gallery, until something is enrolled or forgotten in it."""

    def __init__(self) -> None:
        """Measure nothing yet."""
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._measured: dict[str, tuple[tuple[int, int], Measured]] = {}

    def of(self, server: Server, gallery: Gallery) -> Measured:
        """Return what is measured of a gallery. Raises BadInput if it is too small."""
        key = gallery.id, server.workspace.last_change(gallery.name)
        with self._locks[gallery.name]:  # a gallery that takes long holds up no other
            known = self._measured.get(gallery.name)
            if known is None or known[0] != key:
                known = key, _measure(server, gallery)
                self._measured[gallery.name] = known
            return known[1]


_MEASUREMENTS: WeakKeyDictionary[Server, Measurements] = WeakKeyDictionary()


def _measure(server: Server, gallery: Gallery) -> Measured:
    from siamkit.flows.evaluate import EvaluationSettings

    settings = EvaluationSettings(pairs=PAIRS)
    (evaluation,) = server.workspace.evaluate(gallery=gallery.name, settings=settings)
    comparisons = evaluation.measured.comparisons
    mated, non_mated = comparisons.mated_scores, comparisons.non_mated_scores
    low, high = float(min(mated.min(), non_mated.min())), float(comparisons.scores.max())
    own = gallery.threshold.value if gallery.threshold else evaluation.measured.eer_threshold
    steps = np.unique(np.append(np.linspace(low, high, STEPS), own))
    thresholds = {str(number): float(step) for number, step in enumerate(steps)}
    measured = measure_verification(comparisons, thresholds=thresholds, draws=DRAWS)
    edges = np.linspace(low, high, BINS + 1)
    bars = [np.histogram(scores, edges)[0] / len(scores) for scores in (mated, non_mated)]
    tallest = max(float(bar.max()) for bar in bars)
    curve = measured.curve
    rows = np.unique(np.linspace(0, len(curve.fmr) - 1, 400).round().astype(int))
    return Measured(
        points=tuple(measured.at_thresholds),
        mated=tuple((bars[0] / tallest).tolist()),
        non_mated=tuple((bars[1] / tallest).tolist()),
        low=low,
        high=high,
        det=tuple(zip(curve.fmr[rows].tolist(), curve.fnmr[rows].tolist(), strict=True)),
        eer=measured.eer,
        mated_pairs=len(mated),
        non_mated_pairs=len(non_mated),
        identities=comparisons.identities,
    )


def show_measure(server: Server, form: Form) -> Shown | Moved:
    """Show the error rates of a gallery at the threshold of the slider."""
    ws = server.workspace
    filled = [gallery for gallery in ws.galleries() if ws.count(gallery.name)[1]]
    if not filled:
        return Moved("/galleries")
    names = [gallery.name for gallery in filled]
    gallery = filled[names.index(form["gallery"]) if form["gallery"] in names else 0]
    nouns = ws.nouns(gallery.space.modality)
    rate = describe_rate(gallery.threshold, nouns) if gallery.threshold else ""
    values: dict[str, Any] = {
        "gallery": gallery,
        "galleries": names,
        "nouns": nouns,
        "rate": rate,
        "measured": None,
        "error": None,
        "targets": [(str(target), format_odds(target)) for target in TARGETS],
        "size": (WIDTH, HEIGHT),
    }
    measurements = _MEASUREMENTS.setdefault(server, Measurements())
    try:
        measured = measurements.of(server, gallery)
    except SiamkitError as error:
        values["error"] = describe(error, server)
        return Shown("measure.html", values)
    values |= _draw(measured, nouns)
    at = _nearest(measured, form["threshold"], gallery)
    values |= {"measured": measured, "at": at, "own": _nearest(measured, "", gallery)}
    return Shown("measure.html", values)


def _nearest(measured: Measured, text: str, gallery: Gallery) -> int:
    """Return the step of the slider that is nearest to a threshold; by default to the gallery's."""
    middle = (measured.low + measured.high) / 2
    threshold = gallery.threshold.value if gallery.threshold else middle
    try:
        threshold = float(text) if text else threshold
    except ValueError:
        raise BadInput(f"{text[:40]!r} is not a number") from None
    distances = [abs(point.threshold - threshold) for point in measured.points]
    return distances.index(min(distances))


def _draw(measured: Measured, nouns: Nouns) -> dict[str, Any]:
    """Return bars, curves, and what each step of the slider says."""
    width = WIDTH / BINS
    bars = {
        kind: [
            (f"{n * width:.1f}", f"{HEIGHT * (1 - share):.1f}", f"{HEIGHT * share:.1f}")
            for n, share in enumerate(shares)
        ]
        for kind, shares in (("mated", measured.mated), ("non_mated", measured.non_mated))
    }
    det = " ".join(",".join(_det_point(*rates)) for rates in measured.det)
    span = (measured.high - measured.low) or 1.0
    steps = [
        {
            "threshold": f"{point.threshold:.3f}",
            "x": f"{(point.threshold - measured.low) / span * WIDTH:.1f}",
            "det": _det_point(point.fmr.value, point.fnmr.value),
            "fmr": _say(point.fmr),
            "fnmr": _say(point.fnmr),
            "sure_fmr": f"between {_percent(point.fmr.low)} and {_percent(point.fmr.high)}",
            "sure_fnmr": f"between {_percent(point.fnmr.low)} and {_percent(point.fnmr.high)}",
        }
        for point in measured.points
    ]
    ticks = [(*_det_point(rate, rate), f"{100 * rate:g} %") for rate in TICKS]
    return {"bars": bars, "det": det, "steps": steps, "ticks": ticks}


def _place(rate: float) -> float:
    """Return where a rate lies on an axis of normal deviates, as in a DET curve; 0 to 1."""
    low, high = (NormalDist().inv_cdf(edge) for edge in DET_RATES)
    clipped = min(max(rate, DET_RATES[0]), DET_RATES[1])
    return (NormalDist().inv_cdf(clipped) - low) / (high - low)


def _det_point(fmr: float, fnmr: float) -> tuple[str, str]:
    return f"{_place(fmr) * WIDTH:.1f}", f"{HEIGHT * (1 - _place(fnmr)):.1f}"


def _percent(rate: float) -> str:
    return f"{100 * rate:.3g} %"


def _say(estimate: Estimate) -> str:
    return "none" if not estimate.value else _percent(estimate.value)


def calibrate(server: Server, form: Form) -> Moved:
    """Calibrate a gallery by its own samples; its decisions use the result."""
    ws, name = server.workspace, form["gallery"]
    try:
        fmr = float(form["fmr"]) if form["fmr"] else None
    except ValueError:
        raise BadInput(f"{form['fmr'][:40]!r} is not a rate") from None
    from siamkit.stats.calibration_fit import CalibrationTargets  # and scipy, 0.1 s

    ws.calibrate(name, targets=CalibrationTargets(fmr=fmr))
    gallery = ws.gallery(name)
    nouns = ws.nouns(gallery.space.modality)
    notice = f"{name} is calibrated"
    if gallery.threshold:
        rate = describe_rate(gallery.threshold, nouns)
        notice += f": same from {gallery.threshold.value:.3f}; {rate}"
    return Moved(link("/measure", gallery=name), notice + ".")
