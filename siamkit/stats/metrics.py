"""Error rates of comparison scores, in the terms of ISO/IEC 19795-1.

Mated scores belong to pairs of one identity, non-mated scores to pairs of two. Higher scores are
more similar; a pair matches if its score is at or above the threshold. -inf stands for a pair that
could not be scored: it matches at no threshold above -inf.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from siamkit.errors import BadInput

Scores: TypeAlias = NDArray[np.floating[Any]]  # (n,) of any float type; -inf may occur
PersonScores: TypeAlias = tuple[Scores, Scores]  # mated and non-mated scores; either may be empty
LEVEL = 0.95  # of an interval


@dataclass(frozen=True, slots=True, eq=False)
class ErrorRates:
    """Both error rates at every threshold where either changes."""

    thresholds: NDArray[np.float64]  # (k,) every distinct score, ascending, and +inf
    fmr: NDArray[np.float64]  # (k,) share of the non-mated scores >= threshold; 1 falls to 0
    fnmr: NDArray[np.float64]  # (k,) share of the mated scores < threshold; 0 rises to 1


def error_rates(mated: ArrayLike, non_mated: ArrayLike) -> ErrorRates:
    """Return false match and false non-match rates against the threshold.

    Equal scores are one threshold: they match together or not at all, whichever list they are in.
    Raises BadInput if either list is empty, or holds NaN or +inf.
    """
    same, non_mated_scores = _sort("mated", mated), _sort("non-mated", non_mated)
    distinct = np.sort(np.concatenate([same, non_mated_scores]))
    distinct = distinct[np.append(True, distinct[1:] != distinct[:-1])]
    below = np.searchsorted(non_mated_scores, distinct)
    fmr = np.append(len(non_mated_scores) - below, 0) / len(non_mated_scores)
    fnmr = np.append(np.searchsorted(same, distinct), len(same)) / len(same)
    return ErrorRates(np.append(distinct, np.inf), fmr, fnmr)


def eer(mated: ArrayLike, non_mated: ArrayLike) -> tuple[float, float]:
    """Return the equal error rate in [0, 1], and the threshold, a score that occurs, nearest to it.

    The rates are steps, and rarely meet: the EER is where straight lines between neighbouring
    points (FMR, FNMR) cross FMR = FNMR, the linear interpolation of the ROC. Scores that tie across
    the lists form one slanting line, so a scorer that gives every pair the same score has 0.5.
    There is one crossing: FNMR - FMR rises with every distinct score. Of the two thresholds beside
    it, the one whose rates differ less is returned; if they differ equally, the higher.
    Raises BadInput as `error_rates` does.
    """
    return eer_of_curve(error_rates(mated, non_mated))


def eer_of_curve(curve: ErrorRates) -> tuple[float, float]:
    """Return what `eer` does, from error rates."""
    gap = curve.fnmr - curve.fmr  # from -1 to 1
    above = int(np.searchsorted(gap, 0.0))
    share = -gap[above - 1] / (gap[above] - gap[above - 1])
    rate = curve.fmr[above - 1] + share * (curve.fmr[above] - curve.fmr[above - 1])
    strict = gap[above] <= -gap[above - 1] and np.isfinite(curve.thresholds[above])
    return float(rate), float(curve.thresholds[above if strict else above - 1])


def fnmr_at(mated: ArrayLike, non_mated: ArrayLike, fmr: float) -> tuple[float, float]:
    """Return the FNMR at the lowest threshold whose FMR is at most `fmr`, and that threshold.

    The threshold is a score that occurs, or +inf where every score has too high an FMR.
    Few non-mated scores cannot show a low rate: 30 / fmr of them, by the rule of 30 (Doddington
    et al. 2000), put the true FMR within 30 % of it with 90 % confidence.
    Raises BadInput as `error_rates` does, and for an `fmr` outside [0, 1].
    """
    if not 0 <= fmr <= 1:
        raise BadInput(f"a false match rate of {fmr}", hint="give a share in [0, 1]")
    return operating_point(error_rates(mated, non_mated), fmr)


def operating_point(curve: ErrorRates, fmr: float) -> tuple[float, float]:
    """Return what `fnmr_at` does, from error rates."""
    at = int(np.argmax(curve.fmr <= fmr))
    return float(curve.fnmr[at]), float(curve.thresholds[at])


def roc_auc(curve: ErrorRates) -> float:
    """Return the area under the ROC, in [0, 1]: the share of mated scores above non-mated ones.

    Scores that tie count half (Mann and Whitney 1947; Hanley and McNeil 1982).
    """
    fmr, tar = np.append(1.0, curve.fmr), np.append(1.0, 1 - curve.fnmr)
    return float(np.sum((fmr[:-1] - fmr[1:]) * (tar[:-1] + tar[1:])) / 2)


def min_dcf(curve: ErrorRates, prior: float, miss: float = 1.0, false_alarm: float = 1.0) -> float:
    """Return the least detection cost of any threshold, relative to a system without scores.

    prior: of a mated pair, in (0, 1). miss, false_alarm: the cost of an error. 1 is no better than
    always giving the same answer (NIST 2016 Speaker Recognition Evaluation plan, section 3).
    """
    at_miss, at_alarm = miss * prior, false_alarm * (1 - prior)
    return float(np.min(at_miss * curve.fnmr + at_alarm * curve.fmr) / min(at_miss, at_alarm))


def best_accuracy(mated: ArrayLike, non_mated: ArrayLike) -> tuple[float, float]:
    """Return the largest share of pairs that one threshold gets right, and that threshold.

    The lowest of equally good ones; it lies halfway to the next lower score, if there is one.
    Raises BadInput as `error_rates` does.
    """
    curve = error_rates(mated, non_mated)
    matches, non_matches = np.size(mated), np.size(non_mated)
    right = matches * (1 - curve.fnmr) + non_matches * (1 - curve.fmr)
    accuracy = right / (matches + non_matches)
    at = int(np.argmax(accuracy))
    threshold = curve.thresholds[at]
    if 0 < at < len(accuracy) - 1:
        threshold = (threshold + curve.thresholds[at - 1]) / 2
    return float(accuracy[at]), float(threshold)


def fold_accuracy(
    scores: ArrayLike, mated: ArrayLike, folds: ArrayLike
) -> tuple[float, float, list[float]]:
    """Return the mean accuracy over folds, its standard error, and the threshold of each fold.

    (n,) scores, (n,) bool, and (n,) ints that number the fold of each pair. The threshold of a fold
    is the best one on all others (Huang et al., "Labeled Faces in the Wild", 2007, view 2).
    Raises BadInput for fewer than two folds, or if leaving a fold out leaves one kind of pair.
    """
    values = np.asarray(scores, np.float64)
    is_mated, fold = np.asarray(mated, np.bool_), np.asarray(folds)
    names = np.unique(fold)
    if len(names) < 2:
        raise BadInput(f"cross-validation needs at least two folds, not {len(names)}")
    accuracies, thresholds = [], []
    for name in names:
        train, test = fold != name, fold == name
        _, threshold = best_accuracy(values[train & is_mated], values[train & ~is_mated])
        accuracies.append(float(np.mean((values[test] >= threshold) == is_mated[test])))
        thresholds.append(threshold)
    error = float(np.std(accuracies, ddof=1) / np.sqrt(len(accuracies)))
    return float(np.mean(accuracies)), error, thresholds


def bootstrap(
    persons: Sequence[PersonScores],
    statistic: Callable[[Scores, Scores], float],
    draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the 95 % percentile interval of statistic(mated, non_mated), drawing whole persons.

    The scores of one person vary together, so drawing single scores would give intervals that are
    too narrow (the subsets bootstrap: Bolle, Ratha and Pankanti, "Error analysis of pattern
    recognition systems", CVIU 93, 2004). A non-mated score belongs to one of its two people. A draw
    without any mated or non-mated score is repeated. Raises BadInput if one kind of score is
    missing, or `draws` is below 1.
    """
    if draws < 1:
        raise BadInput(f"{draws} draws of a bootstrap", hint="use 1000, as is usual")
    all_mated = [_sort("mated", mated, least=0) for mated, _ in persons]
    all_non_mated = [_sort("non-mated", non_mated, least=0) for _, non_mated in persons]
    if not any(map(len, all_mated)) or not any(map(len, all_non_mated)):
        raise BadInput(f"{len(persons)} persons without a mated or without a non-mated score")
    rng = np.random.default_rng(seed)
    values: list[float] = []
    while len(values) < draws:
        drawn = rng.integers(len(persons), size=len(persons))
        mated = np.concatenate([all_mated[i] for i in drawn])
        non_mated = np.concatenate([all_non_mated[i] for i in drawn])
        if len(mated) and len(non_mated):
            values.append(statistic(mated, non_mated))
    return percentile_interval(values)


def percentile_interval(values: Sequence[float] | NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % percentile interval of (n,) resampled values."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def _sort(name: str, scores: ArrayLike, least: int = 1) -> NDArray[np.float64]:
    """Return (n,) ascending scores. Raises BadInput for n < least, NaN or +inf."""
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or len(values) < least:
        hint = f"give a list of {least} or more"
        raise BadInput(f"{name} scores have shape {values.shape}", hint=hint)
    if np.isnan(values).any() or (values == np.inf).any():
        hint = "-inf stands for a pair without a score"
        raise BadInput(f"{name} scores include NaN or +inf", hint=hint)
    return np.sort(values)
