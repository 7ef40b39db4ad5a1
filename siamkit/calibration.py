"""What a score means: log-likelihood ratio, probability, and the threshold for an error rate.

A log-likelihood ratio is ln p(score | mated) / p(score | non-mated). It does not depend on how many
pairs of either kind there were; with the odds that are known beforehand it gives a probability
(Brümmer and du Preez, "Application-independent evaluation of speaker detection", 2006). Fitted by
scikit-learn, and judged on identities that it was not fitted to.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias, TypedDict

import numpy as np

from siamkit.calibrations import Method
from siamkit.comparisons import Comparisons, require_both
from siamkit.crowds import threshold_for
from siamkit.errors import BadInput, Uncalibrated
from siamkit.evaluation import RULE_OF_THREE
from siamkit.metrics import Rates, rates
from siamkit.scoring import Fusion
from siamkit.types import Calibration, Crowds, Steps, Threshold

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Array: TypeAlias = "NDArray[np.float64]"
Knots: TypeAlias = "tuple[Array, Array]"  # rising scores, and their log-likelihood ratios
FITTED = 30_000  # comparisons of a kind that a fit looks at, at most
FOLDS = 4  # of identities; what is judged is of one or two of them, what it is fitted to of others
KNOTS = 200  # of an isotonic map, at most
BETTER = 0.005  # bits of Cllr by which the isotonic map must win to be taken
DECADE = 20  # thresholds kept for each power of ten of an error rate
FMRS = (0.001, 0.01, 0.1)  # the default is the first that the data supports
FPIR = 0.01  # the default, or what is supported
BINS = 15  # of a reliability diagram


class Aims(TypedDict, total=False):
    """What is asked of a calibration; None, or left out, leaves it to `calibrate`."""

    fmr: float | None  # false match rate that decisions are made at, in (0, 1)
    precision: float | None  # instead: share of matches that shall be right, in (0, 1)
    fpir: float | None  # false positive identification rate, in (0, 1)
    method: Method | None


# --- reading a calibration ---


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


def threshold(calibration: Calibration, fmr: float | None = None) -> Threshold:
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


def threshold_of_best(calibration: Calibration, fmr: float | None, tries: int) -> Threshold:
    """The threshold for the best of so many scores, of which one alone is calibrated.

    If each of them reaches it at fmr / tries, one of them does at fmr at most, however they hang
    together (Bonferroni). None is the calibration's own rate, or the next that is supported; for
    another that is not, it raises Uncalibrated.
    """
    if fmr is not None:
        require_rate("a false match rate", fmr)
    lowest = calibration.false_matches.rates[-1]
    rate = max(calibration.fmr / tries, lowest) if fmr is None else fmr / tries
    found = threshold(calibration, min(rate, 0.5))
    return Threshold(found.value, min(rate * tries, 1.0), found.source)


def llr_of_best(calibration: Calibration, score: float, tries: int) -> float:
    """The log-likelihood ratio of the best of so many scores, at least: see threshold_of_best.

    What was calibrated of whole identities knows about their samples already.
    """
    found = float(llr(calibration, score))
    return found if calibration.fusion else found - math.log(tries)


def grey_below(calibration: Calibration, fmr: float | None = None) -> float:
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


# --- making one ---


def calibrate(
    made: Comparisons,
    fingerprint: str,
    source: str,
    *,
    fmr: float | None = None,
    precision: float | None = None,
    fpir: float | None = None,
    method: Method | None = None,
    crowds: Crowds | None = None,
    fusion: Fusion | None = None,
    seed: int = 0,
) -> Calibration:
    """A calibration of an encoder by comparisons of its scores.

    fmr: the false match rate that decisions are made at; None: 0.001, or the next that the data
    supports. precision: instead, the share of matches that shall be right where pairs are as in
    these comparisons. fpir: the same for identification, if `crowds` are given. method: None takes
    the logistic map, unless the isotonic one does clearly better on identities that it has not
    seen. fusion: how a probe was scored against all samples of an identity; None: one sample
    against one. Raises BadInput if one kind of comparison is missing or a rate is none. Raises
    Uncalibrated where no precision so high is reached, or so few impostor pairs cannot support the
    rate (no error among n pairs is compatible with a rate of 3 / n: the rule of three).
    """
    require_both(made)
    if fpir is not None:
        require_rate("a false positive identification rate", fpir)
        if crowds is None:
            raise Uncalibrated("so few samples cannot show a false positive identification rate")
        threshold_for(crowds, fpir, 1)  # raises if it is not supported
    pairs = made.impostor_pairs
    curve = rates(made.mated_scores, made.non_mated_scores)
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
    judged = {name: cross_fitted(made, name, seed) for name in ((method,) if method else METHODS)}
    chosen, probabilities = _better(made, judged)
    knots, llrs = fitted(made, chosen, seed)
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
        crowds=crowds,
        fusion=fusion,
    )
    if crowds is not None and fpir is None:
        found = replace(found, fpir=max(FPIR, math.ceil(crowds.rates[-1] * 1000) / 1000))
    if probabilities is None:
        return found
    fine = np.isfinite(probabilities)
    same, other = probabilities[fine & made.mated], probabilities[fine & ~made.mated]
    both, labels = _sigmoids(probabilities[fine]), made.mated[fine]
    return replace(
        found,
        brier=brier(both, labels),
        ece=ece(both, labels),
        reliability=tuple(
            zip(*(_rounded(part) for part in reliability(both, labels)), strict=True)
        ),
        cllr=cllr(same, other),
        min_cllr=min_cllr(made.scores[fine & made.mated], made.scores[fine & ~made.mated]),
    )


def cross_fitted(made: Comparisons, method: Method, seed: int = 0) -> NDArray[np.float64] | None:
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
                knots, llrs = fitted(rest, method, seed)
                out[tested] = np.interp(made.scores[tested], knots, llrs)
    return (
        out if np.isfinite(out[made.mated]).any() and np.isfinite(out[~made.mated]).any() else None
    )


def fitted(made: Comparisons, method: Method, seed: int = 0) -> Knots:
    """A map from scores to log-likelihood ratios that says no more than n pairs can show.

    The lower bound counts mated comparisons, not people: of 18 speakers it would be so near to 0
    that the map is no longer calibrated on others (benchmarks/kept_rates.py).
    """
    least, most = math.log(made.mated.sum()), math.log(made.impostor_pairs)
    return _bounded(*METHODS[method](made, seed), least, most)


def _better(
    made: Comparisons, judged: dict[Method, NDArray[np.float64] | None]
) -> tuple[Method, NDArray[np.float64] | None]:
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


def _logistic(made: Comparisons, seed: int) -> Knots:
    """Two knots of a straight line, as wide as scores can be.

    Both kinds of pairs weigh alike. Labels are softened as if one pair of each kind more had been
    seen on the wrong side, so that kinds that do not overlap give no infinite slope (Platt,
    "Probabilistic outputs for support vector machines", 1999).
    """
    from sklearn.linear_model import LogisticRegression

    scores, labels = _sample(made, seed)
    same, other = int(labels.sum()), int((~labels).sum())
    soft = np.where(labels, (same + 1) / (same + 2), 1 / (other + 2))
    weight = np.where(labels, 1 / same, 1 / other) * len(labels) / 2
    spread = float(scores.std()) or 1.0
    model = LogisticRegression(C=1e6, max_iter=1000).fit(
        np.concatenate([scores, scores])[:, None] / spread,
        np.repeat([1, 0], len(scores)),
        np.concatenate([soft * weight, (1 - soft) * weight]),
    )
    slope, offset = float(model.coef_[0, 0]) / spread, float(model.intercept_[0])
    reach = max(1.0, float(np.abs(scores).max()))
    ends = np.array([-reach, reach])
    if slope <= 0:  # the more alike, the less mated: such scores say nothing
        return ends, np.zeros(2)
    return ends, slope * ends + offset


def _isotonic(made: Comparisons, seed: int) -> Knots:
    """Knots of a rising map, with one pair of each kind more at either end.

    So it never says 0 or 1, however sure the data looks.
    """
    from sklearn.isotonic import IsotonicRegression

    scores, labels = _sample(made, seed)
    same, other = int(labels.sum()), int((~labels).sum())
    low, high = float(scores.min()), float(scores.max())
    weights = np.append(np.where(labels, 1 / same, 1 / other), [1 / same, 1 / other] * 2)
    model = IsotonicRegression().fit(
        np.append(scores, [low, low, high, high]),
        np.append(labels, [1, 0, 1, 0]).astype(float),
        weights,
    )
    knots, shares = model.X_thresholds_.astype(float), model.y_thresholds_.astype(float)
    least = 1e-9
    shares = np.clip(shares, least, 1 - least)
    if len(knots) > KNOTS:
        picked = np.linspace(0, len(knots) - 1, KNOTS).round().astype(int)
        knots, shares = knots[picked], shares[picked]
    return knots, np.log(shares / (1 - shares))


def _bounded(knots: Array, llrs: Array, low: float, high: float) -> Knots:
    """The same map, which says no more than the data can: so many of n, and never 1 to more.

    So a straight line does not go on where no score was.
    """
    if len(knots) == 2 and llrs[1] > llrs[0]:
        wanted = np.clip(llrs, -low, high)
        return knots[0] + (wanted - llrs[0]) * (knots[1] - knots[0]) / (llrs[1] - llrs[0]), wanted
    return knots, np.clip(llrs, -low, high)


METHODS: dict[Method, Callable[[Comparisons, int], Knots]] = {
    "logistic": _logistic,
    "isotonic": _isotonic,
}


def _sample(made: Comparisons, seed: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Scores and labels of FITTED comparisons of a kind at most."""
    rng, rows = np.random.default_rng(seed), []
    for kind in (made.mated, ~made.mated):
        found = np.flatnonzero(kind)
        rows.append(found if len(found) <= FITTED else rng.choice(found, FITTED, replace=False))
    picked = np.concatenate(rows)
    return made.scores[picked], made.mated[picked]


