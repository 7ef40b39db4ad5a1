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

from siamkit.scoring import usual_length

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Ids, Vectors

Method: TypeAlias = Literal["knn", "prototypes"]
Array: TypeAlias = "NDArray[np.float64]"
Flags: TypeAlias = "NDArray[np.bool_]"
Evidence: TypeAlias = "Callable[[Array], Array]"

TEMPERATURES = np.geomspace(0.002, 1.0, 50)
HELD_OUT = 2_000  # examples that a temperature is fitted to, at most
CELLS = 8_000_000  # numbers that looking at them may take, about; fewer are held out beyond
FEWEST = 10  # of them; fewer show too little
GUESS = 4.0  # see `guess`


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Examples, and which labels each bears. Every row and column of `bears` has a True."""

    vectors: Vectors  # (n, dim)
    bears: Flags  # (n, classes)


@dataclass(frozen=True, slots=True)
class Rule:
    """How examples are turned into an answer.

    tags: labels are independent of each other; else exactly one is right. mated: the encoder's
    mean cosine of mated pairs, see siamkit.scoring.mean_score.
    """

    by: Method = "knn"
    k: int = 5
    tags: bool = False
    mated: float | None = None


def scaled(temperature: float) -> Evidence:
    """The evidence cosine / temperature."""
    return lambda scores: scores / temperature


def probabilities(known: Labelled, rule: Rule, evidence: Evidence, probes: Vectors) -> Array:
    """(p, classes) of (p, dim) unit vectors, each in (0, 1); rows sum to 1 unless by tags."""
    return _smoothed(known, rule, _shares(_look(known, rule, probes), evidence))


def class_scores(known: Labelled, rule: Rule, probes: Vectors) -> Array:
    """(p, classes) cosines: to each class's nearest example, or by prototypes to its mean."""
    if rule.by == "prototypes":
        return _to_means(known, known.bears, rule, probes, None)
    return _best(known, probes)


def fit(known: Labelled, rule: Rule, *, seed: int = 0) -> tuple[float, int] | None:
    """The temperature that predicts examples best, each by all the others, and of how many.

    "Best" is the least mean log loss. An example counts if another bears a label of its own (by
    tags: each). None where fewer than FEWEST do.
    """
    classes = known.bears.shape[1]
    others = known.bears.sum(axis=0) - known.bears  # (n, classes), where an example bears a label
    usable = ((others > 0) & known.bears).any(axis=1) if not rule.tags else others.any(axis=1)
    rows = np.flatnonzero(usable)
    if len(rows) < FEWEST:
        return None
    width = classes * (rule.k if rule.by == "knn" else 2)
    most = int(np.clip(CELLS // width, 50, HELD_OUT))
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    look = _look(known, rule, known.vectors[rows], without=rows)
    bears, possible = known.bears[rows], others[rows] > 0

    def loss(temperature: float) -> float:
        found = _smoothed(known, rule, _shares(look, scaled(temperature)))
        if rule.tags:
            right = np.where(bears, found, 1 - found)
            return float(-np.log(right[possible]).mean())
        return float(-np.log(np.where(bears, found, 0).sum(axis=1)).mean())

    losses = [loss(temperature) for temperature in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))]), len(rows)


def guess(known: Labelled) -> float:
    """A temperature where nothing can be held out: the spread of cosines of different classes / 4.

    If cosines of mated and of non-mated pairs are normal, of one spread, then the log-likelihood
    ratio is the cosine / temperature at spread / d', where d' is how many spreads lie between
    their means; benchmarks/classify.py prints what is fitted where more examples are known.
    """
    some = known.vectors[:HELD_OUT]
    bears = known.bears[:HELD_OUT].astype(np.float32)
    different = (bears @ bears.T) == 0
    if not different.any():
        return 0.1
    return float(max((some @ some.T)[different].std(), 0.01)) / GUESS


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """What probes are compared with: everything that does not depend on the evidence."""

    scores: Array  # (p, k) cosines; by prototypes (p, classes), or by tags (p, classes, 2)
    bears: Array | None = None  # (p, k, classes): the neighbours' labels; of one class they share 1
    before: Array | None = None  # like scores: log numbers of examples that bear a tag, or don't


