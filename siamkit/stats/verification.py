"""How good scores are: the field's figures for 1:1, each with an interval over identities.

Terms as in ISO/IEC 19795-1:2021. The rates are of comparisons; samples that could not be compared
are told apart from them, as that standard has it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from siamkit.stats.comparisons import Comparisons, percentile_interval, require_both_kinds, resample
from siamkit.stats.metrics import (
    ErrorRates,
    eer_of_curve,
    error_rates,
    fold_accuracy,
    min_dcf,
    operating_point,
    roc_auc,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

FMRS = (0.1, 0.01, 0.001, 0.0001)
PRIORS = (0.05, 0.01)  # of a mated pair, for the detection cost
ERRORS = 30  # that a rate must rest on: the rule of 30
RULE_OF_THREE = 3.0  # errors in so many trials would, 19 times in 20, have shown one at least
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
    target_fmr: float | None = None  # the false match rate that it was chosen for, if it was
    name: str = ""  # whose threshold it is, if it was given


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
    """One system on one set of comparisons."""

    comparisons: Comparisons
    curve: ErrorRates
    auc: Estimate
    eer: Estimate
    eer_threshold: float
    at_fmr: list[OperatingPoint]
    unsupported_fmrs: list[float]  # false match rates that so few non-mated comparisons cannot show
    at_thresholds: list[OperatingPoint]  # at the thresholds that the caller named
    accuracy: float | None  # mean over ten folds; None: too few identities for them
    accuracy_error: float | None  # its standard error
    min_dcf: dict[float, Estimate]  # by the prior of a mated pair
    draws: int  # resamplings behind the intervals
    groups: list[GroupRates] = field(default_factory=list)
    groups_at: float | None = None  # the threshold that the groups are compared at


def measure_verification(
    made: Comparisons,
    *,
    folds: Sequence[int] | None = None,
    thresholds: Mapping[str, float] | None = None,
    groups: Sequence[str] | None = None,
    draws: int | None = None,
    seed: int = 0,
) -> VerificationMetrics:
    """Every 1:1 figure of a set of comparisons.

    folds: (n,) the fold of each comparison, for the accuracy; None deals them out by identity.
    thresholds: by name, at which the rates are wanted too. groups: (n,) the group of each
    comparison; they are judged at the first of the thresholds, else at the equal error rate's.
    draws: resamplings, at least 1. Raises BadInput if one kind of comparison is missing.
    """
    require_both_kinds(made)
    curve = error_rates(made.mated_scores, made.non_mated_scores)
    others = int((~made.mated).sum())
    shown = [fmr for fmr in FMRS if fmr * others >= ERRORS]
    _, limit = eer_of_curve(curve)
    points: list[tuple[float | None, str, float]]
    points = [(fmr, "", operating_point(curve, fmr)[1]) for fmr in shown]
    points += [(None, name, value) for name, value in (thresholds or {}).items()]
    statistics: list[Callable[[ErrorRates], float]] = [roc_auc, lambda c: eer_of_curve(c)[0]]
    statistics += [lambda c, p=prior: min_dcf(c, p) for prior in PRIORS]  # type: ignore[misc]
    for _, _, at in points:
        statistics += [lambda c, t=at: rates_at(c, t)[0], lambda c, t=at: rates_at(c, t)[1]]  # type: ignore[misc]
    draws = draws or (DRAWS if len(made) <= MANY else DRAWS_OF_MANY)
    drawn = np.array([[of(c) for of in statistics] for c in resample(made, draws, seed)])
    figures = [
        Estimate(of(curve), *percentile_interval(column))
        for of, column in zip(statistics, drawn.T, strict=True)
    ]
    first = 2 + len(PRIORS)
    figures[1] = with_rule_of_three(figures[1], min(made.impostor_pairs, _persons(made)))
    figures[first::2] = [
        with_rule_of_three(figure, made.impostor_pairs) for figure in figures[first::2]
    ]
    figures[first + 1 :: 2] = [
        with_rule_of_three(f, _persons(made)) for f in figures[first + 1 :: 2]
    ]
    rated = [
        OperatingPoint(at, figures[first + 2 * n], figures[first + 2 * n + 1], fmr, name)
        for n, (fmr, name, at) in enumerate(points)
    ]
    mean, error = _accuracy(made, folds)
    groups_at = next(iter((thresholds or {}).values()), limit) if groups is not None else None
    return VerificationMetrics(
        comparisons=made,
        curve=curve,
        auc=figures[0],
        eer=figures[1],
        eer_threshold=limit,
        at_fmr=rated[: len(shown)],
        unsupported_fmrs=[fmr for fmr in FMRS if fmr not in shown],
        at_thresholds=rated[len(shown) :],
        accuracy=mean,
        accuracy_error=error,
        min_dcf=dict(zip(PRIORS, figures[2:first], strict=True)),
        draws=draws,
        groups=[]
        if groups_at is None
        else rates_by_group(made, groups or (), groups_at, draws, seed),
        groups_at=groups_at,
    )


def with_rule_of_three(figure: Estimate, trials: int) -> Estimate:
    """The interval of a rate; where no error was seen it reaches to 3 / trials.

    Resampling what holds no error gives none, but one may have been missed (the rule of three).
    """
    if figure.value:
        return figure
    return replace(figure, high=max(figure.high, min(1.0, RULE_OF_THREE / trials)))


def _persons(made: Comparisons) -> int:
    return len(np.unique(made.left[made.mated]))


def rates_at(curve: ErrorRates, threshold: float) -> tuple[float, float]:
    """FMR and FNMR at any threshold, be it a score that occurs or not."""
    at = int(np.searchsorted(curve.thresholds, threshold))
    return (float(curve.fmr[at]), float(curve.fnmr[at])) if at < len(curve.fmr) else (0.0, 1.0)


def rates_by_group(
    made: Comparisons, groups: Sequence[str], threshold: float, draws: int, seed: int = 0
) -> list[GroupRates]:
    """Error rates of each group at one threshold, in order of their names.

    groups: (n,) the group of each comparison.
    """
    of = np.asarray(groups)
    found = []
    for name in np.unique(of):
        part = made[of == name]
        found.append(
            GroupRates(
                str(name),
                int(part.mated.sum()),
                int((~part.mated).sum()),
                _share(part[~part.mated], threshold, draws, seed, above=True),
                _share(part[part.mated], threshold, draws, seed, above=False),
            )
        )
    return found


def _share(
    made: Comparisons, threshold: float, draws: int, seed: int, *, above: bool
) -> Estimate | None:
    """How many of one kind of comparison err, with the interval that `resampled` would give."""
    if not len(made):
        return None
    wrong = made.scores >= threshold if above else made.scores < threshold
    names, numbers = np.unique(np.concatenate([made.left, made.right]), return_inverse=True)
    left, right = numbers[: len(made)], numbers[len(made) :]
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(draws):
        picked = rng.integers(len(names), size=len(names))
        times = np.bincount(picked, minlength=len(names)).astype(np.float64)
        weights = times[left] * (times[right] if above else 1)
        if (total := weights.sum()) > 0:
            drawn.append(float(weights[wrong].sum() / total))
    value = float(wrong.mean())
    low, high = percentile_interval(np.array(drawn)) if drawn else (value, value)
    independent = made.impostor_pairs if above else _persons(made)
    return with_rule_of_three(Estimate(value, low, high), independent)


def _accuracy(made: Comparisons, folds: Sequence[int] | None) -> tuple[float | None, float | None]:
    """Ten-fold accuracy and its standard error; None where a fold would lack a kind of pair."""
    parts = np.asarray(folds) if folds is not None else deal_folds(made)
    for name in (names := np.unique(parts)):
        rest = made.mated[parts != name]
        if len(names) < 2 or not rest.any() or rest.all():
            return None, None
    if len(names) < 2:
        return None, None
    mean, error, _ = fold_accuracy(made.scores, made.mated, parts)
    return mean, error


def deal_folds(made: Comparisons, folds: int = FOLDS) -> NDArray[np.int64]:
    """(n,) a fold for each comparison: all of one left identity in the same, folds about even."""
    names, of = np.unique(made.left, return_inverse=True)
    counts = np.bincount(of)
    fold, sizes = np.empty(len(names), np.int64), np.zeros(min(folds, len(names)))
    for name in np.argsort(-counts, kind="stable"):
        fold[name] = int(np.argmin(sizes))
        sizes[fold[name]] += counts[name]
    dealt: NDArray[np.int64] = fold[of]
    return dealt