def _for_precision(curve: Rates, made: Comparisons, precision: float) -> float:
    """The highest false match rate at which so large a share of the matches is right.

    No false match rate counts as lower than so many pairs of identities can show.
    """
    require_rate("a precision", precision)
    same, other = made.mated.sum(), (~made.mated).sum() / made.kept
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


# --- judging one ---


def cllr(mated: ArrayLike, non_mated: ArrayLike) -> float:
    """Cost of log-likelihood ratios, in bits; 1 is that of saying nothing, 0 of being certain.

    (n,) natural log-likelihood ratios of mated and of non-mated pairs (Brümmer and du Preez 2006).
    """
    same = np.mean(np.logaddexp(0, -np.asarray(mated, np.float64)))
    other = np.mean(np.logaddexp(0, np.asarray(non_mated, np.float64)))
    return float((same + other) / 2 / math.log(2))


def min_cllr(mated: ArrayLike, non_mated: ArrayLike) -> float:
    """The least Cllr of any rising map of these scores: what they can tell at all."""
    from sklearn.isotonic import IsotonicRegression

    same, other = np.asarray(mated, np.float64), np.asarray(non_mated, np.float64)
    labels = np.repeat([1.0, 0.0], [len(same), len(other)])
    weights = np.repeat([1 / len(same), 1 / len(other)], [len(same), len(other)])
    # Ranks, for scikit-learn cannot tell scores apart that differ in the last digit.
    values = np.unique(np.concatenate([same, other]), return_inverse=True)[1].astype(np.float64)
    shares = IsotonicRegression(y_min=0, y_max=1).fit(values, labels, weights).predict(values)
    with np.errstate(divide="ignore"):
        llrs = np.log(shares) - np.log1p(-shares)
    return cllr(llrs[labels > 0], llrs[labels == 0])