def _look(known: Labelled, rule: Rule, probes: Vectors, without: Ids | None = None) -> _Look:
    """without: (p,) the example that each probe is, which is then not among the examples."""
    if rule.by == "prototypes":
        bearing = _to_means(known, known.bears, rule, probes, without)
        if not rule.tags:
            return _Look(bearing)
        other = _to_means(known, ~known.bears, rule, probes, without)
        sides = np.stack([known.bears, ~known.bears], axis=-1).astype(np.float64)
        counts = sides.sum(axis=0) - (0 if without is None else sides[without])
        return _Look(np.stack([bearing, other], axis=-1), before=np.log(counts + 0.5))
    rows, scores = neighbours(known.vectors, probes, rule.k, without)
    bears = known.bears[rows].astype(np.float64)
    if not rule.tags:
        bears /= bears.sum(axis=-1, keepdims=True)
    return _Look(scores, bears)


def neighbours(
    vectors: Vectors, probes: Vectors, k: int, without: Ids | None = None
) -> tuple[Ids, Array]:
    """(p, k) rows of the nearest vectors and their cosines, best first; fewer than k if n is.

    Equal cosines: the smaller row first. without: (p,) a row that does not count, for each probe.
    """
    left = len(vectors) - (without is not None)
    k = min(k, left)
    rows, scores = np.empty((len(probes), k), np.int64), np.empty((len(probes), k))
    for start in range(0, len(probes), 512):
        part = slice(start, start + 512)
        cosines = probes[part] @ vectors.T
        if without is not None:
            cosines[np.arange(len(cosines)), without[part]] = -np.inf
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        rows[part] = order
        scores[part] = np.take_along_axis(cosines, order, axis=1)
    return rows, scores


def _to_means(
    known: Labelled, bears: Flags, rule: Rule, probes: Vectors, without: Ids | None
) -> Array:
    """(p, classes) mean scores, see siamkit.scoring.mean_score; -inf where no example is left."""
    weights = bears.astype(np.float64)
    sums, counts = weights.T @ known.vectors, weights.sum(axis=0)
    dots = probes @ sums.T  # (p, classes)
    lengths = np.broadcast_to((sums**2).sum(axis=1), dots.shape)
    numbers = np.broadcast_to(counts, dots.shape)
    if without is not None:  # |s - v|² = |s|² - 2 s·v + 1, without a sum for each probe
        own = weights[without]
        lengths = lengths - own * (2 * dots - 1)
        dots, numbers = dots - own, numbers - own
    found = dots / np.sqrt(np.maximum(lengths, 1e-12)) * usual_length(numbers, rule.mated)
    scores: Array = np.where(numbers > 0.5, found, -np.inf)
    return scores


def _best(known: Labelled, probes: Vectors) -> Array:
    owners, rows = np.nonzero(known.bears.T)
    starts = np.searchsorted(owners, np.arange(known.bears.shape[1]))
    cosines = (probes @ known.vectors.T).astype(np.float64)
    found: Array = np.maximum.reduceat(cosines[:, rows], starts, axis=1)
    return found


def _shares(look: _Look, evidence: Evidence) -> Array:
    """(p, classes) before it is smoothed: 0 and 1 are possible."""
    logs = evidence(look.scores)
    weights = _softmax(logs if look.before is None else logs + look.before)
    if look.bears is not None:
        voted: Array = np.einsum("pk,pkc->pc", weights, look.bears)
        return voted
    return weights[..., 0] if weights.ndim == 3 else weights


def _softmax(logs: Array) -> Array:
    """Over the last axis; all of -inf is 0."""
    top = logs.max(axis=-1, keepdims=True)
    found: Array = np.exp(logs - np.where(np.isfinite(top), top, 0))
    total = found.sum(axis=-1, keepdims=True)
    found /= np.where(total > 0, total, 1)
    return found


def _smoothed(known: Labelled, rule: Rule, shares: Array) -> Array:
    """Mixed with what is known beforehand, as if it were one example more.

    No n examples can show that something happens less often than once in n + 1. Beforehand each
    class is as likely as another, and a tag as likely as it is frequent.
    """
    count, classes = known.bears.shape
    before = (known.bears.sum(axis=0) + 0.5) / (count + 1) if rule.tags else 1 / classes
    mixed: Array = (count * shares + before) / (count + 1)
    return mixed
