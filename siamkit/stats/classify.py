"""One-shot classification: from cosines to labelled examples to probabilities of classes.

Two methods, both of which look at cosines alone:

* `knn`: the k nearest examples vote for the labels that they bear, each with a weight. With equal
  weights that is the classic k-NN; with weights that rise with the cosine it is the classifier of
  Goldberger et al., "Neighbourhood components analysis" (2004), restricted to k.
* `prototypes`: the softmax of the cosines to the mean of each class's examples (Snell et al.,
  "Prototypical networks for few-shot learning", 2017, by cosine).

How sharp either is, is its *evidence*: a rising function from cosines to log weights. It is
cosine / temperature, of the temperature that predicts held-out examples best (`fit`), or the
log-likelihood ratio of a calibration.
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
CELLS = 8_000_000  # numbers that looking at them may take, about; fewer are held out beyond
COMPARED = 50_000_000  # cosines that it may take
FEWEST = 10  # of them; fewer show too little
GUESS = 4.0  # see `guess`


@dataclass(frozen=True, slots=True)
class ClassificationRule:
    """How examples are turned into an answer.

    tags: labels are independent of each other; else exactly one is right. mated: the encoder's
    mean cosine of mated pairs, see siamkit.stats.scoring.mean_score.
    """

    method: ClassificationMethod = "knn"
    k: int = 5
    tags: bool = False
    mated_cosine: float | None = None


def evidence_at(temperature: float) -> Evidence:
    """The evidence cosine / temperature."""
    return lambda scores: scores / temperature


def probabilities(
    known: LabelledVectors, rule: ClassificationRule, evidence: Evidence, probes: Vectors
) -> Array:
    """(p, classes) of (p, dim) unit vectors, in (0, 1); rows sum to 1 unless by tags.

    Of one class alone, which is then right whatever comes, it is 1.
    """
    return _smoothed(known, rule, _shares(_look(known, rule, probes), evidence))


def class_scores(known: LabelledVectors, rule: ClassificationRule, probes: Vectors) -> Array:
    """(p, classes) cosines: to each class's nearest example, or by prototypes to its mean."""
    if rule.method == "prototypes":
        return _to_means(_bearing(known, None), rule, probes)
    rows, borders = known.by_label
    cosines = (probes @ known.vectors.T).astype(np.float64)
    found: Array = np.maximum.reduceat(cosines[:, rows], [0, *borders], axis=1)
    return found


def fit_temperature(
    known: LabelledVectors, rule: ClassificationRule, *, seed: int = 0
) -> tuple[float, int] | None:
    """The temperature that predicts examples best, each by all the others, and of how many.

    "Best" is the least log loss, with a log-normal prior around `guess`, of spread 1: a few
    examples cannot tell sharp from sharper. An example counts if another bears a label of its own.
    None where fewer than FEWEST do.
    """
    usable = np.unique(known.rows[known.counts[known.labels] > 1])
    if len(usable) < FEWEST:
        return None
    count, classes = len(known.vectors), len(known.counts)
    width = max(classes, min(rule.k, count - 1)) if rule.method == "knn" else 2 * classes
    most = int(np.clip(min(CELLS // width, COMPARED // count), 50, HELD_OUT))
    if len(usable) > most:
        usable = np.sort(np.random.default_rng(seed).choice(usable, most, replace=False))
    look = _look(known, rule, known.vectors[usable], without=usable)
    bears, expected = known.bears(usable), guess_temperature(known)
    possible = known.counts > bears  # another bears it

    def loss(temperature: float) -> float:
        found = _smoothed(known, rule, _shares(look, evidence_at(temperature)))
        if rule.tags:
            right = np.where(bears, found, 1 - found)[possible]
        else:
            right = np.where(bears, found, 0).sum(axis=1)
        return float(np.log(temperature / expected) ** 2 / 2 - np.log(right).sum())

    losses = [loss(temperature) for temperature in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))]), len(usable)


def guess_temperature(known: LabelledVectors) -> float:
    """A temperature where nothing can be held out: the spread of cosines of different classes / 4.

    If cosines of mated and of non-mated pairs are normal, of one spread, then the log-likelihood
    ratio is the cosine / temperature at spread / d', where d' is how many spreads lie between
    their means; benchmarks/classify.py prints what is fitted where more examples are known.
    """
    rows = np.arange(len(known.vectors))
    if len(rows) > HELD_OUT:  # which may have been enrolled class by class
        rows = np.sort(np.random.default_rng(0).choice(rows, HELD_OUT, replace=False))
    some, bears = known.vectors[rows], known.bears(rows).astype(np.float32)
    different = (bears @ bears.T) == 0
    if not different.any():
        return 0.1
    return float(max((some @ some.T)[different].std(), 0.01)) / GUESS


@dataclass(frozen=True, slots=True, eq=False)
class _Votes:
    """For which labels neighbours vote: an entry a label of each neighbour."""

    voters: Ids  # (m,) places in the flat (p, k) neighbours
    labels: Ids  # (m,)
    parts: Array  # (m,) of its vote: 1, or where one class is right, by how many labels share it
    classes: int

    def counted(self, weights: Array) -> Array:
        """(p, classes) of the (p, k) weights of the neighbours."""
        count, k = weights.shape
        cells = self.voters // k * self.classes + self.labels
        given = weights.ravel()[self.voters] * self.parts
        found = np.bincount(cells, weights=given, minlength=count * self.classes)
        return found.reshape(count, self.classes).astype(np.float64, copy=False)


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """What probes are compared with: everything that does not depend on the evidence."""

    scores: Array  # (p, k) cosines; by prototypes (p, classes), or by tags (p, classes, 2)
    votes: _Votes | None = None  # of the k neighbours
    before: Array | None = None  # like scores: log numbers of examples that bear a tag, or don't


