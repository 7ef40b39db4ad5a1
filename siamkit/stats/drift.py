"""Have the scores of recent queries moved away from those at calibration?

Two scores of a query are compared: `best`, the mean of the nearest identity's samples, and `rest`,
the mean of the NEAR nearest samples of other identities. A low best score alone says little: the
query may be of somebody who was never enrolled, and nobody knows how many are. So recent scores
are compared with every mixture of known people and strangers, and there is an alarm only if no
mixture explains them. The reference is the gallery itself: each sample asks as its own identity,
and as a stranger whose identity was left out.

The distance of scores and mixture is of the kind of Cramér and von Mises, the mean square of the
difference of their distribution functions (Anderson 1962, "On the distribution of the two-sample
Cramér–von Mises criterion"), at the share of strangers where it is least. How large it gets by
chance is found by a parametric bootstrap (Efron and Tibshirani 1993, "An introduction to the
bootstrap", §16.4) that draws whole people, since scores of one person vary together. It is done
twice, with `best` alone and with `best` and `rest` at one common share; the smaller probability
is doubled (Bonferroni), and compared with ALPHA. The largest difference instead of the mean square
(Kolmogorov and Smirnov) found less on voices and on faces alike.

What the test takes for granted: queries are of many people, about as often of one as of another,
and independent of each other. Fifty queries of one person are one query fifty times; they may
alarm without drift. And a gallery that has grown much since has higher scores by chance alone.
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

QUERIES = 50  # that are looked at
ALPHA = 0.005  # half of the 1 % of false alarms that are allowed: queries are not independent
DRAWS = 999  # of the bootstrap
SHARES = np.linspace(0, 1, 21)  # of strangers, that are tried
POINTS, BETWEEN = 200, 50  # scores at which distribution functions are compared, at most
PEOPLE, PROBES = 500, 8  # identities of a reference, and samples of each, at most
FEWEST = 5  # identities that a reference needs
BLOCK = 256  # probes that are compared with the gallery at once


@dataclass(frozen=True, slots=True)
class Move:
    """How one of the scores has moved against what the mixture leads one to expect."""

    statistic: str  # "best" or "rest"
    expected: float  # mean cosine
    recent: float  # mean cosine
    spread: float  # the standard deviation of one such score at calibration

    @property
    def sigmas(self) -> float:
        return (self.recent - self.expected) / max(self.spread, 1e-9)


@dataclass(frozen=True, slots=True)
class Drift:
    """What a comparison came to."""

    queries: int  # that were looked at
    missing: int  # queries that are needed yet; if there are any, nothing was compared
    alarm: bool
    probability: float | None  # of scores that differ so much, if nothing has changed
    strangers: float | None  # the share of queries, in [0, 1], that explains the scores best
    by: str  # the scores that differ more than chance allows: "best", "best and rest", or ""
    moves: tuple[Move, ...]


def reference_scores(vectors: Vectors, identities: Ids, seed: int = 0) -> list[ProbeScores]:
    """What a gallery's own samples score against the rest of it, (n, dim) and (n,).

    Of up to PEOPLE identities with several samples, up to PROBES are asked twice: as `known`, with
    the others of the own identity, and as `stranger`, without any. Rows of one identity have one
    number. Raises BadInput if fewer than FEWEST identities have several samples.
    """
    labels, own = np.unique(identities, return_inverse=True)
    sizes = np.bincount(own)
    if len(labels) < FEWEST or (sizes > 1).sum() < FEWEST:
        raise BadInput(
            f"{len(labels)} identities, {int((sizes > 1).sum())} of them with several samples, are"
            " too few to compare queries with",
            hint=f"enrol two samples or more of {FEWEST} identities at least",
        )
    rng = np.random.default_rng(seed)
    several = np.flatnonzero(sizes > 1)
    people = np.sort(rng.permutation(several)[:PEOPLE])
    by_person = np.split(np.argsort(own, kind="stable"), np.cumsum(sizes)[:-1])
    probes = np.concatenate([rng.permutation(by_person[p])[:PROBES] for p in people])
    made: list[ProbeScores] = []
    for start in range(0, len(probes), BLOCK):
        block = probes[start : start + BLOCK]
        scores = vectors[block] @ vectors.T
        for probe, row in zip(block.tolist(), scores, strict=True):
            person = int(own[probe])
            others, whose = _others(row, own, person)
            number = int(np.searchsorted(people, person))
            mine = by_person[person][by_person[person] != probe]
            nearest = by_person[whose[0]]
            stranger = float(row[nearest[:BEST_SAMPLES]].mean())
            without = others[whose != whose[0]]
            made.append(ProbeScores("stranger", stranger, _mean(without), number))
            if row[mine].max() >= others[0]:
                best, rest = float(row[mine[:BEST_SAMPLES]].mean()), others
            else:  # taken for somebody else
                best, rest = stranger, np.sort(np.concatenate([without, row[mine]]))[::-1]
            made.append(ProbeScores("known", best, _mean(rest), number))
    return made


def _others(row: Floats, own: Ids, person: int) -> tuple[Floats, Ids]:
    """The nearest samples of other identities, best first, and whose they are."""
    masked = np.where(own == person, -np.inf, row)
    k = min(2 * SEARCH_DEPTH, len(row) - 1)
    nearest = np.argpartition(-masked, k)[: k + 1]
    nearest = nearest[np.argsort(-masked[nearest], kind="stable")]
    nearest = nearest[np.isfinite(masked[nearest])]
    return masked[nearest], own[nearest]


def _mean(scores: Floats) -> float | None:
    """`rest` of scores, best first: None if they are too few."""
    return float(scores[:REST_SAMPLES].mean()) if len(scores) >= REST_SAMPLES else None


def compare(
    rows: Sequence[ProbeScores],
    recent: Sequence[ProbeScores],
    *,
    wanted: int = QUERIES,
    draws: int = DRAWS,
    seed: int = 0,
) -> Drift:
    """Recent queries, newest first, against a reference; the newest `wanted` count.

    Raises BadInput for a reference without known people or strangers.
    """
    if len(recent) < wanted:
        return Drift(len(recent), wanted - len(recent), False, None, None, "", ())
    recent = recent[:wanted]
    known, strangers = _columns(rows, "known"), _columns(rows, "stranger")
    if known is None or strangers is None:
        raise BadInput("the reference holds no known people, or no strangers")
    query = _scores(recent)
    rng = np.random.default_rng(seed)
    has_rest = all(np.isfinite(x).all() for x in (known.scores, strangers.scores, query))
    tests = {"best": [0], "best and rest": [0, 1]} if has_rest else {"best": [0]}
    results = {
        name: _test(known, strangers, query, columns, draws, rng) for name, columns in tests.items()
    }
    name = min(results, key=lambda key: results[key][0])
    probability = min(1.0, len(tests) * results[name][0])
    share = results[list(tests)[-1]][1]
    used = [("best", 0), ("rest", 1)] if has_rest else [("best", 0)]
    moves = tuple(_move(s, known, strangers, query[:, c], c, share) for s, c in used)
    alarm = probability <= ALPHA
    return Drift(wanted, 0, alarm, probability, share, name if alarm else "", moves)


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """Probes of a reference; every person counts the same, however many probes are theirs."""

    scores: Floats  # (m, 2) best and rest, NaN for none
    person: Ids  # (m,) in 0 … people - 1
    people: int
    weights: Floats  # (m,) sum to 1

    def steps(self, points: Floats, column: int) -> Floats:
        """(people, points): the distribution function of each person's scores."""
        below = self.scores[:, column, None] <= points
        counts = np.bincount(self.person, minlength=self.people)
        out = np.zeros((self.people, len(points)))
        np.add.at(out, self.person, below)
        return out / counts[:, None]


