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
from siamkit.train.validation import Scores, equal_error_rates
from siamkit.types import Threshold

PACKAGES = ("siamkit", "torch", "timm", "onnx", "numpy")  # whose versions a card states
RATES = (0.001, 0.01, 0.1)
# "Rule of 30" (Doddington et al. 2000, "The NIST speaker recognition evaluation", §4): 30 errors
# are needed to be 90 % sure that the true rate is within 30 % of the measured one.
LEAST_ERRORS = 30
USABLE = 0.2  # highest FNMR of a usable default; above it, the next higher FMR is tried


def default_threshold(scores: Scores) -> Threshold | None:
    """Return the threshold of the lowest of RATES that is measurable here and USABLE.

    If none is usable, the highest is taken; if none is measurable, None is returned. The rates
    are against impostors if there are any: they are what such an encoder must reject.
    """
    if len(scores.impostor):
        rejected, description = scores.impostor, "pairs with an impostor"
    else:
        rejected, description = scores.non_mated, "pairs of different identities"
    rates = [rate for rate in RATES if rate * len(rejected) >= LEAST_ERRORS]
    if not rates or not len(scores.mated):
        return None
    for rate in rates:
        fnmr, value = fnmr_at(scores.mated, rejected, rate)
        if fnmr <= USABLE:
            break
    if not np.isfinite(value):
        return None  # too many of the rejected tie at the top
    return Threshold(
        float(value),
        rate,
        f"{len(rejected):,} {description} and {len(scores.mated):,} mated pairs of the validation"
        f" identities; FNMR {fnmr:.3f}",
    )


def training_facts(
    dataset: Dataset, config: TrainConfig, origin: Origin, scores: Scores | None, step: int
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
    if scores is not None:
        eer, eer_impostors = equal_error_rates(scores)
        facts["validation"] = {
            "eer": round(eer, 5),
            "eer_impostors": None if eer_impostors is None else round(eer_impostors, 5),
            "pairs": {
                "mated": len(scores.mated),
                "non_mated": len(scores.non_mated),
                "impostor": len(scores.impostor),
            },
            "read": "the step was chosen by these very pairs, so they flatter a little",
        }
    return facts


def _counts(dataset: Dataset, rows: NDArray[np.bool_]) -> dict[str, int]:
    impostor = dataset.impostor[rows]
    return {
        "identities": len(np.unique(dataset.labels[rows])),
        "genuine": int((~impostor).sum()),
        "impostors": int(impostor.sum()),
    }
