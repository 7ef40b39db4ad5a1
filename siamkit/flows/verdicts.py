"""Verdicts on two samples: from a score or a second opinion, unless something objects."""

from __future__ import annotations

from dataclasses import replace

from siamkit.flows.decide import DecisionRule, Limits, verification_limits
from siamkit.flows.second_opinion import Opinion
from siamkit.types import Calibration, Objection, Verdict


def heed(verdict: Verdict, objection: Objection | None) -> Verdict:
    """Let an objection decide, if there is one: then no probability follows from the score."""
    if objection is None:
        return verdict
    decision = objection.decision
    return replace(verdict, decision=decision, probability=None, llr=None, objection=objection)


def verdict_of_opinion(opinion: Opinion, score: float, rule: DecisionRule, tries: int) -> Verdict:
    """Decide by a second opinion on a pair or a claim with that cosine, the best of `tries`."""
    limits = verification_limits(rule, opinion.basis, tries)
    verdict = verdict_of_score(opinion.probability, limits, opinion.basis.calibration, tries)
    return replace(verdict, score=score, reranker=opinion.reranker)


def verdict_of_score(
    score: float,
    limits: Limits,
    calibration: Calibration | None,
    tries: int = 1,
    normalised: float | None = None,
) -> Verdict:
    """Decide on a cosine, the best of `tries` scores, or on its normalised score if given."""
    deciding = score if normalised is None else normalised
    decision = limits.decide(deciding)
    below = limits.different if limits.different < limits.same.value else None
    if calibration is None:
        return Verdict(decision, score, limits.same, None, below)
    from siamkit.stats.calibration import llr_of_best, sigmoid

    llr = llr_of_best(calibration, deciding, tries)
    highest_llr = llr_of_best(calibration, calibration.scores[-1], tries)
    return Verdict(decision, score, limits.same, sigmoid(llr), below, normalised, llr, highest_llr)
