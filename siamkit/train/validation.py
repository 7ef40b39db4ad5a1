"""Measure how well embeddings separate mated from non-mated pairs of validation identities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from siamkit.stats.metrics import eer, fnmr_at
from siamkit.stats.retrieval import retrieval_rates
from siamkit.train.data import Dataset
from siamkit.train.device import autocast
from siamkit.train.folder import EMBEDDINGS, replacing
from siamkit.train.graded import cosines_of, spearman
from siamkit.train.neighbours import nearest_others
from siamkit.train.pairs import Pairs
from siamkit.train.trials import Trials, error_interval

BATCH = 128
MAX_SAMPLES = 4_000  # samples of which every pair is scored: 8 million pairs
HARD_SHARE = 0.01  # of the samples of other identities: the nearest, of which errors are made
LEAST_LABELLED = 30  # pairs labelled different from which on they alone are judged by
SAME = 0.5  # score of a labelled pair from which on it counts as the same
RATES = (0.001, 0.01, 0.1)  # false match rates of thresholds
# "Rule of 30" (Doddington et al. 2000, "The NIST speaker recognition evaluation", §4): 30 errors
# are needed to be 90 % sure that the true rate is within 30 % of the measured one.
LEAST_ERRORS = 30
NEGATIVES = {  # of several folds, the first that one of them has counts
    "impostor": "pairs with an impostor",
    "labelled": "pairs labelled different",
    "hard and impostor": "hard pairs and pairs with an impostor",
    "hard and labelled": "hard pairs and pairs labelled different",
    "hard": "hard pairs of different identities",
}


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """The n samples that are embedded for validation: their labels and their pairs."""

    labels: NDArray[np.int64]  # (n,)
    impostor: NDArray[np.bool_]  # (n,)
    pairs: NDArray[np.int64]  # (p, 2) labelled pairs, as numbers below n
    alike: NDArray[np.bool_]  # (p,) True for a pair whose score is SAME or more
    rows: NDArray[np.int64]  # (n,) of the data set, ascending
    graded: NDArray[np.float32] | None = None  # (p,) scores of the pairs, if some are between

    def where(self, chosen: NDArray[np.bool_]) -> HeldOut:
        """Return some of the samples, and the pairs of two of them."""
        inside = chosen[self.pairs].all(axis=1)
        return HeldOut(
            self.labels[chosen],
            self.impostor[chosen],
            (np.cumsum(chosen) - 1)[self.pairs[inside]],
            self.alike[inside],
            self.rows[chosen],
            None if self.graded is None else self.graded[inside],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Cosines of the comparisons that a model is judged by, see `score`."""

    trials: Trials  # whose error selects the step
    negatives: str  # a word of NEGATIVES: what the trials reject
    others: NDArray[np.float32]  # cosines of all pairs of two identities
    hard: NDArray[np.float32]  # of each sample and the nearest ones of other identities
    labelled: NDArray[np.float32]  # of pairs that are labelled different, impostors included


@dataclass(frozen=True, slots=True)
class Rates:
    """The rates of siamkit.train.events.Evaluated, in [0, 1]; NaN where there are no such pairs."""

    eer: float
    eer_hard: float
    eer_impostors: float
    error: float
    low: float
    high: float
    fmr: float
    fnmr: float
    recall_at_1: float
    recall_at_5: float
    map_at_r: float
    spearman: float = math.nan


