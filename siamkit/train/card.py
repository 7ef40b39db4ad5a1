"""The training card: the data, the settings and the error rates of a trained encoder."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamkit.stats.metrics import fnmr_at
from siamkit.train.config import TrainConfig
from siamkit.train.data import Dataset
from siamkit.train.folder import Origin
from siamkit.train.validation import NEGATIVES, Rates, Scores, as_event, measurable_rates
from siamkit.types import Threshold

PACKAGES = ("siamkit", "torch", "timm", "onnx", "numpy")  # whose versions a card states
USABLE = 0.2  # highest FNMR of a usable default; above it, the next higher FMR is tried


def default_threshold(scores: Scores) -> Threshold | None:
    """Return the threshold of the lowest false match rate that is measurable here and USABLE.

    If none is usable, the highest is taken; if none is measurable, None is returned. The rates are
    those of the pairs that the step was selected by: what such an encoder must reject.
    """
    trials, rates = scores.trials, measurable_rates(scores.trials)
    if not rates:
        return None
    for rate in rates:
        fnmr, value = fnmr_at(trials.mated, trials.rejected, rate)
        if fnmr <= USABLE:
            break
    if not np.isfinite(value):
        return None  # too many of the rejected tie at the top
    return Threshold(
        float(value),
        rate,
        f"{len(trials.rejected):,} {NEGATIVES[scores.negatives]} and {len(trials.mated):,} mated"
        f" pairs of the validation identities; FNMR {fnmr:.3f}",
    )


def mean_mated(scores: Scores | None) -> float | None:
    """Return the mean cosine of mated pairs; None without any."""
    if scores is None or not len(scores.trials.mated):
        return None
    return round(float(scores.trials.mated.mean()), 4)


def training_facts(
    dataset: Dataset,
    config: TrainConfig,
    origin: Origin,
    step: int,
    scores: Scores | None,
    rates: Rates | None,
) -> dict[str, Any]:
    """Return the training facts of a card, JSON values. They name no sample: a card travels."""
    facts: dict[str, Any] = {
        "data": {
            "train": _counts(dataset, dataset.training),
            "validation": _counts(dataset, ~dataset.training),
            "split": "by identity",
            "licence": origin.licence,
        },
        "detector": origin.detector,
        "config": asdict(config),
        "step": step,
        "versions": {name: version(name) for name in PACKAGES},
    }
    if scores is not None and rates is not None:
        facts["validation"] = validation_facts(scores, rates)
    return facts


def validation_facts(scores: Scores, rates: Rates) -> dict[str, Any]:
    """Return what a card says of the validation, JSON values."""
    return {
        **{
            name: None if value is None or np.isnan(value) else round(value, 5)
            for name, value in as_event(rates).items()
        },
        "error_of": NEGATIVES[scores.negatives],
        "pairs": {
            "mated": len(scores.trials.mated),
            "non_mated": len(scores.others),
            "hard": len(scores.hard),
            "impostor": len(scores.labelled),
        },
        "read": "the step was chosen by the pairs of `error`, so they flatter a little",
    }


def _counts(dataset: Dataset, rows: NDArray[np.bool_]) -> dict[str, int]:
    impostor = dataset.impostor[rows]
    return {
        "identities": len(np.unique(dataset.labels[rows])),
        "genuine": int((~impostor).sum()),
        "impostors": int(impostor.sum()),
    }
