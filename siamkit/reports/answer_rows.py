"""Answers as rows: what a table, a file and a page show of each region of a probe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from siamkit.io import wording
from siamkit.io.table_write import Schema
from siamkit.io.wording import Nouns
from siamkit.types import Decision, Region, Threshold

if TYPE_CHECKING:
    from siamkit.flows.answer import Answer
    from siamkit.flows.classify import Classified
    from siamkit.flows.verify_many import VerifiedPair

KINDS = {
    Decision.SAME: "identified",
    Decision.DIFFERENT: wording.NOT_ENROLLED,
    Decision.INCONCLUSIVE: wording.INCONCLUSIVE,
}
FAILED = "failed"
NO_TAG = "no tag is likely"
SCHEMA: Schema = {
    "source": str, "region": int, "left": float, "top": float, "right": float, "bottom": float,
    "start": float, "stop": float, "decision": str, "identity": str, "probability": float,
    "score": float, "threshold": float, "nearest": str, "enrolled_from": str, "error": str,
}  # fmt: skip
PAIR_SCHEMA: Schema = {
    "a": str, "b": str, "decision": str, "probability": float, "score": float, "threshold": float,
    "label": str, "correct": bool, "error": str,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RowMatch:
    """An identity or class that a region was compared with."""

    identity: str
    probability: float | None
    score: float | None  # on the scale of the threshold
    source: str = ""  # of its nearest sample
    sample_id: int | None = None
    cosine: float | None = None


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """The answer about one region. Probability and score are those of the first match."""

    source: str
    number: int  # of the region, from left to right
    region: Region
    decision: Decision
    verdict: str  # for people
    identity: str | None
    threshold: Threshold | None
    matches: tuple[RowMatch, ...]
    reason: str = ""  # why no score decides

    @property
    def kind(self) -> str:
        """The kind of answer, for people: see KINDS."""
        return KINDS[self.decision]

    @property
    def probability(self) -> float | None:
        """The probability that it is the first match."""
        return None if self.reason or not self.matches else self.matches[0].probability

    @property
    def score(self) -> float | None:
        """The score of the first match."""
        return self.matches[0].score if self.matches else None


def rows_of_answers(answers: Sequence[Answer], nouns: Nouns) -> list[AnswerRow]:
    """Return the rows of a query."""
    return [_row_of_answer(number, answer, nouns) for number, answer in enumerate(answers, 1)]


def _row_of_answer(number: int, answer: Answer, nouns: Nouns) -> AnswerRow:
    matches = tuple(
        RowMatch(
            match.identity,
            match.probability,
            answer.deciding_score(match),
            match.source,
            match.sample_id,
            match.score,
        )
        for match in answer.matches
    )
    nearest = answer.matches[0].identity if answer.matches else ""
    verdict = wording.describe_identity(answer.decision, nearest, nouns)
    return _row(number, answer, verdict, answer.threshold, matches)


def rows_of_classes(regions: Sequence[Classified], nouns: Nouns, top: int) -> list[AnswerRow]:
    """Return the rows of a classification, each with its `top` likeliest classes."""
    return [_row_of_classes(n, region, nouns, top) for n, region in enumerate(regions, 1)]


def _row_of_classes(number: int, region: Classified, nouns: Nouns, top: int) -> AnswerRow:
    matches = tuple(
        RowMatch(match.identity, match.probability, match.score) for match in region.classes[:top]
    )
    nearest = region.classes[0].identity
    is_close = region.nearest is None or region.nearest.decision == Decision.SAME
    verdict = ", ".join(region.identities)
    if region.tags and is_close:
        verdict = verdict or NO_TAG
    elif region.decision != Decision.SAME:
        verdict = wording.describe_identity(region.decision, nearest, nouns)
    threshold = region.nearest.threshold if region.nearest else None
    return _row(number, region, verdict, threshold, matches)


def _row(
    number: int,
    answer: Answer | Classified,
    verdict: str,
    threshold: Threshold | None,
    matches: tuple[RowMatch, ...],
) -> AnswerRow:
    reason = answer.objection.reason if answer.objection else ""
    return AnswerRow(
        answer.source,
        number,
        answer.region,
        answer.decision,
        KINDS[answer.decision] if reason else verdict,
        answer.identity,
        threshold,
        matches,
        reason,
    )


def values_of(row: AnswerRow) -> list[Any]:
    """Return a row of SCHEMA."""
    where: tuple[float | None, ...] = row.region.where or (None, None)
    box = [*where, None, None] if len(where) == 4 else [None, None, None, None, *where]
    match = row.matches[0] if row.matches else None
    threshold = row.threshold.value if row.threshold else None
    nearest = (match.identity, match.source or None) if match else (None, None)
    decided = (str(row.decision), row.identity, row.probability, row.score, threshold)
    return [row.source, row.number, *box, *decided, *nearest, None]


def values_of_error(source: str, error: Exception) -> list[Any]:
    """Return a row of SCHEMA for a source that could not be used."""
    return [source, *[None] * (len(SCHEMA) - 2), str(error)]


def values_of_pair(pair: VerifiedPair, label: str | None, correct: bool | None) -> list[Any]:
    """Return a row of PAIR_SCHEMA. label, correct: None where nothing was stated."""
    if pair.verification is None:
        return [pair.a, pair.b, *[None] * 4, label, correct, str(pair.error)]
    verdict = pair.verification.verdict
    score = pair.verification.deciding_score
    decided = [str(verdict.decision), verdict.probability, score, verdict.threshold.value]
    return [pair.a, pair.b, *decided, label, correct, None]