def _look(
    known: LabelledVectors, rule: ClassificationRule, probes: Vectors, without: Ids | None = None
) -> _Look:
    """without: (p,) the example that each probe is, which is then not among the examples."""
    if rule.method == "prototypes":
        bearing = _bearing(known, without)
        if not rule.tags:
            return _Look(_to_means(bearing, rule, probes))
        sides = (bearing, _other(known, bearing))
        scores = np.stack([_to_means(side, rule, probes) for side in sides], axis=-1)
        numbers = np.stack(
            [np.broadcast_to(side.numbers, scores.shape[:2]) for side in sides], axis=-1
        )
        return _Look(scores, before=np.log(numbers + 0.5))
    rows, cosines = neighbours(known.vectors, probes, rule.k, without)
    voters, labels = known.entries(rows.ravel())
    parts = np.ones(len(voters)) if rule.tags else 1 / np.bincount(voters)[voters]
    return _Look(cosines, _Votes(voters, labels, parts, len(known.counts)))


def neighbours(
    vectors: Vectors, probes: Vectors, k: int, without: Ids | None = None
) -> tuple[Ids, Array]:
    """(p, k) rows of the nearest vectors and their cosines, best first; fewer than k if n is.

    Equal cosines: the smaller row first. without: (p,) a row that does not count, for each probe.
    """
    k = min(k, len(vectors) - (without is not None))
    rows, scores = np.empty((len(probes), k), np.int64), np.empty((len(probes), k))
    strip = max(1, CELLS // len(vectors))
    for start in range(0, len(probes), strip):
        part = slice(start, start + strip)
        cosines = probes[part] @ vectors.T
        if without is not None:
            cosines[np.arange(len(cosines)), without[part]] = -np.inf
        for place, own in enumerate(cosines, start):
            least = np.partition(own, len(own) - k)[len(own) - k]
            near = np.flatnonzero(own >= least)
            rows[place] = near[np.argsort(-own[near], kind="stable")[:k]]
            scores[place] = own[rows[place]]
    return rows, scores


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """Sums of examples a label, or of those without it; and what each probe takes out of them."""

    totals: Array  # (classes, dim)
    numbers: Array  # (classes,) or (p, classes)
    own: Array | None  # (p, classes) 1 where the probe itself is in a sum


def _bearing(known: LabelledVectors, without: Ids | None) -> _Sums:
    own = None if without is None else known.bears(without).astype(np.float64)
    counts = known.counts.astype(np.float64)
    return _Sums(known.sums, counts if own is None else counts - own, own)


def _other(known: LabelledVectors, bearing: _Sums) -> _Sums:
    """Of the examples that do not bear a label."""
    totals: Array = known.total - bearing.totals
    own = None if bearing.own is None else 1 - bearing.own
    count = len(known.vectors) - (0 if own is None else 1)
    return _Sums(totals, count - bearing.numbers, own)


def _to_means(sums: _Sums, rule: ClassificationRule, probes: Vectors) -> Array:
    """(p, classes) mean scores, see scoring.mean_score; -inf where no example is left."""
    dots = probes @ sums.totals.T
    lengths = (sums.totals**2).sum(axis=1)
    if sums.own is not None:  # |s - v|² = |s|² - 2 s·v + 1, without a sum for each probe
        lengths = lengths - sums.own * (2 * dots - 1)
        dots = dots - sums.own
    found = (
        dots
        / np.sqrt(np.maximum(lengths, 1e-12))
        * expected_mean_length(sums.numbers, rule.mated_cosine)
    )
    scores: Array = np.where(sums.numbers > 0.5, found, -np.inf)
    return scores


def _shares(look: _Look, evidence: Evidence) -> Array:
    """(p, classes) before it is smoothed: 0 and 1 are possible."""
    logs = evidence(look.scores)
    weights = _softmax(logs if look.before is None else logs + look.before)
    if look.votes is not None:
        return look.votes.counted(weights)
    return weights[..., 0] if weights.ndim == 3 else weights


def _softmax(logs: Array) -> Array:
    """Over the last axis; all of -inf is 0."""
    top = logs.max(axis=-1, keepdims=True)
    found: Array = np.exp(logs - np.where(np.isfinite(top), top, 0))
    total = found.sum(axis=-1, keepdims=True)
    found /= np.where(total > 0, total, 1)
    return found


def _smoothed(known: LabelledVectors, rule: ClassificationRule, shares: Array) -> Array:
    """Mixed with what is known beforehand, as if it were one example more.

    No n examples can show that something happens less often than once in n + 1. Beforehand each
    class is as likely as another, and a tag as likely as it is frequent.
    """
    count, classes = len(known.vectors), len(known.counts)
    before = (known.counts + 0.5) / (count + 1) if rule.tags else 1 / classes
    mixed: Array = (count * shares + before) / (count + 1)
    return mixed
