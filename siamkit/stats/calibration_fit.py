"""Fit a calibration to scored comparisons, and judge it on identities it was not fitted to."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from siamkit.errors import BadInput, Uncalibrated
from siamkit.stats.calibration import require_rate
from siamkit.stats.calibration_json import CalibrationMethod
from siamkit.stats.comparisons import Comparisons, require_both_kinds
from siamkit.stats.fpir import threshold_for_fpir
from siamkit.stats.metrics import ErrorRates, error_rates
from siamkit.stats.reliability import brier, cllr, ece, min_cllr, reliability_bins
from siamkit.stats.score_maps import METHODS, fit_score_map
from siamkit.stats.scoring import Fusion
from siamkit.stats.verification import RULE_OF_THREE
from siamkit.types import Calibration, ErrorCurve, FpirModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDS = 4  # of identities; a map is judged on one or two of them and fitted to the others
BETTER = 0.005  # bits of Cllr by which the isotonic map must win to be chosen
DECADE = 20  # thresholds stored for each power of ten of an error rate
FMRS = (0.001, 0.01, 0.1)  # the default is the first that the data supports
FPIR = 0.01  # the default, or what is supported


@dataclass(frozen=True, slots=True)
class CalibrationTargets:
    """The error rates that a calibration decides at, and its method.

    None leaves a choice to the data. Raises BadInput for a rate outside (0, 1), and for both an FMR
    and a precision.

    Examples:
        >>> sk.CalibrationTargets(fmr=1e-4).fmr
        0.0001
    """

    fmr: float | None = None  # false match rate; None: 0.001, or the next that is supported
    precision: float | None = None  # instead of fmr: share of matches that are right
    fpir: float | None = None  # false positive identification rate; None: 0.01, or the lowest
    method: CalibrationMethod | None = None  # None: logistic, unless isotonic is clearly better

    def __post_init__(self) -> None:
        if self.fmr is not None and self.precision is not None:
            raise BadInput("give only one of fmr and precision")
        for name, rate in (
            ("a false match rate", self.fmr),
            ("a precision", self.precision),
            ("a false positive identification rate", self.fpir),
        ):
            if rate is not None:
                require_rate(name, rate)


DEFAULT_TARGETS = CalibrationTargets()


def fit_calibration(
    comparisons: Comparisons,
    fingerprint: str,
    source: str,
    targets: CalibrationTargets = DEFAULT_TARGETS,
    *,
    fpir_model: FpirModel | None = None,
    fusion: Fusion | None = None,
    seed: int = 0,
) -> Calibration:
    """Calibrate an encoder by comparisons of its scores.

    targets.precision refers to pairs as in these comparisons; targets.fpir needs an `fpir_model`.
    fusion: how a probe was scored against all samples of an identity; None: one sample against one.
    Raises BadInput if one kind of comparison is missing. Raises Uncalibrated for a precision that
    is not reached, or a rate too low for the number of pairs of identities (no error among n pairs
    is compatible with a rate of 3 / n: the rule of three).
    """
    require_both_kinds(comparisons)
    if targets.fpir is not None:
        if fpir_model is None:
            raise Uncalibrated("too few samples to show a false positive identification rate")
        threshold_for_fpir(fpir_model, targets.fpir, 1)  # raises if it is not supported
    curve = error_rates(comparisons.mated_scores, comparisons.non_mated_scores)
    fmr = _choose_fmr(comparisons, curve, targets)
    method, llrs = _choose_method(comparisons, targets.method, seed)
    knots, knot_llrs = fit_score_map(comparisons, method, seed)
    lowest_fmr = min(1.0, RULE_OF_THREE / comparisons.non_mated_identity_pairs)
    lowest_fnmr = min(1.0, RULE_OF_THREE / comparisons.mated_identities)
    mated = int(comparisons.mated.sum())
    calibration = Calibration(
        fingerprint=fingerprint,
        source=source,
        method=method,
        scores=_round(knots),
        llrs=_round(knot_llrs),
        false_matches=_false_match_curve(curve, lowest_fmr),
        false_non_matches=_false_non_match_curve(curve, lowest_fnmr),
        fmr=fmr,
        fpir=_choose_fpir(fpir_model, targets.fpir),
        mated=mated,
        non_mated=len(comparisons) - mated,
        identities=comparisons.identities,
        non_mated_identity_pairs=comparisons.non_mated_identity_pairs,
        fpir_model=fpir_model,
        fusion=fusion,
    )
    return calibration if llrs is None else _add_quality(calibration, comparisons, llrs)


def _choose_fmr(comparisons: Comparisons, curve: ErrorRates, targets: CalibrationTargets) -> float:
    """Return the FMR to decide at. Raises Uncalibrated if the data does not support it."""
    lowest = RULE_OF_THREE / comparisons.non_mated_identity_pairs
    fmr = targets.fmr
    if targets.precision is not None:
        fmr = _fmr_for_precision(curve, comparisons, targets.precision)
        require_rate("a false match rate", fmr)
    if fmr is None:
        fmr = next((rate for rate in FMRS if rate >= lowest), math.ceil(lowest * 100) / 100)
        if fmr < 1:
            return fmr
        fmr = FMRS[-1]
    _require_support(comparisons.non_mated_identity_pairs, lowest, fmr)
    return fmr


def _choose_fpir(model: FpirModel | None, fpir: float | None) -> float:
    """Return the FPIR to decide at; by default FPIR, or the lowest that the model supports."""
    if fpir is not None:
        return fpir
    return FPIR if model is None else max(FPIR, math.ceil(model.rates[-1] * 1000) / 1000)


def _choose_method(
    comparisons: Comparisons, method: CalibrationMethod | None, seed: int
) -> tuple[CalibrationMethod, NDArray[np.float64] | None]:
    """Return the method, and its cross-fitted ratios if there are identities enough.

    Without a given method that is the first, unless another costs clearly less.
    """
    methods = (method,) if method else tuple(METHODS)
    cross_fits = {name: cross_fit(comparisons, name, seed) for name in methods}
    best = methods[0]
    for name in methods[1:]:
        best_llrs, llrs = cross_fits[best], cross_fits[name]
        if best_llrs is None or llrs is None:
            break
        if _cost(comparisons, llrs) < _cost(comparisons, best_llrs) - BETTER:
            best = name
    return best, cross_fits[best]


def _cost(comparisons: Comparisons, llrs: NDArray[np.float64]) -> float:
    finite, mated = np.isfinite(llrs), comparisons.mated
    return cllr(llrs[finite & mated], llrs[finite & ~mated])


def cross_fit(
    comparisons: Comparisons, method: CalibrationMethod, seed: int = 0
) -> NDArray[np.float64] | None:
    """Return (n,) log-likelihood ratios, each by a map fitted without either of its identities.

    NaN where too few comparisons remained to fit to. None for fewer identities than folds.
    """
    identities, left, right = comparisons.numbered()
    if identities < 2 * FOLDS:
        return None
    fold = np.random.default_rng(seed).permutation(identities) % FOLDS
    low, high = np.minimum(fold[left], fold[right]), np.maximum(fold[left], fold[right])
    ratios = np.full(len(comparisons), np.nan)
    for a in range(FOLDS):
        for b in range(a, FOLDS):
            training = comparisons[~np.isin(low, (a, b)) & ~np.isin(high, (a, b))]
            tested = (low == a) & (high == b)
            if training.mated.any() and not training.mated.all() and tested.any():
                knots, llrs = fit_score_map(training, method, seed)
                ratios[tested] = np.interp(comparisons.scores[tested], knots, llrs)
    finite, mated = np.isfinite(ratios), comparisons.mated
    return ratios if finite[mated].any() and finite[~mated].any() else None


def _add_quality(
    calibration: Calibration, comparisons: Comparisons, llrs: NDArray[np.float64]
) -> Calibration:
    """Add the quality of probabilities, measured on cross-fitted ratios."""
    finite = np.isfinite(llrs)
    judged, ratios = comparisons[finite], llrs[finite]
    probabilities = expit(ratios)
    bins = reliability_bins(probabilities, judged.mated)
    return replace(
        calibration,
        brier=brier(probabilities, judged.mated),
        ece=ece(probabilities, judged.mated),
        reliability=tuple(zip(*map(_round, bins), strict=True)),
        cllr=cllr(ratios[judged.mated], ratios[~judged.mated]),
        min_cllr=min_cllr(judged.mated_scores, judged.non_mated_scores),
    )


def _fmr_for_precision(curve: ErrorRates, comparisons: Comparisons, precision: float) -> float:
    """Return the highest false match rate at which that share of the matches is right.

    No false match rate counts as lower than the number of pairs of identities can show.
    """
    mated = comparisons.mated.sum()
    non_mated = (~comparisons.mated).sum() / comparisons.sampled_share
    fmr = np.maximum(curve.fmr, RULE_OF_THREE / comparisons.non_mated_identity_pairs)
    right = mated * (1 - curve.fnmr)
    precisions = np.where(right > 0, right / np.maximum(right + non_mated * fmr, 1e-300), 0.0)
    is_reached = precisions >= precision
    if not is_reached.any():
        supported = math.floor(float(precisions.max()) * 1000) / 1000  # three digits, rounded down
        raise Uncalibrated(
            f"these comparisons support a precision of {supported:g}, not {precision:g}",
            hint="choose that, or calibrate with more identities",
        )
    return float(fmr[int(np.argmax(is_reached))])


def _require_support(pairs: int, lowest: float, fmr: float) -> None:
    """Raise Uncalibrated for a rate lower than the lowest that the pairs can show."""
    if fmr < lowest * (1 - 1e-9):
        more = f"use identities enough for {RULE_OF_THREE / fmr:,.0f} pairs"
        supported = f"a false match rate of {lowest:.2g}, not {fmr:g}" if lowest < 1 else "none"
        raise Uncalibrated(
            f"you have {pairs:,} pairs of identities; that supports {supported}",
            hint=f"choose that, or {more}" if lowest < 1 else more,
        )


def _rate_grid(lowest: float) -> NDArray[np.float64]:
    """Return rates from 1 down to the lowest, DECADE of them for each power of ten."""
    if lowest >= 1:
        return np.ones(1)
    return np.geomspace(1.0, lowest, 1 + max(1, math.ceil(-math.log10(lowest) * DECADE)))


def _false_match_curve(curve: ErrorRates, lowest: float) -> ErrorCurve:
    """Return the lowest threshold for each rate: the first whose FMR is not above it."""
    rates = _rate_grid(lowest)
    return _error_curve(curve, rates, np.searchsorted(-curve.fmr, -rates * (1 + 1e-12)))


def _false_non_match_curve(curve: ErrorRates, lowest: float) -> ErrorCurve:
    """Return the highest threshold for each rate: the last whose FNMR is not above it."""
    rates = _rate_grid(lowest)
    return _error_curve(curve, rates, np.searchsorted(curve.fnmr, rates * (1 + 1e-12), "right") - 1)


def _error_curve(curve: ErrorRates, rates: NDArray[np.float64], at: NDArray[np.intp]) -> ErrorCurve:
    last = len(curve.thresholds) - 1
    values = curve.thresholds[np.clip(at, 0, last)]
    if last:  # the threshold above all scores is infinite: use one just above the highest
        highest = np.nextafter(curve.thresholds[last - 1], np.inf)
        values = np.where(np.isinf(values), highest, values)
    return ErrorCurve(tuple(rates.tolist()), tuple(values.tolist()))


def _round(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(np.round(values, 6).tolist())
