"""Make a calibration of scored comparisons, and judge it on identities it was not fitted to."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from scipy.special import expit

from siamkit.errors import Uncalibrated
from siamkit.stats.calibration import require_rate
from siamkit.stats.calibration_json import CalibrationMethod
from siamkit.stats.comparisons import Comparisons, require_both_kinds
from siamkit.stats.fpir import threshold_for_fpir
from siamkit.stats.metrics import ErrorRates, error_rates
from siamkit.stats.reliability import brier, cllr, ece, min_cllr, reliability_bins
from siamkit.stats.score_maps import METHODS, fit_score_map
from siamkit.stats.scoring import Fusion
from siamkit.stats.verification import RULE_OF_THREE
from siamkit.types import Calibration, FpirModel, Steps

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDS = 4  # of identities; what is judged is of one or two of them, what it is fitted to of others
BETTER = 0.005  # bits of Cllr by which the isotonic map must win to be taken
DECADE = 20  # thresholds kept for each power of ten of an error rate
FMRS = (0.001, 0.01, 0.1)  # the default is the first that the data supports
FPIR = 0.01  # the default, or what is supported


class CalibrationTargets(TypedDict, total=False):
    """What is asked of a calibration; None, or left out, leaves it to `calibrate`."""

    fmr: float | None  # false match rate that decisions are made at, in (0, 1)
    precision: float | None  # instead: share of matches that shall be right, in (0, 1)
    fpir: float | None  # false positive identification rate, in (0, 1)
    method: CalibrationMethod | None


def fit_calibration(
    made: Comparisons,
    fingerprint: str,
    source: str,
    *,
    fmr: float | None = None,
    precision: float | None = None,
    fpir: float | None = None,
    method: CalibrationMethod | None = None,
    fpir_model: FpirModel | None = None,
    fusion: Fusion | None = None,
    seed: int = 0,
) -> Calibration:
    """A calibration of an encoder by comparisons of its scores.

    fmr: the false match rate that decisions are made at; None: 0.001, or the next that the data
    supports. precision: instead, the share of matches that shall be right where pairs are as in
    these comparisons. fpir: the same for identification, if `fpir_model` is given. method: None
    is the logistic map, unless the isotonic one does clearly better on identities it has not
    seen. fusion: how a probe was scored against all samples of an identity; None: one sample
    against one. Raises BadInput if one kind of comparison is missing or a rate is none. Raises
    Uncalibrated where no precision so high is reached, or so few impostor pairs cannot support the
    rate (no error among n pairs is compatible with a rate of 3 / n: the rule of three).
    """
    require_both_kinds(made)
    if fpir is not None:
        require_rate("a false positive identification rate", fpir)
        if fpir_model is None:
            raise Uncalibrated("so few samples cannot show a false positive identification rate")
        threshold_for_fpir(fpir_model, fpir, 1)  # raises if it is not supported
    pairs = made.impostor_pairs
    curve = error_rates(made.mated_scores, made.non_mated_scores)
    lowest = RULE_OF_THREE / pairs
    if precision is not None:
        fmr = _for_precision(curve, made, precision)
    if fmr is not None:
        require_rate("a false match rate", fmr)
        _require_support(pairs, lowest, fmr)
    else:
        fmr = next((rate for rate in FMRS if rate >= lowest), math.ceil(lowest * 100) / 100)
        if fmr >= 1:
            _require_support(pairs, lowest, FMRS[-1])
    persons = len(np.unique(made.left[made.mated]))
    judged = {name: cross_fit(made, name, seed) for name in ((method,) if method else METHODS)}
    chosen, probabilities = _better(made, judged)
    knots, llrs = fit_score_map(made, chosen, seed)
    found = Calibration(
        fingerprint=fingerprint,
        source=source,
        method=chosen,
        scores=_rounded(knots),
        llrs=_rounded(llrs),
        false_matches=_steps(curve.fmr, curve.thresholds, min(1.0, lowest), upwards=True),
        false_non_matches=_steps(
            curve.fnmr, curve.thresholds, min(1.0, RULE_OF_THREE / persons), upwards=False
        ),
        fmr=fmr,
        fpir=FPIR if fpir is None else fpir,
        mated=int(made.mated.sum()),
        non_mated=int((~made.mated).sum()),
        identities=made.identities,
        impostor_pairs=pairs,
        fpir_model=fpir_model,
        fusion=fusion,
    )
    if fpir_model is not None and fpir is None:
        found = replace(found, fpir=max(FPIR, math.ceil(fpir_model.rates[-1] * 1000) / 1000))
    if probabilities is None:
        return found
    fine = np.isfinite(probabilities)
    same, other = probabilities[fine & made.mated], probabilities[fine & ~made.mated]
    both, labels = expit(probabilities[fine]), made.mated[fine]
    return replace(
        found,
        brier=brier(both, labels),
        ece=ece(both, labels),
        reliability=tuple(
            zip(*(_rounded(part) for part in reliability_bins(both, labels)), strict=True)
        ),
        cllr=cllr(same, other),
        min_cllr=min_cllr(made.scores[fine & made.mated], made.scores[fine & ~made.mated]),
    )


def cross_fit(
    made: Comparisons, method: CalibrationMethod, seed: int = 0
) -> NDArray[np.float64] | None:
    """(n,) log-likelihood ratios, each by a map fitted without either of its identities.

    NaN where too little was left to fit to. None for fewer identities than folds.
    """
    names, numbers = np.unique(np.concatenate([made.left, made.right]), return_inverse=True)
    if len(names) < 2 * FOLDS:
        return None
    fold = np.random.default_rng(seed).permutation(len(names)) % FOLDS
    left, right = fold[numbers[: len(made)]], fold[numbers[len(made) :]]
    low, high = np.minimum(left, right), np.maximum(left, right)
    out = np.full(len(made), np.nan)
    for a in range(FOLDS):
        for b in range(a, FOLDS):
            rest = made[~np.isin(low, (a, b)) & ~np.isin(high, (a, b))]
            tested = (low == a) & (high == b)
            if rest.mated.any() and not rest.mated.all() and tested.any():
                knots, llrs = fit_score_map(rest, method, seed)
                out[tested] = np.interp(made.scores[tested], knots, llrs)
    return (
        out if np.isfinite(out[made.mated]).any() and np.isfinite(out[~made.mated]).any() else None
    )


def _better(
    made: Comparisons, judged: dict[CalibrationMethod, NDArray[np.float64] | None]
) -> tuple[CalibrationMethod, NDArray[np.float64] | None]:
    """The first method, unless another costs clearly less."""
    (best, found), *others = judged.items()
    for name, other in others:
        if found is None or other is None:
            break
        if _cost(made, other) < _cost(made, found) - BETTER:
            best, found = name, other
    return best, found


def _cost(made: Comparisons, llrs: NDArray[np.float64]) -> float:
    fine = np.isfinite(llrs)
    return cllr(llrs[fine & made.mated], llrs[fine & ~made.mated])


def _for_precision(curve: ErrorRates, made: Comparisons, precision: float) -> float:
    """The highest false match rate at which so large a share of the matches is right.

    No false match rate counts as lower than so many pairs of identities can show.
    """
    require_rate("a precision", precision)
    same, other = made.mated.sum(), (~made.mated).sum() / made.sampled_share
    fmr = np.maximum(curve.fmr, RULE_OF_THREE / made.impostor_pairs)
    right = same * (1 - curve.fnmr)
    reached = np.where(right > 0, right / np.maximum(right + other * fmr, 1e-300), 0.0)
    fine = reached >= precision
    if not fine.any():
        raise Uncalibrated(
            f"these comparisons support a precision of {_down(float(reached.max())):g},"
            f" not {precision:g}",
            hint="ask for that, or calibrate with more identities",
        )
    return float(fmr[int(np.argmax(fine))])


def _down(share: float) -> float:
    """A share in three digits that is surely reached."""
    return math.floor(share * 1000) / 1000


def _require_support(pairs: int, lowest: float, fmr: float) -> None:
    if fmr < lowest * (1 - 1e-9):
        more = f"use identities enough for {RULE_OF_THREE / fmr:,.0f} pairs"
        supported = f"a false match rate of {lowest:.2g}, not {fmr:g}" if lowest < 1 else "none"
        raise Uncalibrated(
            f"you have {pairs:,} impostor pairs (of two identities each); that supports"
            f" {supported}",
            hint=f"ask for that, or {more}" if lowest < 1 else more,
        )


def _steps(
    curve: NDArray[np.float64], thresholds: NDArray[np.float64], least: float, *, upwards: bool
) -> Steps:
    """Thresholds at rates from 1 down to `least`; false matches fall with it, misses rise."""
    count = 1 + max(1, math.ceil(-math.log10(least) * DECADE)) if least < 1 else 1
    wanted = np.geomspace(1.0, least, count) if least < 1 else np.ones(1)
    last = len(curve) - 1
    if upwards:  # the lowest threshold whose FMR is not above
        at = np.searchsorted(-curve, -wanted * (1 + 1e-12))
    else:  # the highest whose FNMR is not above
        at = np.searchsorted(curve, wanted * (1 + 1e-12), "right") - 1
    at = np.clip(at, 0, last)
    values = thresholds[at]
    if last:  # above all scores there is no score to name: just above the highest
        values = np.where(np.isinf(values), np.nextafter(thresholds[last - 1], np.inf), values)
    return Steps(tuple(wanted.tolist()), tuple(values.tolist()))


def _rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(np.round(values, 6).tolist())
