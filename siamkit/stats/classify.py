"""One-shot classification: from cosines to labelled examples to probabilities of classes.

There are two methods; both see cosines alone:

* `knn`: the k nearest examples vote for their labels, each with a weight. With equal weights that
  is the classic k-NN; with weights that rise with the cosine it is the classifier of Goldberger et
  al., "Neighbourhood components analysis" (2004), restricted to k.
* `prototypes`: the softmax of the cosines to the mean of each class's examples (Snell et al.,
  "Prototypical networks for few-shot learning", 2017, by cosine).

How sharp the probabilities are depends on the *evidence*: a rising function from cosines to log
weights. It is cosine / temperature, with the temperature that predicts held-out examples best
(`fit_temperature`), or the log-likelihood ratio of a calibration.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from siamkit.stats.label_sets import Array, LabelledVectors
from siamkit.stats.scoring import expected_mean_length

if TYPE_CHECKING:
    from siamkit.types import Ids, Vectors

ClassificationMethod: TypeAlias = Literal["knn", "prototypes"]
METHODS: tuple[ClassificationMethod, ...] = ("knn", "prototypes")
Evidence: TypeAlias = "Callable[[Array], Array]"

TEMPERATURES = np.geomspace(0.002, 1.0, 50)
HELD_OUT = 2_000  # examples that a temperature is fitted to, at most
CELLS = 8_000_000  # numbers held in memory while fitting, about; more would hold out fewer examples
COMPARED = 50_000_000  # cosines computed while fitting, at most
MIN_HELD_OUT = 10  # held-out examples; fewer show too little
GUESS = 4.0  # see `guess_temperature`


@dataclass(frozen=True, slots=True)
class ClassificationRule:
    """The method that turns examples into probabilities, with its settings.

    tags: labels are independent of each other; otherwise exactly one is right. mated_cosine: the
    encoder's mean cosine of mated pairs, see siamkit.stats.scoring.mean_score.
    """

    method: ClassificationMethod = "knn"
    k: int = 5
    tags: bool = False
    mated_cosine: float | None = None


def evidence_at(temperature: float) -> Evidence:
    """Return the evidence cosine / temperature."""
    return lambda scores: scores / temperature


def probabilities(
    examples: LabelledVectors, rule: ClassificationRule, evidence: Evidence, probes: Vectors
) -> Array:
    """Return (p, classes) probabilities in (0, 1) for (p, dim) unit vectors.

    Rows sum to 1 unless the labels are tags. A single class, which cannot be wrong, has 1.
    """
    return _smooth(examples, rule, _shares(_compare(examples, rule, probes), evidence))


def class_scores(examples: LabelledVectors, rule: ClassificationRule, probes: Vectors) -> Array:
    """Return (p, classes) cosines to each class's nearest example, or its mean for prototypes."""
    if rule.method == "prototypes":
        return _score_means(_sums_with_label(examples, None), rule, probes)
    rows, borders = examples.by_label
    cosines = (probes @ examples.vectors.T).astype(np.float64)
    scores: Array = np.maximum.reduceat(cosines[:, rows], [0, *borders], axis=1)
    return scores


def fit_temperature(
    examples: LabelledVectors, rule: ClassificationRule, *, seed: int = 0
) -> tuple[float, int] | None:
    """Return the temperature that predicts held-out examples best, and how many were held out.

    Each example is predicted by all the others. "Best" is the least log loss, with a log-normal
    prior around `guess_temperature`, of spread 1: a few examples cannot tell sharp from sharper. An
    example counts if another shares a label with it. None if fewer than MIN_HELD_OUT do.
    """
    usable = np.unique(examples.rows[examples.counts[examples.labels] > 1])
    if len(usable) < MIN_HELD_OUT:
        return None
    count, classes = len(examples.vectors), len(examples.counts)
    width = max(classes, min(rule.k, count - 1)) if rule.method == "knn" else 2 * classes
    most = int(np.clip(min(CELLS // width, COMPARED // count), 50, HELD_OUT))
    if len(usable) > most:
        usable = np.sort(np.random.default_rng(seed).choice(usable, most, replace=False))
    comparison = _compare(examples, rule, examples.vectors[usable], without=usable)
    has_label, expected = examples.has_label(usable), guess_temperature(examples)
    possible = examples.counts > has_label  # another example has the label

    def loss(temperature: float) -> float:
        predicted = _smooth(examples, rule, _shares(comparison, evidence_at(temperature)))
        if rule.tags:
            right = np.where(has_label, predicted, 1 - predicted)[possible]
        else:
            right = np.where(has_label, predicted, 0).sum(axis=1)
        return float(np.log(temperature / expected) ** 2 / 2 - np.log(right).sum())

    losses = [loss(temperature) for temperature in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))]), len(usable)


