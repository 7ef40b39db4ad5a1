"""Files about many verified pairs: a table, and a page with both samples side by side."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from siamkit.embed.pipeline import Pipeline
from siamkit.errors import SiamkitError
from siamkit.flows.verification import ComparedSide, Verification
from siamkit.flows.verify_many import VerifiedPair
from siamkit.io import table_write, wording
from siamkit.io.atomic import replace_text, require_writable
from siamkit.io.pair_table import ListedPair
from siamkit.io.wording import Nouns
from siamkit.reports.answer_rows import FAILED, PAIR_SCHEMA, values_of_pair
from siamkit.reports.answers import COLOURS, describe_numbers
from siamkit.reports.cards import NAME, SHOWN, Card, cards_page
from siamkit.reports.html import escaped
from siamkit.reports.previews import exhibit, picture_tag
from siamkit.reports.regions import Mark, annotate
from siamkit.types import Image, Threshold

TABLE = "pairs"  # of a database
SIDE = 240  # px: the longer side of a picture on a card
WRONG = "wrong"


@dataclass(slots=True, eq=False)
class PairFiles:
    """Write files about pairs, one after another; what is done is written, if the caller stops."""

    output: Path | None
    report: Path | None
    nouns: Nouns
    pipeline: Pipeline
    _values: list[list[Any]] = field(default_factory=list, init=False)
    _cards: list[Card] = field(default_factory=list, init=False)
    _kinds: Counter[str] = field(default_factory=Counter, init=False)
    _threshold: Threshold | None = field(default=None, init=False)
    count: int = field(default=0, init=False)

    def begin(self) -> None:
        """Check that the files can be written. Raises BadInput."""
        if self.output:
            table_write.check(self.output, PAIR_SCHEMA, table=TABLE)
        if self.report:
            require_writable(self.report, (".html",))

    def add(self, pair: ListedPair, verified: VerifiedPair, correct: bool | None) -> None:
        """Add the outcome of one pair. correct: None where nothing tells."""
        self.count += 1
        if self.output:
            self._values.append(values_of_pair(verified, pair.label or None, correct))
        kind = FAILED
        if verified.verification is not None:
            verdict = verified.verification.verdict
            self._threshold = self._threshold or verdict.threshold
            kind = wording.describe_pair(verdict.decision, self.nouns)
        self._kinds[kind] += 1
        if self.report and len(self._cards) < SHOWN:
            self._cards.append(self._card(pair, verified, kind, is_wrong=correct is False))

    def finish(self) -> list[Path]:
        """Write the table and the page; return what was written."""
        if self.output:
            table_write.write(self.output, PAIR_SCHEMA, self._values, table=TABLE)
        if self.report:
            replace_text(self.report, self.html())
        return [path for path in (self.output, self.report) if path]

    def html(self) -> str:
        """Return the page as text. User texts are escaped."""
        rows = [("pairs", f"{self.count:,}")]
        rows += [(kind, f"{count:,}") for kind, count in self._kinds.items()]
        if self._threshold:
            rows.append(("same from", f"{self._threshold.value:.3f}"))
            if rate := wording.describe_rate(self._threshold, self.nouns):
                rows.append(("at this threshold", rate))
        title = f"Pairs: the same {self.nouns.singular}?"
        return cards_page(title, rows, self._cards, self.count)

    def _card(self, pair: ListedPair, verified: VerifiedPair, kind: str, *, is_wrong: bool) -> Card:
        kinds = (kind, WRONG) if is_wrong else (kind,)
        text = f"{verified.a} {verified.b} {pair.label} {kind}"
        if verified.verification is None:
            name = escaped(f"{verified.a} and {verified.b}", 2 * NAME)
            reason = escaped(str(verified.error), 400)
            return Card(kinds, text, f"<h2>{name}</h2><p class=failed>{reason}</p>")
        sides = verified.verification.left, verified.verification.right
        previews = "".join(
            self._side(source, side, verified.verification)
            for source, side in zip((pair.a, pair.b), sides, strict=True)
        )
        verdict = verified.verification.verdict
        numbers = describe_numbers(verdict.probability, verified.verification.deciding_score)
        css = str(verdict.decision)
        lines = [f"<span class='verdict {css}'>{escaped(kind)}</span>"]
        if is_wrong:
            lines.append(f"<span class=wrong>labelled {escaped(pair.label, NAME)}</span>")
        elif pair.label:
            lines.append(f"<small>labelled {escaped(pair.label, NAME)}</small>")
        if verdict.objection:
            lines.append(f"<small>{escaped(verdict.objection.reason, 300)}</small>")
        lines.append(f"<small>{escaped(numbers)}</small>")
        return Card(kinds, text, f"<div class=two>{previews}</div><p>{'<br>'.join(lines)}</p>")

    def _side(self, source: Path | str, side: ComparedSide, verification: Verification) -> str:
        """Show one sample, a picture with the region that counted."""
        if side.region is None:  # an enrolled identity
            enrolled = f"<br><small>{side.samples:,} enrolled</small>"
            return f"<p>{escaped(side.source, NAME)}{enrolled}</p>"
        if self.pipeline.modality.kind == "image" and isinstance(source, Path):
            try:
                medium = self.pipeline.load(self.pipeline.read(source))
            except SiamkitError:  # gone by now
                return exhibit(source)
            if isinstance(medium, Image):
                decision = verification.verdict.decision
                marks = [Mark(side.region, "", COLOURS[decision])] if side.region.where else []
                tag = picture_tag(annotate(medium, marks), SIDE)
                return f"<figure>{tag}<small>{escaped(source.name, NAME)}</small></figure>"
        return exhibit(source)
