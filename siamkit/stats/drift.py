"""Have the scores of recent queries moved away from those at calibration?

Two scores of a query are compared: `best`, the mean of the nearest identity's samples, and `rest`,
the mean of the REST_SAMPLES nearest samples of other identities. A low best score alone says
little: the query may be somebody who was never enrolled, and how many such queries there are is
unknown. So recent scores are compared with every mixture of known people and strangers, and there
is an alarm only if no mixture explains them. The reference is the gallery itself: each sample is a
query of its own identity, and of a stranger whose identity was left out.

The distance of scores and mixture is of the kind of Cramér and von Mises, the mean square of the
difference of their distribution functions (Anderson 1962, "On the distribution of the two-sample
Cramér–von Mises criterion"), at the share of strangers where it is least. How large it gets by
chance is found by a parametric bootstrap (Efron and Tibshirani 1993, "An introduction to the
bootstrap", §16.4) that draws whole people, since scores of one person vary together. It is done
twice, with `best` alone and with `best` and `rest` at one common share; the smaller probability
is doubled (Bonferroni), and compared with ALPHA. The largest difference instead of the mean square
(Kolmogorov and Smirnov) detected fewer changes on voices and on faces alike.

The test assumes that queries come from many people, about equally often, and independently. Fifty
queries of one person are one query fifty times; they may alarm without drift. And a gallery that
has grown much since calibration has higher scores by chance alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import BadInput
from siamkit.stats.probe_scores import BEST_SAMPLES, REST_SAMPLES, SEARCH_DEPTH, ProbeScores

if TYPE_CHECKING:
    from siamkit.types import Ids, Vectors

Floats: TypeAlias = NDArray[np.floating[Any]]

QUERIES = 50  # recent queries that are tested
ALPHA = 0.005  # half of the 1 % of false alarms that are allowed: queries are not independent
DRAWS = 999  # of the bootstrap
STATISTICS = ("best", "rest")  # the columns of scores
SHARES = np.linspace(0, 1, 21)  # shares of strangers that are tried
POINTS, BETWEEN = 200, 50  # scores at which distribution functions are compared, at most
PEOPLE, PROBES = 500, 8  # identities of a reference, and samples of each, at most
MIN_REFERENCE_IDENTITIES = 5  # identities that a reference needs
PROBES_PER_BLOCK = 256  # probes that are compared with the gallery at once


@dataclass(frozen=True, slots=True)
class Move:
    """The movement of one of the scores away from what the best mixture predicts."""

    statistic: str  # of STATISTICS
    expected: float  # mean cosine
    recent: float  # mean cosine
    spread: float  # the standard deviation of one such score at calibration

    @property
    def sigmas(self) -> float:
        return (self.recent - self.expected) / max(self.spread, 1e-9)


@dataclass(frozen=True, slots=True)
class Drift:
    """The outcome of comparing recent queries with the calibration.

    Examples:
        >>> drift = ws.drift("faces")  # doctest: +SKIP
    """

    queries: int  # that were tested
    missing: int  # queries still needed; if there are any, nothing was tested
    alarm: bool
    probability: float | None  # of scores that differ so much, if nothing has changed
    strangers: float | None  # the share of queries, in [0, 1], that explains the scores best
    by: str  # the scores that differ more than chance allows: "best", "best and rest", or ""
    moves: tuple[Move, ...]


def reference_scores(vectors: Vectors, identities: Ids, seed: int = 0) -> list[ProbeScores]:
    """Score a gallery's own samples against the rest of it, (n, dim) and (n,).

    Of up to PEOPLE identities with several samples, up to PROBES samples are scored twice: as
    `known`, with the others of their identity, and as `stranger`, without any. Raises BadInput if
    fewer than MIN_REFERENCE_IDENTITIES identities have several samples.
    """
    labels, numbers = np.unique(identities, return_inverse=True)
    sizes = np.bincount(numbers)
    if len(labels) < MIN_REFERENCE_IDENTITIES or (sizes > 1).sum() < MIN_REFERENCE_IDENTITIES:
        raise BadInput(
            f"{len(labels)} identities, {int((sizes > 1).sum())} of them with several samples, are"
            " too few to compare queries with",
            hint="enrol at least two samples for each of at least"
            f" {MIN_REFERENCE_IDENTITIES} identities",
        )
    rng = np.random.default_rng(seed)
    people = np.sort(rng.permutation(np.flatnonzero(sizes > 1))[:PEOPLE])
    by_person = np.split(np.argsort(numbers, kind="stable"), np.cumsum(sizes)[:-1])
    probes = np.concatenate([rng.permutation(by_person[p])[:PROBES] for p in people])
    rows: list[ProbeScores] = []
    for start in range(0, len(probes), PROBES_PER_BLOCK):
        block = probes[start : start + PROBES_PER_BLOCK]
        scores = vectors[block] @ vectors.T
        for probe, cosines in zip(block.tolist(), scores, strict=True):
            person = int(np.searchsorted(people, numbers[probe]))
            rows += _score_twice(probe, cosines, numbers, by_person, person)
    return rows


def _score_twice(
    probe: int, cosines: Floats, numbers: Ids, by_person: Sequence[Ids], person: int
) -> tuple[ProbeScores, ProbeScores]:
    """Score one sample as a stranger and as a known person.

    cosines: (n,) to each sample. numbers: (n,) the identity of each. by_person: each identity's
    samples.
    """
    own = by_person[numbers[probe]]
    own = own[own != probe]
    foreign, foreign_identities = _nearest_foreign(cosines, numbers, int(numbers[probe]))
    nearest = foreign_identities[0]
    foreign_best = float(cosines[by_person[nearest][:BEST_SAMPLES]].mean())
    foreign_rest = foreign[foreign_identities != nearest]
    stranger = ProbeScores("stranger", foreign_best, _mean_rest(foreign_rest), person)
    if cosines[own].max() >= foreign[0]:
        best, rest = float(cosines[own[:BEST_SAMPLES]].mean()), foreign
    else:  # mistaken for somebody else
        best, rest = foreign_best, np.sort(np.concatenate([foreign_rest, cosines[own]]))[::-1]
    return stranger, ProbeScores("known", best, _mean_rest(rest), person)


def _nearest_foreign(cosines: Floats, numbers: Ids, identity: int) -> tuple[Floats, Ids]:
    """Return the nearest samples of other identities, best first: cosines and identities."""
    masked = np.where(numbers == identity, -np.inf, cosines)
    k = min(2 * SEARCH_DEPTH, len(cosines) - 1)
    nearest = np.argpartition(-masked, k)[: k + 1]
    nearest = nearest[np.argsort(-masked[nearest], kind="stable")]
    nearest = nearest[np.isfinite(masked[nearest])]
    return masked[nearest], numbers[nearest]


def _mean_rest(scores: Floats) -> float | None:
    """Return `rest` from scores, best first; None for too few."""
    return float(scores[:REST_SAMPLES].mean()) if len(scores) >= REST_SAMPLES else None


def compare(
    reference: Sequence[ProbeScores],
    recent: Sequence[ProbeScores],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Drift:
    """Compare recent queries, newest first, with a reference; only the newest QUERIES count.

    Raises BadInput for a reference without known people or strangers.
    """
    if len(recent) < QUERIES:
        return Drift(len(recent), QUERIES - len(recent), False, None, None, "", ())
    known, strangers = _population(reference, "known"), _population(reference, "stranger")
    if known is None or strangers is None:
        raise BadInput("the reference has no known people, or no strangers")
    scores = _to_array(recent[:QUERIES])
    rng = np.random.default_rng(seed)
    has_rest = all(np.isfinite(x).all() for x in (known.scores, strangers.scores, scores))
    statistics = STATISTICS if has_rest else STATISTICS[:1]
    results = {}
    for count in range(1, 1 + len(statistics)):
        name = " and ".join(statistics[:count])
        results[name] = _test(known, strangers, scores, range(count), draws, rng)
    share = results[" and ".join(statistics)][1]
    differs_most = min(results, key=lambda key: results[key][0])
    probability = min(1.0, len(results) * results[differs_most][0])
    columns = range(len(statistics))
    moves = tuple(_measure_move(known, strangers, scores, column, share) for column in columns)
    alarm = probability <= ALPHA
    return Drift(QUERIES, 0, alarm, probability, share, differs_most if alarm else "", moves)


@dataclass(frozen=True, slots=True, eq=False)
class _Population:
    """Probes of one kind; every person has the same weight, however many probes they have."""

    scores: Floats  # (m, 2) best and rest; NaN if absent
    person: Ids  # (m,) in 0 … people - 1
    people: int
    weights: Floats  # (m,) sum to 1

    def distributions(self, points: Floats, column: int) -> Floats:
        """(people, points): the distribution function of each person's scores."""
        below = self.scores[:, column, None] <= points
        counts = np.bincount(self.person, minlength=self.people)
        sums = np.zeros((self.people, len(points)))
        np.add.at(sums, self.person, below)
        return sums / counts[:, None]


