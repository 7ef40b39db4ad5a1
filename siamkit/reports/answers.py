"""Files about the answers to many probes: a table, a page, and annotated pictures.

What is done is written, if the caller stops. Pictures are made small as they are added, so that a
page about thousands needs little memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from siamkit.embed.pipeline import Pipeline
from siamkit.errors import BadInput, SiamkitError
from siamkit.flows.rerank import load_enrolled
from siamkit.io import table_write, wording
from siamkit.io.atomic import create_folder, replace_text, require_writable
from siamkit.io.picture_write import PICTURES, save_picture
from siamkit.io.sources import to_path
from siamkit.io.wording import Nouns
from siamkit.reports.answer_outputs import AnswerOutputs
from siamkit.reports.answer_rows import FAILED, KINDS, SCHEMA, AnswerRow, values_of, values_of_error
from siamkit.reports.cards import NAME, SHOWN, Card, cards_page
from siamkit.reports.html import escaped
from siamkit.reports.previews import exhibit, picture_tag
from siamkit.reports.regions import Colour, Mark, annotate, cut
from siamkit.store.live_index import LiveIndex
from siamkit.types import Decision, Image, Region, Threshold

TABLE = "answers"  # of a database
SCENE = 480  # px: the longer side of a picture on a card
CROP = 112  # px: that of a region beside an enrolled example
RATED = 8  # regions; a picture of more has no room for probabilities
OTHERS = 3  # matches beside the best one
# Colour-blind readers can tell these apart (Okabe & Ito 2008).
COLOURS: dict[Decision, Colour] = {
    Decision.SAME: (0, 158, 115),
    Decision.DIFFERENT: (213, 94, 0),
    Decision.INCONCLUSIVE: (240, 228, 66),
}


@dataclass(slots=True, eq=False)
class AnswerFiles:
    """Write files about answers, one source after another. title: of the page."""

    outputs: AnswerOutputs
    title: str
    nouns: Nouns
    live: LiveIndex
    pipeline: Pipeline
    sources: str  # the word for them, in the plural
    several: bool
    _values: list[list[Any]] = field(default_factory=list, init=False)
    _cards: list[Card] = field(default_factory=list, init=False)
    _kinds: Counter[str] = field(default_factory=Counter, init=False)
    _threshold: Threshold | None = field(default=None, init=False)
    count: int = field(default=0, init=False)
    _thumbnails: dict[int, str] = field(default_factory=dict, init=False)

    def begin(self) -> None:
        """Check that the files can be written, and create folders. Raises BadInput."""
        if self.outputs.output:
            table_write.check(self.outputs.output, SCHEMA, table=TABLE)
        if self.outputs.report:
            require_writable(self.outputs.report, (".html",))
        if self.outputs.annotated:
            if self.several:
                create_folder(self.outputs.annotated)
            else:
                require_writable(self.outputs.annotated, PICTURES)

    def add(
        self, source: Path | str, stem: str, rows: Sequence[AnswerRow], medium: Any | None
    ) -> None:
        """Add the answers about one source. medium: decoded; None if it is not needed."""
        self.count += 1
        self._kinds.update(row.kind for row in rows)
        self._threshold = next((row.threshold for row in rows if row.threshold), self._threshold)
        if self.outputs.output:
            self._values += map(values_of, rows)
        if self.outputs.annotated:
            self._annotate(rows, medium, stem)
        if self.outputs.report and len(self._cards) < SHOWN:
            self._cards.append(self._card(source, rows, medium))

    def add_error(self, source: str, error: SiamkitError) -> None:
        """Add a source that could not be used."""
        self.count += 1
        self._kinds[FAILED] += 1
        if self.outputs.output:
            self._values.append(values_of_error(source, error))
        if self.outputs.report and len(self._cards) < SHOWN:
            name = f"<h2>{escaped(source, NAME)}</h2>"
            html = f"{name}<p class=failed>{escaped(str(error), 400)}</p>"
            self._cards.append(Card((FAILED,), f"{source} {error}", html))

    def finish(self) -> None:
        """Write the table and the page."""
        if self.outputs.output:
            table_write.write(self.outputs.output, SCHEMA, self._values, table=TABLE)
        if self.outputs.report:
            replace_text(self.outputs.report, self.html())

    def html(self) -> str:
        """Return the page as text. User texts are escaped."""
        rows = [(self.sources, f"{self.count:,}")]
        kinds = (*KINDS.values(), FAILED)
        rows += [(kind, f"{self._kinds[kind]:,}") for kind in kinds if self._kinds[kind]]
        if self._threshold:
            rows.append(("same from", f"{self._threshold.value:.3f}"))
            if rate := wording.describe_rate(self._threshold, self.nouns):
                rows.append(("at this threshold", rate))
        return cards_page(self.title, rows, self._cards, self.count)

    def _annotate(self, rows: Sequence[AnswerRow], medium: Any, stem: str) -> None:
        path = self.outputs.picture_of(stem, several=self.several)
        assert path
        if self.several:
            path.parent.mkdir(parents=True, exist_ok=True)
        save_picture(draw_answers(medium, rows), path)

    def _card(self, source: Path | str, rows: Sequence[AnswerRow], medium: Any) -> Card:
        name = source if isinstance(source, str) else str(source)
        heading = exhibit(source)
        if isinstance(medium, Image):
            preview = picture_tag(draw_numbers(medium, rows), SCENE)
            heading = f"<h2>{escaped(to_path(name).name, NAME)}</h2>{preview}"
        answers = "".join(self._answer(row, len(rows), medium) for row in rows)
        text = " ".join([name, *(row.verdict for row in rows)])
        kinds = tuple(dict.fromkeys(row.kind for row in rows))
        return Card(kinds, text, f"{heading}<div class=rows>{answers}</div>")

    def _answer(self, row: AnswerRow, count: int, medium: Any) -> str:
        """Show a region beside the nearest enrolled example, and the verdict."""
        best = row.matches[0] if row.matches else None
        pictures = ""
        if isinstance(medium, Image) and row.region.where:
            pictures = picture_tag(cut(medium, replace(row.region, mask=None)), CROP)
        pictures += self._thumbnail(best.sample_id) if best else ""
        number = f"{row.number} " if count > 1 else ""
        css = row.kind.replace(" ", "-")
        lines = [f"<span class='verdict {css}'>{number}{escaped(row.verdict, NAME)}</span>"]
        if row.reason:
            lines.append(f"<small>{escaped(row.reason, 300)}</small>")
        if best:
            nearest = "" if row.identity else f"nearest: {best.identity}, "
            numbers = describe_numbers(row.probability, row.score)
            lines.append(f"<small>{escaped(nearest + numbers, 200)}</small>")
            if self.pipeline.modality.kind == "text" and best.source:
                lines.append(f"<small>{escaped(best.source, 300)}</small>")
        return f"<div class=answer>{pictures}<div>{'<br>'.join(lines)}{_others(row)}</div></div>"

    def _thumbnail(self, sample_id: int | None) -> str:
        """Return the tag of an enrolled example, embedded once; empty for media without a look."""
        if sample_id is None:
            return ""
        if sample_id not in self._thumbnails:
            medium, tag = load_enrolled(self.live.store, self.pipeline, sample_id), ""
            if isinstance(medium, Image):
                from PIL import Image as pil

                tag = picture_tag(pil.fromarray(medium.pixels), CROP)
            self._thumbnails[sample_id] = tag
        return self._thumbnails[sample_id]


def _others(row: AnswerRow) -> str:
    """List the next matches, to be opened."""
    if not (next_matches := row.matches[1 : 1 + OTHERS]):
        return ""
    items = "".join(
        f"<li>{escaped(m.identity, NAME)}: {escaped(describe_numbers(m.probability, m.score))}"
        for m in next_matches
    )
    return f"<details><summary>next matches</summary><ul>{items}</ul></details>"


def describe_numbers(probability: float | None, score: float | None) -> str:
    """Return 'probability 0.998, score 0.812', of what is known."""
    parts = []
    if probability is not None:
        parts.append(f"probability {wording.format_probability(probability)}")
    if score is not None:
        parts.append(f"score {score:.3f}")
    return ", ".join(parts)


def draw_numbers(image: Image, rows: Sequence[AnswerRow]) -> Any:
    """Draw the regions of answers onto a small copy of a picture; of several, their numbers."""
    import numpy as np
    from PIL import Image as pil

    height, width = image.pixels.shape[:2]
    share = min(1.0, SCENE / max(height, width))
    small = pil.fromarray(image.pixels)
    small.thumbnail((SCENE, SCENE))
    marks = []
    for row in rows:
        where = row.region.where and tuple(edge * share for edge in row.region.where)
        number = str(row.number) if len(rows) > 1 else ""
        marks.append(Mark(Region(where), number, COLOURS[row.decision]))
    return annotate(Image(np.asarray(small)), marks)


def draw_answers(medium: Any, rows: Sequence[AnswerRow]) -> Any:
    """Draw the answers onto a picture: boxes with numbers, verdicts and scores.

    Raises BadInput for other media.
    """
    if not isinstance(medium, Image):
        hint = "leave out `--save-annotated`; `siamkit timeline RECORDING -o FILE.png` draws sounds"
        raise BadInput("only pictures can be annotated", hint=hint)
    rated = len(rows) <= RATED
    return annotate(medium, [_mark(row, rated=rated) for row in rows])


def _mark(row: AnswerRow, *, rated: bool) -> Mark:
    """Return a region with its number in the table and its answer, in the table's words.

    rated: with the probability of a known identity, where there is room.
    """
    number = f"{row.number} "
    texts = [number + row.verdict]
    if row.decision == Decision.SAME and rated and row.probability is not None:
        texts.insert(0, f"{texts[0]} {wording.format_probability(row.probability)}")
    elif row.decision == Decision.INCONCLUSIVE:
        texts.append(number + row.kind)
    text, *shorter = texts
    return Mark(row.region, text, COLOURS[row.decision], (*shorter, str(row.number)))