def validated_rows(dataset: Dataset, seed: int) -> NDArray[np.int64]:
    """Return the rows of a data set that validation looks at, ascending.

    There are about MAX_SAMPLES at most; of pairs, some with both of their samples. There are none
    if their pairs have scores that are all equal: no rate can be measured on these.
    """
    rows = np.flatnonzero(~dataset.training)
    if Pairs(dataset.pairs, dataset.scores).equal_score(~dataset.training) is not None:
        return rows[:0]
    if len(rows) > MAX_SAMPLES and len(dataset.pairs):
        pairs = dataset.pairs[~dataset.training[dataset.pairs[:, 0]]]
        shuffled = np.random.default_rng(seed).permutation(pairs)
        return np.unique(shuffled[: MAX_SAMPLES // 2])
    return rows[choose_rows(dataset.labels[rows], dataset.impostor[rows], seed)]


def held_out(dataset: Dataset, rows: NDArray[np.int64]) -> HeldOut:
    """Return what a data set tells of some rows, ascending; of its pairs, those of two of them."""
    numbers = np.searchsorted(rows, dataset.pairs)
    inside = np.isin(dataset.pairs, rows).all(axis=1)
    scores = dataset.scores[inside]
    return HeldOut(
        dataset.labels[rows],
        dataset.impostor[rows],
        numbers[inside],
        scores >= SAME,
        rows,
        scores if Pairs(dataset.pairs, dataset.scores).graded else None,
    )


def choose_rows(
    labels: NDArray[np.int64], impostor: NDArray[np.bool_], seed: int
) -> NDArray[np.int64]:
    """Return row numbers, all or MAX_SAMPLES of them.

    Of each identity as many are taken as of any other, and as many impostors as genuine samples,
    as far as there are enough.
    """
    if len(labels) <= MAX_SAMPLES:
        return np.arange(len(labels))
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    groups = 2 * labels[shuffled] + impostor[shuffled]
    order = np.argsort(groups, kind="stable")
    first = np.searchsorted(groups[order], groups[order])
    rank = np.empty(len(labels), np.int64)  # of each row in its group
    rank[order] = np.arange(len(labels)) - first
    return np.sort(shuffled[np.argsort(rank, kind="stable")[:MAX_SAMPLES]])


def embed(
    network: nn.Module, arrays: NDArray[Any], rows: NDArray[np.int64], device: str, precision: str
) -> Tensor:
    """Return (n, dim) float32 unit rows on the CPU, in evaluation mode, without augmentation."""
    was_training = network.training
    network.eval()
    embeddings = []
    with torch.inference_mode(), autocast(device, precision):
        for start in range(0, len(rows), BATCH):
            batch = torch.from_numpy(np.ascontiguousarray(arrays[rows[start : start + BATCH]]))
            embeddings.append(normalize(network(batch.to(device)).float(), dim=1).cpu())
    network.train(was_training)
    return torch.cat(embeddings).clone()


def score(
    embeddings: NDArray[np.float32], held: HeldOut, *, by_labelled: bool | None = None
) -> Scores:
    """Score the comparisons of (n, dim) unit rows.

    The hard ones are each genuine sample's nearest HARD_SHARE of the samples of other identities,
    at least one: each model is judged by those that it confuses itself. The error is that against
    pairs labelled different if there are LEAST_LABELLED of them, and else against both kinds.

    by_labelled: take the former or the latter, however many there are.
    """
    cosines = embeddings @ embeddings.T
    labels, genuine = held.labels, ~held.impostor
    same = labels[:, None] == labels
    left, right = held.pairs[held.alike].T
    same[left, right] = same[right, left] = True
    both = genuine[:, None] & genuine
    upper = np.triu(np.ones_like(same), 1)
    mated = np.nonzero(same & both & upper)
    hard = _nearest_others(embeddings, held, same)
    labelled = np.concatenate(
        [
            np.stack(np.nonzero(same & (genuine[:, None] ^ genuine) & upper)),
            held.pairs[~held.alike].T,
        ],
        axis=1,
    )
    enough = labelled.shape[1] >= LEAST_LABELLED if by_labelled is None else by_labelled
    judged = labelled if enough else np.concatenate([hard, labelled], axis=1)
    trials = Trials(
        cosines[mated], labels[mated[0]], cosines[*judged], labels[judged[0]], labels[judged[1]]
    )
    kind = "labelled" if len(held.pairs) else "impostor"
    if not enough:
        kind = f"hard and {kind}" if labelled.shape[1] else "hard"
    return Scores(
        trials,
        kind,
        cosines[~same & both & upper],
        cosines[*hard],
        cosines[*labelled],
    )


def _nearest_others(
    embeddings: NDArray[np.float32], held: HeldOut, same: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return (2, p) genuine samples, each with its nearest of other identities."""
    rows = np.flatnonzero(~held.impostor)
    identities, counts = np.unique(held.labels[rows], return_counts=True)
    if len(identities) < 2:
        return np.empty((2, 0), np.int64)
    k = max(1, round(HARD_SHARE * (len(rows) - counts.mean())))
    ids = nearest_others(embeddings[rows], held.labels[rows], k=k)
    left, right = np.repeat(rows, k), rows[ids.ravel()]
    usable = (ids.ravel() >= 0) & ~same[left, right]
    return np.stack([left[usable], right[usable]])


def measure(embeddings: NDArray[np.float32], held: HeldOut, scores: Scores) -> Rates:
    """Return every rate of (n, dim) unit rows, from their `score`.

    Of graded pairs it is the rank correlation alone, and the error what that lacks to 1.
    """
    if held.graded is not None:
        correlation = spearman(cosines_of(embeddings, held.pairs), held.graded)
        rates = dict.fromkeys((field.name for field in fields(Rates)), math.nan)
        return Rates(**rates | {"error": 1 - correlation, "spearman": correlation})
    genuine = ~held.impostor
    recalls, map_at_r = retrieval_rates(embeddings[genuine], held.labels[genuine])
    return error_rates(scores, (*recalls, map_at_r))


def error_rates(scores: Scores, retrieval: Sequence[float]) -> Rates:
    """Return every rate of some scores, with recall@1, recall@5 and MAP@R."""
    trials = scores.trials
    interval = error_interval(trials)
    rate = lowest_rate(trials)
    fnmr = fnmr_at(trials.mated, trials.rejected, rate)[0] if rate else math.nan
    recall_at_1, recall_at_5, map_at_r = retrieval
    return Rates(
        eer=_eer(trials.mated, scores.others),
        eer_hard=_eer(trials.mated, scores.hard),
        eer_impostors=_eer(trials.mated, scores.labelled),
        error=trials.error,
        low=interval[0] if interval else math.nan,
        high=interval[1] if interval else math.nan,
        fmr=rate or math.nan,
        fnmr=fnmr,
        recall_at_1=recall_at_1,
        recall_at_5=recall_at_5,
        map_at_r=map_at_r,
    )


def measurable_rates(trials: Trials) -> list[float]:
    """Return those of RATES, ascending, that so many pairs can show."""
    if not len(trials.mated):
        return []
    return [rate for rate in RATES if rate * len(trials.rejected) >= LEAST_ERRORS]


def lowest_rate(trials: Trials) -> float | None:
    """Return the lowest of RATES that so many pairs can show."""
    return next(iter(measurable_rates(trials)), None)


def _eer(mated: NDArray[np.float32], rejected: NDArray[np.float32]) -> float:
    return eer(mated, rejected)[0] if len(mated) and len(rejected) else math.nan


def as_event(rates: Rates) -> dict[str, Any]:
    """Return the fields of an event, with None where nothing was measured."""
    values = {name: None if math.isnan(rate) else rate for name, rate in asdict(rates).items()}
    return values | {"eer": rates.eer}


def write(run: Path, embeddings: NDArray[np.float32], held: HeldOut) -> None:
    """Save the embeddings that siamkit.train.plot draws, and the rows of the data set they are of.

    `siamkit train watch` shows the hardest triplets of them.
    """
    facts: dict[str, Any] = {
        "labels": held.labels,
        "impostor": held.impostor,
        "rows": held.rows,
    }
    with replacing(run / EMBEDDINGS) as temporary, temporary.open("wb") as file:
        np.savez(file, embeddings=embeddings, **facts)
