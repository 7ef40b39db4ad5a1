"""Pool what the folds of a cross-validation measured: pairs of all identities, each within a fold.

Two folds have two encoders, whose vectors cannot be compared: no pair lies across them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamkit.errors import BadInput
from siamkit.io import foreign
from siamkit.io.sources import to_text
from siamkit.stats.retrieval import retrieval_rates
from siamkit.train import card, untrained, validation
from siamkit.train.config import TrainConfig
from siamkit.train.data import load
from siamkit.train.events import Verdict
from siamkit.train.folder import EMBEDDINGS
from siamkit.train.trials import Trials
from siamkit.train.untrained import Alternative
from siamkit.train.validation import HeldOut, Rates, Scores
from siamkit.train.verdict import Comparison, verdict
from siamkit.types import Threshold

TRIALS = ("mated", "identity", "rejected", "left", "right")  # fields of Trials
Embedded = tuple[NDArray[np.float32], HeldOut]  # (n, d) unit rows, and what is known of them


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """The validation samples of a fold, embedded at its best step, and without training."""

    vectors: NDArray[np.float32]  # (n, d) unit rows
    held: HeldOut
    alternatives: list[Alternative]


def read_folds(folders: Sequence[Path]) -> list[Fold]:
    """Read what the runs of all folds have embedded. Raises BadInput for a damaged folder."""
    return [_read_fold(folder) for folder in folders]


def _read_fold(folder: Path) -> Fold:
    vectors, rows = foreign.read_npz(
        folder / EMBEDDINGS, ["embeddings", "rows"], hint="begin again in another folder"
    )
    prepared = load(folder)
    if prepared is None or len(rows) != len(vectors):
        raise BadInput(f"{to_text(folder)} is damaged", hint="begin again in another folder")
    held = validation.held_out(prepared.dataset, rows)
    return Fold(vectors, held, untrained.read(folder))


def score(parts: Sequence[Embedded]) -> Scores:
    """Score the comparisons within each part, all parts by the same kind of pairs.

    See siamkit.train.validation.score.
    """
    scores = [validation.score(vectors, held) for vectors, held in parts]
    by_labelled = sum(len(part.labelled) for part in scores) >= validation.LEAST_LABELLED
    scores = [validation.score(vectors, held, by_labelled=by_labelled) for vectors, held in parts]
    trials = {
        name: np.concatenate([getattr(part.trials, name) for part in scores]) for name in TRIALS
    }
    kinds = {part.negatives for part in scores}
    return Scores(
        Trials(**trials),
        next(kind for kind in validation.NEGATIVES if kind in kinds),
        *(
            np.concatenate([getattr(part, name) for part in scores])
            for name in ("others", "hard", "labelled")
        ),
    )


def measure(folds: Sequence[Fold], scores: Scores) -> Rates:
    """Return every rate over all folds; of those that samples have, the mean over all samples."""
    rates, counts = [], []
    for fold in folds:
        genuine = ~fold.held.impostor
        recalls, map_at_r = retrieval_rates(fold.vectors[genuine], fold.held.labels[genuine])
        rates.append((*recalls, map_at_r))
        counts.append(int(genuine.sum()))
    recall_at_1, recall_at_5, map_at_r = np.average(rates, axis=0, weights=counts).tolist()
    return validation.error_rates(scores, (recall_at_1, recall_at_5, map_at_r))


def judge(
    folds: Sequence[Fold], step: int, config: TrainConfig, *, can_freeze: bool = False
) -> Verdict:
    """Compare the folds' best steps with what needs no training, over the pairs of all folds.

    can_freeze: see siamkit.train.modality.can_freeze.
    """
    scores = score([(fold.vectors, fold.held) for fold in folds])
    comparisons = _comparisons(folds)
    return verdict(step, scores, comparisons, config, all_identities=True, can_freeze=can_freeze)


def _comparisons(folds: Sequence[Fold]) -> Iterator[Comparison]:
    """Yield each alternative that all folds have, before and after, on the samples it has."""
    for number, alternative in enumerate(folds[0].alternatives):
        before: list[Embedded] = []
        after: list[Embedded] = []
        for fold in folds:
            if len(fold.alternatives) != len(folds[0].alternatives):
                return
            its = fold.alternatives[number]
            held = fold.held.where(its.usable)
            before.append((its.vectors[its.usable], held))
            after.append((fold.vectors[its.usable], held))
        yield alternative.name, score(before).trials, score(after).trials


def threshold(scores: Scores, count: int) -> Threshold | None:
    """Return the threshold at a false match rate that the pairs of all folds can show."""
    pooled = card.default_threshold(scores)
    return pooled and replace(pooled, source=f"{count} folds: {pooled.source}")


def facts(scores: Scores, rates: Rates, steps: Sequence[int]) -> dict[str, Any]:
    """Return what a training card says of the folds, whose best steps are given."""
    return {
        "validation": card.validation_facts(scores, rates)
        | {
            "read": "each identity was validated on by an encoder that never saw it, at the best"
            " step of its fold; the encoder described here was trained on all of them",
        },
        "folds": {"count": len(steps), "steps": list(steps)},
    }