def _population(rows: Sequence[ProbeScores], kind: str) -> _Population | None:
    rows = [row for row in rows if row.kind == kind]
    if not rows:
        return None
    numbers = [-1 - i if row.person is None else row.person for i, row in enumerate(rows)]
    people, person = np.unique(numbers, return_inverse=True)
    counts = np.bincount(person)
    weights = 1 / (len(people) * counts[person])
    return _Population(_to_array(rows), person, len(people), weights)


def _to_array(rows: Sequence[ProbeScores]) -> Floats:
    return np.array([(r.best, np.nan if r.rest is None else r.rest) for r in rows])


def _test(
    known: _Population,
    strangers: _Population,
    queries: Floats,
    columns: Sequence[int],
    draws: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Return the probability of scores that fit no better, and the best share of strangers."""
    count = len(queries)
    distances = np.zeros((1, len(SHARES)))
    curves = []
    for c in columns:
        p = _points(known, strangers, c)
        k, s = known.distributions(p, c), strangers.distributions(p, c)
        steps = (queries[:, c, None] <= p).mean(axis=0)[None]
        distances = np.maximum(distances, _distances(steps, k.mean(axis=0), s.mean(axis=0)))
        curves.append((c, p, k, s))
    at = int(distances.argmin())
    # One draw: a reference of as many people, and as many queries at that share of strangers.
    known_people, strange_people = (
        rng.multinomial(side.people, np.full(side.people, 1 / side.people), draws) / side.people
        for side in (known, strangers)
    )
    is_stranger = rng.random((draws, count)) < SHARES[at]
    known_rows = rng.choice(len(known.scores), (draws, count), p=known.weights)
    stranger_rows = rng.choice(len(strangers.scores), (draws, count), p=strangers.weights)
    by_chance = np.zeros((draws, len(SHARES)))
    for c, p, k, s in curves:
        drawn = np.where(
            is_stranger, strangers.scores[stranger_rows, c], known.scores[known_rows, c]
        )
        drawn.sort(axis=1)
        steps = np.stack([np.searchsorted(row, p, side="right") for row in drawn]) / count
        by_chance = np.maximum(by_chance, _distances(steps, known_people @ k, strange_people @ s))
    worse = int((by_chance.min(axis=1) >= distances[0, at] * (1 - 1e-9)).sum())
    return (1 + worse) / (1 + draws), float(SHARES[at])


def _points(known: _Population, strangers: _Population, column: int) -> Floats:
    """Return (p,) scores to compare distribution functions at: quantiles, and an even grid."""
    pooled = np.concatenate([known.scores[:, column], strangers.scores[:, column]])
    quantiles = np.quantile(pooled, np.linspace(0, 1, POINTS), method="nearest")
    return np.unique(np.concatenate([quantiles, np.linspace(pooled.min(), pooled.max(), BETWEEN)]))


def _distances(steps: Floats, known: Floats, strangers: Floats) -> Floats:
    """Return (draws, shares) mean squares of the difference of distribution functions.

    steps: (draws, points) of queries; known and strangers likewise, or (points,) for all draws.
    """
    distances = np.empty((len(steps), len(SHARES)))
    for i, share in enumerate(SHARES):
        mixture = (1 - share) * known + share * strangers
        distances[:, i] = ((steps - mixture) ** 2).mean(axis=1)
    return distances


def _measure_move(
    known: _Population, strangers: _Population, queries: Floats, column: int, share: float
) -> Move:
    values = np.concatenate([known.scores[:, column], strangers.scores[:, column]])
    weights = np.concatenate([(1 - share) * known.weights, share * strangers.weights])
    expected = float(values @ weights)
    spread = float(np.sqrt(weights @ (values - expected) ** 2))
    return Move(STATISTICS[column], expected, float(queries[:, column].mean()), spread)
