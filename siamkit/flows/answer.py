"""The answer to a query about one region of a probe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from siamkit.flows import objections
from siamkit.flows.decide import Limits
from siamkit.io.presentable import Presentable
from siamkit.io.sources import shorten
from siamkit.types import Decision, Match, Objection, Quality, Region, Threshold


@dataclass(frozen=True, slots=True)
class Answer(Presentable):
    """One region of a probe and its nearest identities, best first.

    The decision is about the first match: by its probability if a reranker was used, by its
    normalised score in a gallery calibrated with S-norm, else by its cosine.

    Examples:
        >>> (answer,) = ws.query("questions", "How do I log in?")
        >>> answer.identity, answer.matches[0].identity
        ('sign in', 'sign in')
    """

    source: str
    region: Region
    quality: Quality | None
    matches: list[Match]
    threshold: Threshold | None
    reranker: str | None = None  # the threshold is on its probability
    different_below: float | None = None  # None: below the threshold
    advice: str = ""  # what makes an inconclusive answer conclusive, if that is known

    def __repr__(self) -> str:
        """The verdict in short: `<Answer about alice.jpg: alice>`."""
        verdict = self.identity or self.decision.value
        return f"<Answer about {shorten(self.source)}: {verdict}>"

    @property
    def decided_by(self) -> Literal["cosine", "snorm", "probability"]:
        """The kind of score that the threshold is on."""
        if self.reranker:
            return "probability"
        return "snorm" if self.matches and self.matches[0].normalised is not None else "cosine"

    @property
    def decision(self) -> Decision:
        """Does the region belong to the first match's identity? "different" without a threshold."""
        best = self.matches[0] if self.matches else None
        if self.objection:
            return self.objection.decision
        if best is None or self.threshold is None:
            return Decision.DIFFERENT
        score = self.deciding_score(best)
        if score is None:  # the enrolled source is gone, so the reranker could not judge it
            return Decision.INCONCLUSIVE
        below = self.threshold.value if self.different_below is None else self.different_below
        return Limits(self.threshold, below).decide(score)

    def deciding_score(self, match: Match) -> float | None:
        """Return the score of a match that the threshold is on; None if it could not be judged."""
        scores = {"cosine": match.score, "snorm": match.normalised}
        return scores.get(self.decided_by, match.probability)

    @property
    def objection(self) -> Objection | None:
        """Why no score decides: the region is not comparable, or differs from the first match."""
        by_quality = objections.of_quality(self.quality)
        return by_quality or (self.matches[0].objection if self.matches else None)

    @property
    def identity(self) -> str | None:
        """The first match's identity; None if it is unknown or inconclusive."""
        return self.matches[0].identity if self.decision == Decision.SAME else None
