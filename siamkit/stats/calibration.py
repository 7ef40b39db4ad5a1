"""Read a calibration: a score's log-likelihood ratio and probability, and thresholds.

A log-likelihood ratio is ln p(score | mated) / p(score | non-mated). It does not depend on the
share of mated pairs; with prior odds it gives a probability (Brümmer and du Preez,
"Application-independent evaluation of speaker detection", 2006). siamkit.stats.calibration_fit
fits calibrations.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from siamkit.errors import BadInput, Uncalibrated
from siamkit.stats.fpir import tail_quantile, tail_rate, threshold_for_fpir
from siamkit.types import Calibration, ErrorCurve, Threshold

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

HIGHEST_FMR = 0.5  # a threshold for a higher rate tells nothing apart
# Impostor pairs that cover this share of the pairs of identities, or this many of them, were not
# picked for being alike, as forgeries and the hardest questions are.
COVERED_SHARE, COVERED_PAIRS = 0.05, 100_000


def llr(calibration: Calibration, scores: ArrayLike) -> NDArray[np.float64]:
    """Return log-likelihood ratios of scores of any shape.

    They are linear between knots, and constant beyond.
    """
    ratios: NDArray[np.float64] = np.interp(
        np.asarray(scores, np.float64), calibration.scores, calibration.llrs
    )
    return ratios


def probability(calibration: Calibration, score: float, prior: float = 0.5) -> float:
    """Return the probability, in (0, 1), that a pair is mated if a share `prior` of pairs is."""
    return sigmoid(float(llr(calibration, score)) + math.log(prior / (1 - prior)))


def probability_among(calibration: Calibration, score: float, size: int) -> float:
    """Return the probability, in (0, 1), that a probe belongs to who is enrolled.

    size: the number of identities or samples that it is compared with. The prior: somebody enrolled
    is as likely as a stranger, and each identity or sample as likely as another.
    """
    return sigmoid(float(llr(calibration, score)) + shift_among(calibration, size))


def shift_among(calibration: Calibration, size: int) -> float:
    """Return what to add to a pair's log-likelihood ratio for the log odds of a search of `size`.

    A stranger's best score counts, whose tail is heavier than a line fitted to all pairs shows. So
    at the threshold for the calibration's FPIR, the ratio is that of the density of mated scores
    to that of strangers' best scores, each from the curve of its error rate. Where mated scores
    are too few there, each of `size` pairs is as likely as another to be mated: -ln(2 size - 1).
    """
    model, misses = calibration.fpir_model, calibration.false_non_matches
    rate = max(calibration.fpir, 2 * model.rates[-1]) if model else 1.0
    if model is None or 2 * rate >= 1:  # the probes are too few to show a rate of twice theirs
        return -math.log(2 * size - 1)
    low, middle, high = (threshold_for_fpir(model, rate * k, size) for k in (2.0, 1.0, 0.5))
    missed = float(np.exp(np.interp(middle, misses.thresholds[::-1], np.log(misses.rates[::-1]))))
    fewer, more = max(0.5 * missed, misses.rates[-1]), 2.0 * missed
    start, end = _interpolate(misses, fewer), _interpolate(misses, more)
    if fewer >= missed or more >= 1 or end <= start or high <= low:
        return -math.log(2 * size - 1)
    strangers, mated = 1.5 * rate / (high - low), (more - fewer) / (end - start)
    return math.log(mated / strangers) - float(llr(calibration, middle))


def score_at(calibration: Calibration, ratio: float) -> float:
    """Return the score with that log-likelihood ratio; infinite beyond those that it can give."""
    if not calibration.llrs[0] <= ratio <= calibration.llrs[-1]:
        return math.copysign(math.inf, ratio - calibration.llrs[0])
    return float(np.interp(ratio, calibration.llrs, calibration.scores))


def sigmoid(log_odds: float) -> float:
    """Turn natural log odds into a probability."""
    return 1 / (1 + math.exp(-log_odds)) if log_odds >= 0 else 1 - 1 / (1 + math.exp(log_odds))


def threshold_for_fmr(calibration: Calibration, fmr: float | None = None) -> Threshold:
    """Return the lowest threshold for a false match rate in (0, 1); None: the calibration's own.

    Raises BadInput for a rate outside (0, 1), Uncalibrated for one lower than the data supports.
    """
    rate = calibration.fmr if fmr is None else fmr
    require_rate("a false match rate", rate)
    curve = calibration.false_matches
    if rate < curve.rates[-1] * (1 - 1e-9):
        pairs = calibration.non_mated_identity_pairs
        raise Uncalibrated(
            f"{calibration.source}: {pairs:,} pairs of identities are too few for a false"
            f" match rate of {rate:g}; the lowest supported is {curve.rates[-1]:.2g}",
            hint="choose a rate that is supported, or calibrate with more identities",
        )
    return Threshold(_interpolate(curve, rate), rate, calibration.source)


def threshold_for_best(calibration: Calibration, fmr: float | None, tries: int) -> Threshold:
    """Return the threshold for the best of `tries` scores, with a calibration of single scores.

    If each score reaches the threshold at fmr / tries, the best does so at fmr at most, however the
    scores depend on each other (Bonferroni). fmr None: the calibration's own rate, or the lowest
    that is supported. Raises Uncalibrated for any other rate that is not supported.
    """
    if fmr is not None:
        require_rate("a false match rate", fmr)
    lowest = calibration.false_matches.rates[-1]
    rate = max(calibration.fmr / tries, lowest) if fmr is None else fmr / tries
    single = threshold_for_fmr(calibration, min(rate, 0.5))
    return Threshold(single.value, min(rate * tries, 1.0), single.source)


def compares_strangers(calibration: Calibration) -> bool:
    """Was it measured on any strangers, so that its false match rate holds for random pairs?"""
    possible = calibration.identities * (calibration.identities - 1) / 2
    return calibration.non_mated_identity_pairs >= min(COVERED_SHARE * possible, COVERED_PAIRS)


def threshold_for_many(calibration: Calibration, fmr: float) -> Threshold:
    """Return the threshold for a false match rate that may be too low for the data to show.

    Beyond the data, the tail of a calibration for identification (see siamkit.stats.fpir)
    continues the curve: among n strangers the highest score reaches a threshold about n times as
    often as one of them. Without it, the threshold is that of the lowest rate that is supported,
    and so is the rate of the result. fmr: above 0.
    """
    curve, model = calibration.false_matches, calibration.fpir_model
    lowest = curve.rates[-1]
    if fmr >= lowest or model is None:
        return threshold_for_fmr(calibration, min(max(fmr, lowest), HIGHEST_FMR))
    size = model.sizes[-1]
    start = tail_quantile(model, lowest * size)
    value = curve.thresholds[-1] + tail_quantile(model, fmr * size) - start
    return Threshold(min(value, 1.0), fmr, f"{calibration.source}, beyond the data by its tail")


def fmr_at(calibration: Calibration, threshold: float) -> float:
    """Return the false match rate of a threshold; where the data ends, as threshold_for_many."""
    curve, model = calibration.false_matches, calibration.fpir_model
    if threshold > curve.thresholds[-1] and model:
        start = tail_quantile(model, curve.rates[-1] * model.sizes[-1])
        return tail_rate(model, threshold - curve.thresholds[-1] + start) / model.sizes[-1]
    return float(np.exp(np.interp(threshold, curve.thresholds, np.log(curve.rates))))


def llr_of_best(calibration: Calibration, score: float, tries: int) -> float:
    """Return a lower bound on the log-likelihood ratio of the best of `tries` scores.

    See threshold_for_best. A calibration of whole identities already accounts for their samples.
    """
    ratio = float(llr(calibration, score))
    return ratio if calibration.fusion else ratio - math.log(tries)


def different_below(calibration: Calibration, fmr: float | None = None) -> float:
    """Return the score below which a pair counts as different, where FNMR is as low as `fmr`.

    Between it and the threshold, if that is higher, the answer is inconclusive. Where the data does
    not support so low an FNMR, the lowest that it supports is used.
    """
    curve = calibration.false_non_matches
    return _interpolate(curve, max(calibration.fmr if fmr is None else fmr, curve.rates[-1]))


def require_rate(name: str, rate: float) -> None:
    """Raise BadInput unless the rate lies in (0, 1)."""
    if not 0 < rate < 1:
        hint = "give a rate greater than 0 and less than 1"
        raise BadInput(f"{name} of {rate:g} is out of range", hint=hint)


def _interpolate(curve: ErrorCurve, rate: float) -> float:
    """Return the threshold at a rate, linear in the logarithm of the rate."""
    return float(np.interp(-math.log(rate), -np.log(curve.rates), curve.thresholds))