def guess_temperature(examples: LabelledVectors) -> float:
    """Return a temperature without holding out: the spread of cosines between classes / GUESS.

    If cosines of mated and of non-mated pairs are normal, of one spread, then the log-likelihood
    ratio is the cosine / temperature at spread / d', where d' is the distance of their means in
    spreads; benchmarks/classify.py prints the temperatures fitted to more examples.
    """
    rows = np.arange(len(examples.vectors))
    if len(rows) > HELD_OUT:  # a random part: they may have been enrolled class by class
        rows = np.sort(np.random.default_rng(0).choice(rows, HELD_OUT, replace=False))
    vectors, has_label = examples.vectors[rows], examples.has_label(rows).astype(np.float32)
    different = (has_label @ has_label.T) == 0
    if not different.any():
        return 0.1
    return float(max((vectors @ vectors.T)[different].std(), 0.01)) / GUESS


@dataclass(frozen=True, slots=True, eq=False)
class _Votes:
    """The labels that neighbours vote for: one entry per label of each neighbour."""

    voters: Ids  # (m,) places in the flat (p, k) neighbours
    labels: Ids  # (m,)
    parts: Array  # (m,) of the voter's weight: 1, or 1 / its labels where exactly one is right
    classes: int

    def count(self, weights: Array) -> Array:
        """Return (p, classes) votes from the (p, k) weights of the neighbours."""
        probes, k = weights.shape
        cells = self.voters // k * self.classes + self.labels
        shares = weights.ravel()[self.voters] * self.parts
        votes = np.bincount(cells, shares, minlength=probes * self.classes)
        return votes.reshape(probes, self.classes).astype(np.float64, copy=False)


@dataclass(frozen=True, slots=True, eq=False)
class _Comparison:
    """Probes compared with examples: everything that does not depend on the evidence."""

    scores: Array  # (p, k) cosines; (p, classes) for prototypes, (p, classes, 2) for their tags
    votes: _Votes | None = None  # of the k neighbours
    log_counts: Array | None = None  # like scores: of the examples with a tag, and without it


def _compare(
    examples: LabelledVectors, rule: ClassificationRule, probes: Vectors, without: Ids | None = None
) -> _Comparison:
    """without: (p,) the example that each probe itself is, which then does not count."""
    if rule.method == "prototypes":
        with_label = _sums_with_label(examples, without)
        if not rule.tags:
            return _Comparison(_score_means(with_label, rule, probes))
        sides = (with_label, _sums_without_label(examples, with_label))
        scores = np.stack([_score_means(side, rule, probes) for side in sides], axis=-1)
        counts = [np.broadcast_to(side.counts, scores.shape[:2]) for side in sides]
        return _Comparison(scores, log_counts=np.log(np.stack(counts, axis=-1) + 0.5))
    rows, cosines = neighbours(examples.vectors, probes, rule.k, without)
    voters, labels = examples.entries(rows.ravel())
    parts = np.ones(len(voters)) if rule.tags else 1 / np.bincount(voters)[voters]
    return _Comparison(cosines, _Votes(voters, labels, parts, len(examples.counts)))


