"""Say whether a run has gained anything over what a user has without training."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from siamkit.train import validation
from siamkit.train.config import TrainConfig
from siamkit.train.events import Verdict
from siamkit.train.trials import LEAST_IDENTITIES, Interval, gain_interval
from siamkit.train.untrained import Alternative
from siamkit.train.validation import NEGATIVES, HeldOut

FEW = 10  # validation identities below which a run asks for more


def judge(
    step: int,
    vectors: NDArray[np.float32],
    held: HeldOut,
    alternatives: Sequence[Alternative],
    config: TrainConfig,
) -> Verdict:
    """Compare (n, dim) trained vectors of the validation samples with each alternative's.

    It is a gain if the error falls beyond chance against every alternative; see
    siamkit.train.trials.gain_interval. Without an alternative `gained` is None.
    """
    scores = validation.score(vectors, held)
    identities = len(np.unique(scores.trials.identity))
    hardest: tuple[float, str, Interval | None] | None = None
    gained: bool | None = None
    for alternative in alternatives:
        part = held.where(alternative.usable)
        before = validation.score(alternative.vectors[alternative.usable], part).trials
        after = validation.score(vectors[alternative.usable], part).trials
        if math.isnan(before.error) or math.isnan(after.error):
            continue
        interval = gain_interval(before, after)
        gained = (gained is not False) and interval is not None and interval[0] > 0
        if hardest is None or before.error < hardest[0]:
            hardest = before.error, alternative.name, interval
    before_error, name, interval = hardest or (None, None, None)
    error = scores.trials.error
    return Verdict(
        step,
        gained,
        name,
        before_error,
        None if math.isnan(error) else error,
        interval[0] if interval else None,
        interval[1] if interval else None,
        identities,
        NEGATIVES[scores.negatives],
        advice(config, name, identities) if gained is False else "",
    )


def advice(config: TrainConfig, alternative: str | None, identities: int) -> str:
    """Name what to do after a run that has gained nothing."""
    lines = []
    if identities < FEW:
        lines.append("add identities, or measure on all of them with `--folds 5`")
        if identities < LEAST_IDENTITIES and config.validation < 0.5:
            lines.append("`--set validation=0.5`")
    if alternative and alternative.startswith("the encoder "):
        lines.append(f"use {alternative} as it is")
    if not config.backbone.startswith("encoder") and not config.frozen and config.pretrained:
        lines.append("train a head alone with `--set frozen=true`")
    lines.append(f"learn more slowly with `--set learning_rate={config.learning_rate / 10:g}`")
    return "; ".join(lines)
