"""Measure 1:1: the usual error rates of scores, each with an interval over identities.

Terms as in ISO/IEC 19795-1:2021. The rates count comparisons; samples that could not be compared
are reported apart from them, as the standard demands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from siamkit.stats.comparisons import Comparisons, require_both_kinds, resample
from siamkit.stats.metrics import (
    ErrorRates,
    eer_of_curve,
    error_rates,
    fold_accuracy,
    min_dcf,
    operating_point,
    percentile_interval,
    roc_auc,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

Statistic: TypeAlias = Callable[[ErrorRates], float]

FMRS = (0.1, 0.01, 0.001, 0.0001)
PRIORS = (0.05, 0.01)  # of a mated pair, for the detection cost
ERRORS = 30  # that a rate must rest on: the rule of 30
RULE_OF_THREE = 3.0  # no error among n trials: the rate is at most 3 / n with 95 % confidence
FOLDS = 10
DRAWS, MANY, DRAWS_OF_MANY = 1000, 200_000, 300  # resamplings; fewer of that many comparisons


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its 95 % interval over identities."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The error rates at one threshold."""

    threshold: float
    fmr: Estimate
    fnmr: Estimate
    target_fmr: float | None = None  # the false match rate that the threshold was chosen for
    name: str = ""  # of a threshold that the caller gave


@dataclass(frozen=True, slots=True)
class GroupRates:
    """The error rates of a part of the comparisons, at a threshold chosen for all."""

    name: str
    mated: int
    non_mated: int
    fmr: Estimate | None  # None: the group has no non-mated comparison
    fnmr: Estimate | None  # None: it has no mated one


@dataclass(frozen=True, slots=True, eq=False)
class VerificationMetrics:
    """Every 1:1 metric of one system on one set of comparisons."""

    comparisons: Comparisons
    curve: ErrorRates
    auc: Estimate
    eer: Estimate
    eer_threshold: float
    at_fmr: list[OperatingPoint]
    unsupported_fmrs: list[float]  # rates too low for the number of non-mated comparisons
    at_thresholds: list[OperatingPoint]  # at the caller's thresholds
    accuracy: float | None  # mean over ten folds; None: too few identities for them
    accuracy_error: float | None  # its standard error
    min_dcf: dict[float, Estimate]  # by the prior of a mated pair
    draws: int  # resamplings behind the intervals
    groups: list[GroupRates] = field(default_factory=list)
    groups_at: float | None = None  # the threshold at which groups are compared


def measure_verification(
    comparisons: Comparisons,
    *,
    folds: Sequence[int] | None = None,
    thresholds: Mapping[str, float] | None = None,
    groups: Sequence[str] | None = None,
    draws: int | None = None,
    seed: int = 0,
) -> VerificationMetrics:
    """Compute every 1:1 metric of a set of comparisons.

    folds: (n,) the fold of each comparison, for the accuracy; None deals them out by identity.
    thresholds: further thresholds to report, by name. groups: (n,) the group of each comparison;
    they are measured at the first of the thresholds, or else at that of the equal error rate.
    draws: resamplings, at least 1. Raises BadInput if one kind of comparison is missing.
    """
    require_both_kinds(comparisons)
    curve = error_rates(comparisons.mated_scores, comparisons.non_mated_scores)
    non_mated = int((~comparisons.mated).sum())
    supported = [fmr for fmr in FMRS if fmr * non_mated >= ERRORS]
    _, eer_threshold = eer_of_curve(curve)
    points: list[tuple[float | None, str, float]]
    points = [(fmr, "", operating_point(curve, fmr)[1]) for fmr in supported]
    points += [(None, name, value) for name, value in (thresholds or {}).items()]
    draws = draws or (DRAWS if len(comparisons) <= MANY else DRAWS_OF_MANY)
    statistics = _statistics([threshold for *_, threshold in points])
    auc, eer, *others = _estimate(comparisons, curve, statistics, draws, seed)
    dcfs, rates = others[: len(PRIORS)], others[len(PRIORS) :]
    pairs, persons = comparisons.non_mated_identity_pairs, comparisons.mated_identities
    operating_points = []
    for (target, name, threshold), fmr, fnmr in zip(points, rates[::2], rates[1::2], strict=True):
        fmr, fnmr = with_rule_of_three(fmr, pairs), with_rule_of_three(fnmr, persons)
        operating_points.append(OperatingPoint(threshold, fmr, fnmr, target, name))
    accuracy, accuracy_error = _accuracy(comparisons, folds)
    groups_at, group_rates = None, []
    if groups is not None:
        groups_at = next(iter((thresholds or {}).values()), eer_threshold)
        group_rates = rates_by_group(comparisons, groups, groups_at, draws, seed)
    return VerificationMetrics(
        comparisons=comparisons,
        curve=curve,
        auc=auc,
        eer=with_rule_of_three(eer, min(pairs, persons)),
        eer_threshold=eer_threshold,
        at_fmr=operating_points[: len(supported)],
        unsupported_fmrs=[fmr for fmr in FMRS if fmr not in supported],
        at_thresholds=operating_points[len(supported) :],
        accuracy=accuracy,
        accuracy_error=accuracy_error,
        min_dcf=dict(zip(PRIORS, dcfs, strict=True)),
        draws=draws,
        groups=group_rates,
        groups_at=groups_at,
    )


