"""Say whether a run has gained anything over what a user has without training."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from siamkit.train import graded, validation
from siamkit.train.config import TrainConfig
from siamkit.train.events import UNPROVEN, Verdict, outcome
from siamkit.train.graded import cosines_of, spearman
from siamkit.train.split import FOLDS
from siamkit.train.trials import FEW, LEAST_IDENTITIES, Interval, Trials, gain_interval
from siamkit.train.untrained import Alternative
from siamkit.train.validation import NEGATIVES, HeldOut, Scores

# An alternative's name, and the comparisons before and after training on the same samples.
Comparison: TypeAlias = tuple[str, Trials, Trials]


def judge(
    step: int,
    vectors: NDArray[np.float32],
    held: HeldOut,
    alternatives: Sequence[Alternative],
    config: TrainConfig,
    *,
    folds: int = FOLDS,
    can_freeze: bool = False,
) -> Verdict:
    """Compare (n, dim) trained vectors of the validation samples with each alternative's.

    It is a gain if the error falls beyond chance against every alternative; see
    siamkit.train.trials.gain_interval. Without an alternative `gained` is None.

    folds: of a cross-validation to advise; 0 for none. can_freeze: see
    siamkit.train.modality.can_freeze.
    """
    if held.graded is not None:
        judged = _judge_graded(step, vectors, held, held.graded, alternatives)
        return _advised(judged, config, "add scored pairs", can_freeze=can_freeze)
    comparisons = _comparisons(vectors, held, alternatives)
    scores = validation.score(vectors, held)
    return verdict(step, scores, comparisons, config, folds=folds, can_freeze=can_freeze)


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
    folds: int = 0,
    all_identities: bool = False,
    can_freeze: bool = False,
) -> Verdict:
    """Say what the scores of the best step gain over those of each alternative; see `judge`.

    all_identities: they are all that there are, as in a cross-validation. folds, can_freeze: see
    `judge`.
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
    more = "add identities"
    if not all_identities:
        more += f", or measure on all of them with `--folds {folds}`" if folds else ""
        if identities < LEAST_IDENTITIES and config.validation < 0.5:
            more += "; `--set validation=0.5`"
    judged = Verdict(
        step,
        gained,
        alternative,
        before_error,
        None if math.isnan(error) else error,
        interval[0] if interval else None,
        interval[1] if interval else None,
        identities,
        NEGATIVES[scores.negatives],
        "",
    )
    return _advised(judged, config, more, can_freeze=can_freeze)


def _judge_graded(
    step: int,
    vectors: NDArray[np.float32],
    held: HeldOut,
    scores: NDArray[np.float32],
    alternatives: Sequence[Alternative],
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
        "",
    )


def _advised(judged: Verdict, config: TrainConfig, more: str, *, can_freeze: bool) -> Verdict:
    """Add what to do after a run that has gained nothing.

    more: what to add if its validation samples are too few.
    """
    if judged.gained is not False or judged.before is None or judged.error is None:
        return judged
    if judged.before == 0:
        easy = "add harder pairs, labelled different: these are too easy to show a gain"
        return replace(judged, advice=easy)
    if outcome(judged.gained, judged.before, judged.error) == UNPROVEN:
        return replace(judged, advice=more)
    lines = [more] if judged.identities < FEW else []
    if judged.alternative and judged.alternative.startswith("the encoder "):
        lines.append(f"use {judged.alternative} as it is")
    if can_freeze:
        lines.append("train a head alone with `--set frozen=true`")
    lines.append(f"learn more slowly with `--set learning_rate={config.learning_rate / 10:g}`")
    return replace(judged, advice="; ".join(lines))