def neighbours(
    vectors: Vectors, probes: Vectors, k: int, without: Ids | None = None
) -> tuple[Ids, Array]:
    """Return (p, k) rows of the nearest vectors and their cosines, best first.

    There are fewer than k columns if there are fewer vectors. Of equal cosines the smaller row
    comes first. without: (p,) a row that does not count, for each probe.
    """
    k = min(k, len(vectors) - (without is not None))
    rows, scores = np.empty((len(probes), k), np.int64), np.empty((len(probes), k))
    strip = max(1, CELLS // len(vectors))
    for start in range(0, len(probes), strip):
        part = slice(start, start + strip)
        cosines = probes[part] @ vectors.T
        if without is not None:
            cosines[np.arange(len(cosines)), without[part]] = -np.inf
        for probe, row in enumerate(cosines, start):
            least = np.partition(row, len(row) - k)[len(row) - k]
            near = np.flatnonzero(row >= least)
            rows[probe] = near[np.argsort(-row[near], kind="stable")[:k]]
            scores[probe] = row[rows[probe]]
    return rows, scores


@dataclass(frozen=True, slots=True, eq=False)
class _LabelSums:
    """Sums of the examples with each label, or of those without it, less each probe's own share."""

    totals: Array  # (classes, dim)
    counts: Array  # (classes,) or (p, classes)
    includes_probe: Array | None  # (p, classes) 1 where the probe itself is in the sum


def _sums_with_label(examples: LabelledVectors, without: Ids | None) -> _LabelSums:
    counts = examples.counts.astype(np.float64)
    if without is None:
        return _LabelSums(examples.sums, counts, None)
    includes_probe = examples.has_label(without).astype(np.float64)
    return _LabelSums(examples.sums, counts - includes_probe, includes_probe)


def _sums_without_label(examples: LabelledVectors, with_label: _LabelSums) -> _LabelSums:
    totals: Array = examples.total - with_label.totals
    count = len(examples.vectors)
    if with_label.includes_probe is None:
        return _LabelSums(totals, count - with_label.counts, None)
    return _LabelSums(totals, count - 1 - with_label.counts, 1 - with_label.includes_probe)


def _score_means(sums: _LabelSums, rule: ClassificationRule, probes: Vectors) -> Array:
    """Return (p, classes) mean scores, see scoring.mean_score; -inf where no example remains."""
    dots = probes @ sums.totals.T
    squares = (sums.totals**2).sum(axis=1)
    if sums.includes_probe is not None:  # |s - v|² = |s|² - 2 s·v + 1, without a sum per probe
        squares = squares - sums.includes_probe * (2 * dots - 1)
        dots = dots - sums.includes_probe
    lengths = expected_mean_length(sums.counts, rule.mated_cosine)
    cosines = dots / np.sqrt(np.maximum(squares, 1e-12)) * lengths
    scores: Array = np.where(sums.counts > 0.5, cosines, -np.inf)
    return scores


def _shares(comparison: _Comparison, evidence: Evidence) -> Array:
    """Return (p, classes) probabilities before smoothing: 0 and 1 are possible."""
    logs, log_counts = evidence(comparison.scores), comparison.log_counts
    weights = _softmax(logs if log_counts is None else logs + log_counts)
    if comparison.votes is not None:
        return comparison.votes.count(weights)
    return weights[..., 0] if weights.ndim == 3 else weights


def _softmax(logs: Array) -> Array:
    """Normalise over the last axis; 0 where all of it is -inf."""
    top = logs.max(axis=-1, keepdims=True)
    powers: Array = np.exp(logs - np.where(np.isfinite(top), top, 0))
    total = powers.sum(axis=-1, keepdims=True)
    powers /= np.where(total > 0, total, 1)
    return powers


def _smooth(examples: LabelledVectors, rule: ClassificationRule, shares: Array) -> Array:
    """Mix the prior in, as if it were one more example.

    n examples cannot show that something happens less often than once in n + 1. A priori each class
    is as likely as another, and a tag as likely as it is frequent.
    """
    count, classes = len(examples.vectors), len(examples.counts)
    prior = (examples.counts + 0.5) / (count + 1) if rule.tags else 1 / classes
    mixed: Array = (count * shares + prior) / (count + 1)
    return mixed
