"""Draw the answers of a query onto the picture: boxes, labels, scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.errors import BadInput
from siamkit.reports.regions import Mark, annotate, save_picture
from siamkit.types import Image

if TYPE_CHECKING:
    from siamkit.flows.query import Answer

# Colour-blind readers can tell these apart (Okabe & Ito 2008).
KNOWN, UNKNOWN = (0, 158, 115), (213, 94, 0)


def save_annotated(medium: object, answers: Sequence[Answer], path: Path) -> None:
    """Save the picture with one box per region, green where an identity was recognised.

    Raises BadInput for other media, and if the picture cannot be written.
    """
    if not isinstance(medium, Image):
        hint = "leave out `--save-annotated`; `siamkit timeline RECORDING -o FILE.png` draws sounds"
        raise BadInput("only pictures can be annotated", hint=hint)
    marks = [_mark(answer, number) for number, answer in enumerate(answers, 1)]
    save_picture(annotate(medium, marks), path)


def _mark(answer: Answer, number: int) -> Mark:
    """Return a region with its number in the table and its answer."""
    score = f" {answer.matches[0].score:.3f}" if answer.matches else ""
    colour = KNOWN if answer.identity else UNKNOWN
    text = f"{number} {answer.identity or 'unknown'}{score}"
    return Mark(answer.region, text, colour, str(number))
