"""The words of `siamkit classify`: the class, then the next ones, then where they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import siamkit as sk
from siamkit.cli.output import echo, one_line
from siamkit.cli.probes import Shown
from siamkit.cli.query_results import (
    NAME,
    list_verdicts,
    show_basis,
    show_matches,
    show_objection,
    show_regions,
)
from siamkit.io import wording
from siamkit.io.wording import Nouns, format_probability
from siamkit.types import Decision

if TYPE_CHECKING:
    from siamkit.flows.classify import Classifier
    from siamkit.reports.answer_rows import AnswerRow

NEXT = 3  # classes named beside the likeliest one


@dataclass(frozen=True, slots=True)
class View:
    """The way answers are shown. k: the classes to list per region, where `lists`."""

    nouns: Nouns
    classifier: Classifier
    k: int
    lists: bool
    is_verbose: bool

    @property
    def shown(self) -> Shown:
        matches = self.k if self.lists else 1
        return Shown(self.rows, self.facts, self.show_one, matches, self.is_verbose)

    def rows(self, regions: Sequence[sk.Classified]) -> list[AnswerRow]:
        """Return the answers as rows."""
        from siamkit.reports.answer_rows import rows_of_classes

        return rows_of_classes(regions, self.nouns, max(self.k, 1 + NEXT))

    def show_one(self, regions: Sequence[sk.Classified], rows: list[AnswerRow]) -> None:
        """Print the classes of one probe: the likeliest, a line of detail, and tables."""
        if len(rows) == 1:
            self._show_region(regions[0], rows[0])
        else:
            echo(f"{len(rows)} found: {list_verdicts(rows)}")
            show_regions(rows)
        echo(f"probabilities {self.classifier.basis}")
        if self.lists:
            echo()
            show_matches(rows, self.k, "tag" if self.classifier.settings.tags else "class")
        if self.is_verbose:
            show_basis(rows)

    def _show_region(self, region: sk.Classified, row: AnswerRow) -> None:
        if row.reason:
            show_objection(row)
            return
        assigned = set(region.identities) or {region.classes[0].identity}
        if region.decision == Decision.SAME and region.identities:
            likely = {match.identity: match.probability for match in region.classes}
            echo(
                ", ".join(
                    f"{one_line(name, NAME)} (probability {format_probability(likely[name])})"
                    for name in region.identities
                )
            )
        else:
            echo(one_line(row.verdict, 100))
            assigned = set()
        if (nearest := region.nearest) and nearest.matches:
            score = nearest.deciding_score(nearest.matches[0])
            if score is not None:
                scale, below = nearest.decided_by, nearest.different_below
                name = one_line(nearest.matches[0].identity, NAME)
                lead = "" if assigned else f"nearest: {name}, "
                limit = nearest.threshold
                echo(lead + wording.describe_score(scale, score, limit, below, self.nouns))
        if unlikely := [match for match in region.classes if match.identity not in assigned][:NEXT]:
            named = ", ".join(
                f"{one_line(match.identity, NAME)} {format_probability(match.probability)}"
                for match in unlikely
            )
            doubted = "likeliest tags" if region.tags else "if it is of a class"
            echo(f"{'then' if assigned else doubted}: {named}")

    def facts(self, regions: Sequence[sk.Classified]) -> dict[str, Any]:
        """Return the answers about one probe as JSON shows them."""
        from siamkit.reports.answer_facts import of_classes

        return of_classes(regions, self.k)
