"""Say whether a run has gained anything over what a user has without training."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from siamkit.train import graded, validation
from siamkit.train.config import TrainConfig
from siamkit.train.events import Verdict
from siamkit.train.graded import cosines_of, spearman
from siamkit.train.trials import LEAST_IDENTITIES, Interval, Trials, gain_interval
from siamkit.train.untrained import Alternative
from siamkit.train.validation import NEGATIVES, HeldOut, Scores

# An alternative's name, and the comparisons before and after training on the same samples.
Comparison: TypeAlias = tuple[str, Trials, Trials]
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
    if held.graded is not None:
        return _judge_graded(step, vectors, held, held.graded, alternatives, config)
    return verdict(
        step, validation.score(vectors, held), _comparisons(vectors, held, alternatives), config
    )


def _comparisons(
    vectors: NDArray[np.float32], held: HeldOut, alternatives: Sequence[Alternative]
) -> Iterator[Comparison]:
    for alternative in alternatives:
        part = held.where(alternative.usable)
        before = validation.score(alternative.vectors[alternative.usable], part)
        after = validation.score(vectors[alternative.usable], part)
        yield alternative.name, before.trials, after.trials


def verdict(
    step: int,
    scores: Scores,
    comparisons: Iterable[Comparison],
    config: TrainConfig,
    *,
    all_identities: bool = False,
) -> Verdict:
    """Say what the scores of the best step gain over those of each alternative; see `judge`.

    all_identities: they are all that there are, as in a cross-validation.
    """
    identities = len(np.unique(scores.trials.identity))
    hardest: tuple[float, str, Interval | None] | None = None
    gained: bool | None = None
    for name, before, after in comparisons:
        if math.isnan(before.error) or math.isnan(after.error):
            continue
        interval = gain_interval(before, after)
        gained = (gained is not False) and interval is not None and interval[0] > 0
        if hardest is None or before.error < hardest[0]:
            hardest = before.error, name, interval
    before_error, alternative, interval = hardest or (None, None, None)
    error = scores.trials.error
    return Verdict(
        step,
        gained,
        alternative,
        before_error,
        None if math.isnan(error) else error,
        interval[0] if interval else None,
        interval[1] if interval else None,
        identities,
        NEGATIVES[scores.negatives],
        advice(config, alternative, identities, all_identities) if gained is False else "",
    )


def _judge_graded(
    step: int,
    vectors: NDArray[np.float32],
    held: HeldOut,
    scores: NDArray[np.float32],
    alternatives: Sequence[Alternative],
    config: TrainConfig,
) -> Verdict:
    """Compare by rank correlation with the alternative that has the highest."""
    after = cosines_of(vectors, held.pairs)
    measured = [
        (spearman(before, scores), alternative.name, before)
        for alternative in alternatives
        if np.isfinite(before := cosines_of(alternative.vectors, held.pairs)).all()
    ]
    correlation, name, before = max(measured, default=(math.nan, None, after), key=lambda m: m[0])
    interval = graded.gain_interval(before, after, scores) if name else None
    gained = None if name is None else interval is not None and interval[0] > 0
    return Verdict(
        step,
        gained,
        name,
        None if name is None else 1 - correlation,
        1 - spearman(after, scores),
        interval[0] if interval else None,
        interval[1] if interval else None,
        len(held.labels),
        "scored pairs, as 1 less their rank correlation,",
        advice(config, name, FEW) if gained is False else "",
    )


def advice(
    config: TrainConfig, alternative: str | None, identities: int, all_identities: bool = False
) -> str:
    """Name what to do after a run that has gained nothing."""
    lines = []
    if identities < FEW and all_identities:
        lines.append("add identities")
    elif identities < FEW:
        lines.append("add identities, or measure on all of them with `--folds 5`")
        if identities < LEAST_IDENTITIES and config.validation < 0.5:
            lines.append("`--set validation=0.5`")
    if alternative and alternative.startswith("the encoder "):
        lines.append(f"use {alternative} as it is")
    if not config.backbone.startswith("encoder") and not config.frozen and config.pretrained:
        lines.append("train a head alone with `--set frozen=true`")
    lines.append(f"learn more slowly with `--set learning_rate={config.learning_rate / 10:g}`")
    return "; ".join(lines)