def brier(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Mean squared error of (n,) probabilities of (n,) labels, both kinds weighing alike."""
    chance, same = np.asarray(probabilities, np.float64), np.asarray(labels, np.bool_)
    errors = (chance - same) ** 2
    return float((errors[same].mean() + errors[~same].mean()) / 2)


def reliability(
    probabilities: ArrayLike, labels: ArrayLike, bins: int = BINS
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Of each of so many equal bins of probability: its mean, the share that is mated, its weight.

    Both kinds weigh alike, and the weights add up to 1. Empty bins are left out.
    """
    chance, same = np.asarray(probabilities, np.float64), np.asarray(labels, np.bool_)
    weight = np.where(same, 0.5 / max(1, same.sum()), 0.5 / max(1, (~same).sum()))
    of = np.minimum((chance * bins).astype(np.int64), bins - 1)
    total: NDArray[np.float64] = np.bincount(of, weight, bins).astype(np.float64)
    mean = np.bincount(of, weight * chance, bins)
    mated = np.bincount(of, weight * same, bins)
    there = total > 0
    return mean[there] / total[there], mated[there] / total[there], total[there]


def ece(probabilities: ArrayLike, labels: ArrayLike, bins: int = BINS) -> float:
    """Expected calibration error in [0, 1]: how far bins lie from the diagonal, by their weight.

    Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities", AAAI 2015.
    """
    mean, mated, weight = reliability(probabilities, labels, bins)
    return float(np.sum(weight * np.abs(mean - mated)))


def _sigmoids(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.special import expit

    found: NDArray[np.float64] = expit(odds)
    return found
