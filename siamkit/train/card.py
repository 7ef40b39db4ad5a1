"""The training card: what an encoder was trained on, how, and how well it does."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.stats.metrics import fnmr_at
from siamkit.train.config import TrainConfig
from siamkit.train.data import Dataset
from siamkit.train.export import versions
from siamkit.train.folder import Origin
from siamkit.train.validation import Scores, errors
from siamkit.types import Threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATES = (0.001, 0.01, 0.1)
# "Rule of 30" (Doddington et al. 2000, "The NIST speaker recognition evaluation", §4): 30 errors
# are needed to be 90 % sure that the true rate is within 30 % of the measured one.
ERRORS = 30
USABLE = 0.2  # FNMR: where more mated pairs are refused, a higher rate is the better default


def default_threshold(scores: Scores) -> Threshold | None:
    """For the lowest of RATES that the validation pairs can show and that is USABLE.

    Where none is usable, the highest is taken.

    Against impostors if there are any: they are what such an encoder must reject.
    """
    against, what = (
        (scores.impostor, "pairs with an impostor")
        if len(scores.impostor)
        else (scores.non_mated, "pairs of different identities")
    )
    shown = [rate for rate in RATES if rate * len(against) >= ERRORS]
    if not shown or not len(scores.mated):
        return None
    for rate in shown:
        fnmr, value = fnmr_at(scores.mated, against, rate)
        if fnmr <= USABLE:
            break
    if not np.isfinite(value):
        return None  # so many of them tie at the top that no threshold keeps them out
    return Threshold(
        float(value),
        rate,
        f"{len(against):,} {what} and {len(scores.mated):,} mated pairs of the validation"
        f" identities; FNMR {fnmr:.3f}",
    )


def training_facts(
    dataset: Dataset, config: TrainConfig, origin: Origin, scores: Scores | None, step: int
) -> dict[str, Any]:
    """JSON values. Paths of the samples are left out: a card travels."""
    made: dict[str, Any] = {
        "data": {
            "train": _counts(dataset, dataset.training),
            "validation": _counts(dataset, ~dataset.training),
            "split": "by identity",
            "licence": origin.licence,
        },
        "detector": origin.detector,
        "config": asdict(config),
        "step": step,
        "versions": versions(),
    }
    if scores is not None:
        others, against = errors(scores)
        made["validation"] = {
            "eer": round(others, 5),
            "eer_impostors": None if against is None else round(against, 5),
            "pairs": {
                "mated": len(scores.mated),
                "non_mated": len(scores.non_mated),
                "impostor": len(scores.impostor),
            },
            "read": "the step was chosen by these very pairs, so they flatter a little",
        }
    return made


def _counts(dataset: Dataset, chosen: NDArray[np.bool_]) -> dict[str, int]:
    impostor = dataset.impostor[chosen]
    return {
        "identities": len(np.unique(dataset.labels[chosen])),
        "genuine": int((~impostor).sum()),
        "impostors": int(impostor.sum()),
    }