def _statistics(thresholds: Sequence[float]) -> list[Statistic]:
    """Return the AUC, the EER, a detection cost per prior, and FMR and FNMR per threshold."""

    def dcf_at(prior: float) -> Statistic:
        return lambda curve: min_dcf(curve, prior)

    def rate_at(threshold: float, kind: int) -> Statistic:
        return lambda curve: rates_at(curve, threshold)[kind]

    statistics: list[Statistic] = [roc_auc, lambda curve: eer_of_curve(curve)[0]]
    statistics += map(dcf_at, PRIORS)
    statistics += [rate_at(threshold, kind) for threshold in thresholds for kind in (0, 1)]
    return statistics


def _estimate(
    comparisons: Comparisons,
    curve: ErrorRates,
    statistics: Sequence[Statistic],
    draws: int,
    seed: int,
) -> list[Estimate]:
    """Evaluate each statistic on the curve, with its interval over resamplings."""
    curves = resample(comparisons, draws, seed)
    drawn = np.array([[statistic(resampled) for statistic in statistics] for resampled in curves])
    return [
        Estimate(statistic(curve), *percentile_interval(values))
        for statistic, values in zip(statistics, drawn.T, strict=True)
    ]


def with_rule_of_three(estimate: Estimate, trials: int) -> Estimate:
    """Widen the interval of a rate of 0 to 3 / trials.

    Resampling data without errors shows none, but some may have been missed (the rule of three).
    """
    if estimate.value:
        return estimate
    return replace(estimate, high=max(estimate.high, min(1.0, RULE_OF_THREE / trials)))


def rates_at(curve: ErrorRates, threshold: float) -> tuple[float, float]:
    """Return FMR and FNMR at any threshold, whether or not it occurs as a score."""
    at = int(np.searchsorted(curve.thresholds, threshold))
    return (float(curve.fmr[at]), float(curve.fnmr[at])) if at < len(curve.fmr) else (0.0, 1.0)


def rates_by_group(
    comparisons: Comparisons, groups: Sequence[str], threshold: float, draws: int, seed: int = 0
) -> list[GroupRates]:
    """Return the error rates of each group at one threshold, in order of their names.

    groups: (n,) the group of each comparison.
    """
    group_of = np.asarray(groups)
    rates = []
    for name in np.unique(group_of):
        part = comparisons[group_of == name]
        mated, non_mated = part[part.mated], part[~part.mated]
        fmr = _error_share(non_mated, non_mated.scores >= threshold, draws, seed)
        fnmr = _error_share(mated, mated.scores < threshold, draws, seed)
        rates.append(GroupRates(str(name), len(mated), len(non_mated), fmr, fnmr))
    return rates


def _error_share(
    comparisons: Comparisons, is_error: NDArray[np.bool_], draws: int, seed: int
) -> Estimate | None:
    """Return the share of errors among comparisons of one kind, or None without any.

    The interval is the one that siamkit.stats.comparisons.resample would give.
    """
    if not len(comparisons):
        return None
    mated = bool(comparisons.mated[0])
    identities, left, right = comparisons.numbered()
    rng = np.random.default_rng(seed)
    shares = []
    for _ in range(draws):
        drawn = rng.integers(identities, size=identities)
        times = np.bincount(drawn, minlength=identities).astype(np.float64)
        weights = times[left] * (1 if mated else times[right])
        if (total := weights.sum()) > 0:
            shares.append(float(weights[is_error].sum() / total))
    value = float(is_error.mean())
    low, high = percentile_interval(np.array(shares)) if shares else (value, value)
    trials = comparisons.mated_identities if mated else comparisons.non_mated_identity_pairs
    return with_rule_of_three(Estimate(value, low, high), trials)


def _accuracy(
    comparisons: Comparisons, folds: Sequence[int] | None
) -> tuple[float | None, float | None]:
    """Return ten-fold accuracy and its standard error; None where a fold lacks a kind of pair."""
    fold_of = np.asarray(folds) if folds is not None else deal_folds(comparisons)
    names = np.unique(fold_of)
    if len(names) < 2:
        return None, None
    training = [comparisons.mated[fold_of != name] for name in names]
    if any(mated.all() or not mated.any() for mated in training):
        return None, None
    mean, error, _ = fold_accuracy(comparisons.scores, comparisons.mated, fold_of)
    return mean, error


def deal_folds(comparisons: Comparisons, folds: int = FOLDS) -> NDArray[np.int64]:
    """Return the (n,) folds of comparisons, of even size; one left identity is in one fold."""
    names, numbers = np.unique(comparisons.left, return_inverse=True)
    counts = np.bincount(numbers)
    fold_of, sizes = np.empty(len(names), np.int64), np.zeros(min(folds, len(names)))
    for name in np.argsort(-counts, kind="stable"):
        fold_of[name] = int(np.argmin(sizes))
        sizes[fold_of[name]] += counts[name]
    dealt: NDArray[np.int64] = fold_of[numbers]
    return dealt
