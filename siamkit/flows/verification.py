"""The answer to a 1:1 question, and the two sides that were compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from siamkit.flows.answer_lists import Asked
from siamkit.io import wording
from siamkit.io.presentable import Presentable
from siamkit.io.sources import shorten
from siamkit.types import Decision, Quality, Region, Verdict


@dataclass(frozen=True, slots=True)
class ComparedSide:
    """One side of a comparison: a region of a source, or an enrolled identity."""

    source: str  # or the identity's label
    region: Region | None = None
    quality: Quality | None = None
    samples: int = 1  # enrolled samples of an identity; 1 for a source
    region_count: int = 1  # regions detected in the source
    number: int | None = None  # of the region that counts, left to right, where all were compared


@dataclass(frozen=True, slots=True)
class Verification(Presentable):
    """The answer to a 1:1 question, and the regions that were compared.

    It is true if the two are the same: `if ws.verify("faces", "a.jpg", "b.jpg"): …`.

    Examples:
        >>> answer = ws.verify("questions", "How do I log in?", "When are you open?")
        >>> bool(answer), answer.decision.value
        (False, 'different')
        >>> print(answer)
        different questions (probability of the same question 0.003)
    """

    verdict: Verdict
    left: ComparedSide
    right: ComparedSide
    advice: str = ""  # what makes an inconclusive comparison conclusive, if that is known
    asked: Asked | None = field(default=None, repr=False, compare=False)

    def __bool__(self) -> bool:
        return bool(self.decision)

    def __repr__(self) -> str:
        """The verdict in short: `<Verification of a.jpg and b.jpg: same person>`."""
        left, right = (shorten(side.source) for side in (self.left, self.right))
        return f"<Verification of {left} and {right}: {self}>"

    def __str__(self) -> str:
        """The verdict for people: 'same person (probability 0.998)'."""
        nouns = self.asked.nouns if self.asked else wording.OTHERS
        return wording.describe_pair(self.decision, nouns, self.probability)

    @property
    def decision(self) -> Decision:
        """Are the two the same?"""
        return self.verdict.decision

    @property
    def score(self) -> float:
        """The cosine of the two, in [-1, 1]."""
        return self.verdict.score

    @property
    def decided_by(self) -> Literal["cosine", "snorm", "probability"]:
        """The kind of score that the threshold is on."""
        if self.verdict.reranker:
            return "probability"
        return "cosine" if self.verdict.normalised is None else "snorm"

    @property
    def deciding_score(self) -> float | None:
        """The score that the threshold is on; None if an objection overrules a probability."""
        verdict = self.verdict
        scores = {"cosine": verdict.score, "snorm": verdict.normalised}
        return scores.get(self.decided_by, verdict.probability)

    @property
    def probability(self) -> float | None:
        """The probability that the two are the same; None if nothing measured it."""
        return self.verdict.probability
