"""What a score means by a calibration: its log-likelihood ratio, probability, and thresholds.

A log-likelihood ratio is ln p(score | mated) / p(score | non-mated). It does not depend on how many
pairs of either kind there were; with the odds that are known beforehand it gives a probability
(Brümmer and du Preez, "Application-independent evaluation of speaker detection", 2006). See
siamkit.stats.calibration_fit, which makes a calibration.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from siamkit.errors import BadInput, Uncalibrated
from siamkit.types import Calibration, Steps, Threshold

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def llr(calibration: Calibration, scores: ArrayLike) -> NDArray[np.float64]:
    """Log-likelihood ratios of scores of any shape: linear between knots, constant beyond."""
    found: NDArray[np.float64] = np.interp(
        np.asarray(scores, np.float64), calibration.scores, calibration.llrs
    )
    return found


def probability(calibration: Calibration, score: float, prior: float = 0.5) -> float:
    """That a pair is mated, in (0, 1), where the share `prior` of all pairs is."""
    return sigmoid(float(llr(calibration, score)) + math.log(prior / (1 - prior)))


def probability_among(calibration: Calibration, score: float, identities: int) -> float:
    """That a probe is of one of so many identities, in (0, 1).

    Beforehand it is as likely of somebody who is enrolled as not, and then of each alike.
    """
    return probability(calibration, score, 1 / (2 * identities))


def sigmoid(odds: float) -> float:
    """The probability of log odds."""
    return 1 / (1 + math.exp(-odds)) if odds >= 0 else 1 - 1 / (1 + math.exp(odds))


def threshold_for_fmr(calibration: Calibration, fmr: float | None = None) -> Threshold:
    """The lowest threshold for a false match rate in (0, 1), or for the calibration's own.

    Raises BadInput for what is no rate, Uncalibrated for one lower than the data supports.
    """
    wanted = calibration.fmr if fmr is None else fmr
    require_rate("a false match rate", wanted)
    steps = calibration.false_matches
    if wanted < steps.rates[-1] * (1 - 1e-9):
        pairs = calibration.impostor_pairs
        raise Uncalibrated(
            f"{calibration.source}: {pairs:,} impostor pairs (of two identities each) support a"
            f" false match rate of {steps.rates[-1]:.2g}, not {wanted:g}",
            hint="ask for a rate that is supported, or calibrate with more identities",
        )
    return Threshold(_at(steps, wanted), wanted, calibration.source)


def threshold_for_best(calibration: Calibration, fmr: float | None, tries: int) -> Threshold:
    """The threshold for the best of so many scores, of which one alone is calibrated.

    If each of them reaches it at fmr / tries, one of them does at fmr at most, however they hang
    together (Bonferroni). None is the calibration's own rate, or the next that is supported; for
    another that is not, it raises Uncalibrated.
    """
    if fmr is not None:
        require_rate("a false match rate", fmr)
    lowest = calibration.false_matches.rates[-1]
    rate = max(calibration.fmr / tries, lowest) if fmr is None else fmr / tries
    found = threshold_for_fmr(calibration, min(rate, 0.5))
    return Threshold(found.value, min(rate * tries, 1.0), found.source)


def llr_of_best(calibration: Calibration, score: float, tries: int) -> float:
    """The log-likelihood ratio of the best of so many scores, at least: see threshold_of_best.

    What was calibrated of whole identities knows about their samples already.
    """
    found = float(llr(calibration, score))
    return found if calibration.fusion else found - math.log(tries)


def different_below(calibration: Calibration, fmr: float | None = None) -> float:
    """From which score down two are called different: misses are then as rare as false matches.

    Between it and `threshold`, if that is higher, lies what cannot be told. Where the data does not
    support so low a rate of misses, the lowest that it supports is taken.
    """
    steps = calibration.false_non_matches
    return _at(steps, max(calibration.fmr if fmr is None else fmr, steps.rates[-1]))


def require_rate(what: str, rate: float) -> None:
    """Raise BadInput unless it lies in (0, 1)."""
    if not 0 < rate < 1:
        raise BadInput(f"{what} of {rate:g}", hint="it lies between 0 and 1")


def _at(steps: Steps, rate: float) -> float:
    """Between rates that are kept, by their logarithm."""
    return float(np.interp(-math.log(rate), -np.log(steps.rates), steps.thresholds))
