"""Measure 1:N: how often a gallery finds the right identity, and ignores strangers.

Terms as in ISO/IEC 19795-1:2021 and NIST's Face Recognition Technology Evaluation, 1:N.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from siamkit.errors import BadInput
from siamkit.stats.metrics import percentile_interval
from siamkit.stats.scoring import Fusion, leave_one_out
from siamkit.stats.verification import ERRORS, Estimate, with_rule_of_three

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Ids, Vectors

PROBES = 20_000  # at most; of more samples, so many are drawn by a seed
RANKS, FPIRS = (1, 5, 10), (0.1, 0.01, 0.001)
DRAWS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Searches:
    """The scores of p probes, each searched with its own identity enrolled, and without."""

    labels: Ids  # (p,) the identity of each probe
    own_scores: NDArray[np.float32]  # (p,) score of that identity; -inf if it has no other sample
    best_other_scores: NDArray[np.float32]  # (p,) the highest score of any other identity
    ranks: Ids  # (p,) 1 + how many other identities score at least as high as the probe's own
    identities: int  # enrolled

    @property
    def mated(self) -> NDArray[np.bool_]:
        """(p,) True where the probe's identity has another sample."""
        return np.isfinite(self.own_scores)


@dataclass(frozen=True, slots=True)
class FpirPoint:
    """Open-set identification at the threshold for one false positive identification rate."""

    fpir: float
    threshold: float
    fnir: Estimate  # of mated searches: the own identity is not first, or below the threshold
    dir: Estimate  # detection and identification rate: 1 - fnir


@dataclass(frozen=True, slots=True, eq=False)
class IdentificationMetrics:
    """Every 1:N metric of a set of searches."""

    searches: Searches
    hit_rate: dict[int, Estimate]  # closed set, by rank: the cumulative match characteristic
    at_fpir: list[FpirPoint]
    unsupported_fpirs: list[float]  # rates too low for the number of probes


def search_leave_one_out(
    vectors: Vectors,
    labels: Ids,
    fusion: Fusion = "best",
    mated_cosine: float | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Searches:
    """Search a gallery for each of its samples as if that sample were not enrolled.

    The arguments are those of siamkit.stats.scoring.leave_one_out. A search without the probe's own
    identity stands for a stranger's. Raises BadInput for fewer than two identities.
    """
    identities = int(labels.max(initial=-1)) + 1
    if identities < 2:
        raise BadInput(f"identification needs at least two identities, not {identities}")
    probes = np.arange(len(labels))
    if len(probes) > PROBES:
        probes = np.sort(np.random.default_rng(seed).choice(probes, PROBES, replace=False))
    own_scores, best_other_scores, ranks = [], [], []
    blocks = leave_one_out(
        vectors, labels, probes, fusion, mated_cosine, lambda done: progress(done, len(probes))
    )
    for rows, scores in blocks:
        own_cells = (np.arange(len(rows)), labels[rows])
        own_scores.append(scores[own_cells])
        scores[own_cells] = -np.inf
        best_other_scores.append(scores.max(axis=1))
        ranks.append(1 + (scores >= own_scores[-1][:, None]).sum(axis=1))
    own, best_other = np.concatenate(own_scores), np.concatenate(best_other_scores)
    return Searches(labels[probes], own, best_other, np.concatenate(ranks), identities)


def measure_identification(
    searches: Searches, draws: int = DRAWS, seed: int = 0
) -> IdentificationMetrics:
    """Compute every 1:N metric of searches. Raises BadInput if no identity has two samples.

    FPIR is over all probes, each without its identity; FNIR over those with it. A rate needs 30
    errors (the rule of 30). Intervals are over the identities of the probes.
    """
    mated = searches.mated
    if not mated.any():
        hint = "enrol a second sample of some identities"
        raise BadInput("no identity has two samples", hint=hint)
    ordered = np.sort(searches.best_other_scores)
    supported = [fpir for fpir in FPIRS if fpir * len(ordered) >= ERRORS]
    thresholds = [_threshold_at(ordered, fpir) for fpir in supported]
    ranks, own_scores = searches.ranks[mated], searches.own_scores[mated]
    hits = [ranks <= rank for rank in RANKS]
    hits += [(ranks == 1) & (own_scores >= threshold) for threshold in thresholds]
    identities, identity = np.unique(searches.labels[mated], return_inverse=True)
    count = len(identities)
    probes = np.bincount(identity).astype(np.float64)
    sums = np.array([np.bincount(identity, hit) for hit in hits])
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), draws)
    shares = (drawn @ sums.T) / (drawn @ probes)[:, None]
    missed = [
        with_rule_of_three(Estimate(float(1 - hit.mean()), *percentile_interval(1 - share)), count)
        for hit, share in zip(hits, shares.T, strict=True)
    ]
    hit_rates = [Estimate(1 - miss.value, 1 - miss.high, 1 - miss.low) for miss in missed]
    first = len(RANKS)
    at_fpir = list(map(FpirPoint, supported, thresholds, missed[first:], hit_rates[first:]))
    hit_rate = dict(zip(RANKS, hit_rates, strict=False))
    unsupported = [fpir for fpir in FPIRS if fpir not in supported]
    return IdentificationMetrics(searches, hit_rate, at_fpir, unsupported)


def _threshold_at(ordered: NDArray[np.float32], fpir: float) -> float:
    """Return the lowest threshold at or above which at most that share of the scores lies."""
    allowed = int(fpir * len(ordered) + 1e-9)
    return float(np.nextafter(ordered[len(ordered) - allowed - 1], np.float32(np.inf)))