def _columns(rows: Sequence[ProbeScores], kind: str) -> _Side | None:
    chosen = [row for row in rows if row.kind == kind]
    if not chosen:
        return None
    numbers = [-1 - i if row.person is None else row.person for i, row in enumerate(chosen)]
    found, person = np.unique(numbers, return_inverse=True)
    counts = np.bincount(person)
    return _Side(_scores(chosen), person, len(found), 1 / (len(found) * counts[person]))


def _scores(rows: Sequence[ProbeScores]) -> Floats:
    return np.array([(r.best, np.nan if r.rest is None else r.rest) for r in rows])


def _test(
    known: _Side,
    strangers: _Side,
    query: Floats,
    columns: Sequence[int],
    draws: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """The probability of scores that fit no better, and the share of strangers they fit best at."""
    count = len(query)
    points = [_points(known, strangers, c) for c in columns]
    apart = [
        (known.steps(p, c), strangers.steps(p, c)) for p, c in zip(points, columns, strict=True)
    ]
    found = np.max(
        [
            _distances((query[:, c, None] <= p).mean(axis=0)[None], k.mean(axis=0), s.mean(axis=0))
            for p, c, (k, s) in zip(points, columns, apart, strict=True)
        ],
        axis=0,
    )[0]
    at = int(found.argmin())
    # One draw: a reference of as many people, and as many queries at that share of strangers.
    some = [rng.multinomial(side.people, np.full(side.people, 1 / side.people), draws) / side.people
            for side in (known, strangers)]  # fmt: skip
    foreign = rng.random((draws, count)) < SHARES[at]
    rows_k = rng.choice(len(known.scores), (draws, count), p=known.weights)
    rows_s = rng.choice(len(strangers.scores), (draws, count), p=strangers.weights)
    by_chance = np.zeros((draws, len(SHARES)))
    for p, c, (k, s) in zip(points, columns, apart, strict=True):
        drawn = np.where(foreign, strangers.scores[rows_s, c], known.scores[rows_k, c])
        drawn.sort(axis=1)
        steps = np.stack([np.searchsorted(row, p, side="right") for row in drawn]) / count
        by_chance = np.maximum(by_chance, _distances(steps, some[0] @ k, some[1] @ s))
    worse = int((by_chance.min(axis=1) >= found[at] * (1 - 1e-9)).sum())
    return (1 + worse) / (1 + draws), float(SHARES[at])


def _points(known: _Side, strangers: _Side, column: int) -> Floats:
    """(p,) scores at which distribution functions are compared: where they are, and between."""
    pooled = np.concatenate([known.scores[:, column], strangers.scores[:, column]])
    there = np.quantile(pooled, np.linspace(0, 1, POINTS), method="nearest")
    return np.unique(np.concatenate([there, np.linspace(pooled.min(), pooled.max(), BETWEEN)]))


def _distances(steps: Floats, known: Floats, strangers: Floats) -> Floats:
    """(draws, shares): the mean square of the difference of distribution functions.

    steps: (draws, points) of queries; known and strangers likewise, or (points,) for all.
    """
    out = np.empty((len(steps), len(SHARES)))
    for i, share in enumerate(SHARES):
        out[:, i] = ((steps - ((1 - share) * known + share * strangers)) ** 2).mean(axis=1)
    return out


def _move(
    statistic: str, known: _Side, strangers: _Side, query: Floats, column: int, share: float
) -> Move:
    values = np.concatenate([known.scores[:, column], strangers.scores[:, column]])
    weights = np.concatenate([(1 - share) * known.weights, share * strangers.weights])
    expected = float(values @ weights)
    spread = float(np.sqrt(weights @ (values - expected) ** 2))
    return Move(statistic, expected, float(query.mean()), spread)
