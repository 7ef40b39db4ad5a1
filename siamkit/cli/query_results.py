"""The words of `siamkit query`: the answer first, then the numbers, then where they come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import siamkit as sk
from siamkit.cli.output import echo, one_line, table
from siamkit.cli.probes import Shown
from siamkit.io import wording
from siamkit.io.places import here
from siamkit.io.wording import Nouns, format_probability
from siamkit.types import Decision

if TYPE_CHECKING:
    from siamkit.reports.answer_rows import AnswerRow

NAME, SOURCE = 50, 100  # characters of an identity, and of a file or text


@dataclass(frozen=True, slots=True)
class View:
    """The way answers are shown. matches: the nearest identities to list per region; 0 for none."""

    nouns: Nouns
    matches: int
    is_verbose: bool
    is_text: bool

    @property
    def shown(self) -> Shown:
        from siamkit.reports.answer_facts import of_answers

        return Shown(
            self.rows,
            of_answers,
            self.show_one,
            max(1, self.matches),
            with_region=self.is_verbose and not self.is_text,
            with_text=self.is_text,
        )

    def rows(self, answers: Sequence[sk.Answer]) -> list[AnswerRow]:
        """Return the answers as rows."""
        from siamkit.reports.answer_rows import rows_of_answers

        return rows_of_answers(answers, self.nouns)

    def show_one(self, answers: Sequence[sk.Answer], rows: list[AnswerRow]) -> None:
        """Print the answers about one probe: the verdict, a line of detail, and tables."""
        if len(answers) == 1:
            self._show_answer(answers[0], rows[0])
        else:
            echo(f"{len(rows)} found: {list_verdicts(rows)}")
            if threshold := rows[0].threshold:
                rate = wording.describe_rate(threshold, self.nouns)
                echo(f"same from {threshold.value:.3f}{': ' + rate if rate else ''}")
            show_regions(rows)
        for advice in dict.fromkeys(answer.advice for answer in answers if answer.advice):
            echo(advice)
        if self.matches:
            echo()
            show_matches(rows, self.matches)
        if self.is_verbose:
            show_basis(rows)

    def _show_answer(self, answer: sk.Answer, row: AnswerRow) -> None:
        best = answer.matches[0] if answer.matches else None
        nearest = one_line(best.identity, NAME) if best else ""
        likely = row.probability
        if row.reason:
            show_objection(row)
            return
        echo(wording.describe_identity(answer.decision, nearest, self.nouns, likely))
        if best is None:
            return
        lead = ""
        if answer.decision == Decision.DIFFERENT:
            share = "" if likely is None else f" (probability {format_probability(likely)})"
            lead = f"nearest: {nearest}{share}, "
        score, below = answer.deciding_score(best), answer.different_below
        if score is not None:
            scale = answer.decided_by
            echo(lead + wording.describe_score(scale, score, answer.threshold, below, self.nouns))
        if self.is_text:
            echo(f"nearest text: {one_line(best.source, SOURCE)}")


def show_objection(row: AnswerRow) -> None:
    """Print the kind of answer, and why no score decides."""
    echo(row.kind)
    echo(one_line(row.reason, 200))


def list_verdicts(rows: Sequence[AnswerRow]) -> str:
    """Return 'ann, bob; 2 not enrolled, 1 inconclusive', each identity once."""
    named = Counter(one_line(row.identity, NAME) for row in rows if row.identity)
    identities = [name + (f" ×{count}" if count > 1 else "") for name, count in named.items()]
    kinds = Counter(row.kind for row in rows if not row.identity)
    parts = [", ".join(identities), ", ".join(f"{count} {kind}" for kind, count in kinds.items())]
    return "; ".join(filter(None, parts))


def show_regions(rows: Sequence[AnswerRow]) -> None:
    """Print a table with one row per region."""
    cells = [
        [
            row.number,
            sk.region_choosers.describe_region(row.region),
            one_line((row.reason and f"{row.verdict}: {row.reason}") or row.verdict, 60),
            None if row.probability is None else format_probability(row.probability),
            row.score,
        ]
        for row in rows
    ]
    print_columns(["#", "region", "answer", "probability", "score"], cells)


def print_columns(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table without the columns in which no row has a value."""
    filled = [i for i in range(len(head)) if any(row[i] is not None for row in rows)]
    table([head[i] for i in filled], [[row[i] for i in filled] for row in rows])


def show_matches(rows: Sequence[AnswerRow], count: int, label: str = "nearest") -> None:
    """Print a table of the nearest identities or the likeliest classes of each region."""
    folder = here()
    has_cosine = any(m.cosine is not None and m.cosine != m.score for r in rows for m in r.matches)
    cells = [
        [
            row.number if len(rows) > 1 else None,
            rank,
            one_line(match.identity, NAME),
            None if match.probability is None else format_probability(match.probability),
            match.score,
            match.cosine if has_cosine else None,
            one_line(match.source.removeprefix(folder), SOURCE) or None,
        ]
        for row in rows
        for rank, match in enumerate(row.matches[:count], 1)
    ]
    head = ["#", "rank", label, "probability", "score", "cosine", "enrolled from"]
    print_columns(head, cells)


def show_basis(rows: Sequence[AnswerRow]) -> None:
    """Print the data that the threshold was measured on, in full."""
    if threshold := next((row.threshold for row in rows if row.threshold), None):
        echo(f"threshold {threshold.value:.6g}, {threshold.source}")
