"""How good a gallery finds who is meant, and leaves strangers alone: the field's 1:N figures.

Terms as in ISO/IEC 19795-1:2021 and NIST's Face Recognition Technology Evaluation, 1:N.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from siamkit.errors import BadInput
from siamkit.stats.comparisons import percentile_interval
from siamkit.stats.scoring import Fusion, leave_one_out
from siamkit.stats.verification import ERRORS, Estimate, with_rule_of_three

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Ids, Vectors

PROBES = 20_000  # at most; of more samples, so many drawn by a seed are probes
RANKS, FPIRS = (1, 5, 10), (0.1, 0.01, 0.001)
DRAWS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Searches:
    """What became of p probes, each searched with its own identity enrolled, and without."""

    labels: Ids  # (p,) whose probe it is
    own_scores: NDArray[np.float32]  # (p,) score of the own identity; -inf if it owns nothing else
    best_other_scores: NDArray[np.float32]  # (p,) the highest score of any other identity
    ranks: Ids  # (p,) 1 + how many others score at least as high as the own one
    identities: int  # that were enrolled

    @property
    def mated(self) -> NDArray[np.bool_]:
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
    searches: Searches
    hit_rate: dict[int, Estimate]  # closed set, by rank: the cumulative match characteristic
    at_fpir: list[FpirPoint]
    unsupported_fpirs: list[
        float
    ]  # false positive identification rates that so few probes cannot show


def search_leave_one_out(
    vectors: Vectors,
    labels: Ids,
    fusion: Fusion = "best",
    mated: float | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Searches:
    """Search the gallery for each of its samples as if that one were not enrolled.

    Arguments as of siamkit.stats.scoring.leave_one_out; a search without the own identity stands
    for a stranger's. Raises BadInput for fewer than two identities.
    """
    identities = int(labels.max(initial=-1)) + 1
    if identities < 2:
        raise BadInput(f"{identities} identity", hint="identification is among two at least")
    probes = np.arange(len(labels))
    if len(probes) > PROBES:
        probes = np.sort(np.random.default_rng(seed).choice(probes, PROBES, replace=False))
    own, other, rank = [], [], []
    blocks = leave_one_out(
        vectors, labels, probes, fusion, mated, lambda done: progress(done, len(probes))
    )
    for rows, scores in blocks:
        at = (np.arange(len(rows)), labels[rows])
        mine = scores[at]
        scores[at] = -np.inf
        own.append(mine)
        other.append(scores.max(axis=1))
        rank.append(1 + (scores >= mine[:, None]).sum(axis=1))
    return Searches(
        labels[probes],
        np.concatenate(own),
        np.concatenate(other),
        np.concatenate(rank),
        identities,
    )


def measure_identification(
    found: Searches, draws: int = DRAWS, seed: int = 0
) -> IdentificationMetrics:
    """Every 1:N figure of searches. Raises BadInput if no identity has two samples.

    FPIR is over all probes, each without its identity; FNIR over those with it. A rate needs 30
    errors (the rule of 30). Intervals are over the identities of the probes.
    """
    same = found.mated
    if not same.any():
        raise BadInput("no identity has two samples", hint="give a second sample of some")
    ordered = np.sort(found.best_other_scores)
    shown = [fpir for fpir in FPIRS if fpir * len(ordered) >= ERRORS]
    limits = [_limit(ordered, fpir) for fpir in shown]
    rank, own = found.ranks[same], found.own_scores[same]
    hits = [rank <= r for r in RANKS] + [(rank == 1) & (own >= limit) for limit in limits]
    names, of = np.unique(found.labels[same], return_inverse=True)
    counts = np.bincount(of).astype(np.float64)
    sums = np.array([np.bincount(of, hit) for hit in hits])
    times = np.random.default_rng(seed).multinomial(
        len(names), np.full(len(names), 1 / len(names)), draws
    )
    drawn = (times @ sums.T) / (times @ counts)[:, None]
    missed = [
        with_rule_of_three(
            Estimate(float(1 - hit.mean()), *percentile_interval(1 - column)), len(names)
        )
        for hit, column in zip(hits, drawn.T, strict=True)
    ]
    figures = [Estimate(1 - miss.value, 1 - miss.high, 1 - miss.low) for miss in missed]
    at_fpir = [
        FpirPoint(fpir, limit, miss, hit)
        for fpir, limit, miss, hit in zip(
            shown, limits, missed[len(RANKS) :], figures[len(RANKS) :], strict=True
        )
    ]
    unsupported = [fpir for fpir in FPIRS if fpir not in shown]
    return IdentificationMetrics(
        found, dict(zip(RANKS, figures, strict=False)), at_fpir, unsupported
    )


def _limit(ordered: NDArray[np.float32], fpir: float) -> float:
    """The lowest of the scores at or above which at most that share of them lies."""
    allowed = int(fpir * len(ordered) + 1e-9)
    return float(np.nextafter(ordered[len(ordered) - allowed - 1], np.float32(np.inf)))
