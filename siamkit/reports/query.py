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
    save_picture(annotate(medium, [_mark(answer) for answer in answers]), path)


def _mark(answer: Answer) -> Mark:
    score = f" {answer.matches[0].score:.2f}" if answer.matches else ""
    colour = KNOWN if answer.identity else UNKNOWN
    return Mark(answer.region, (answer.identity or "unknown") + score, colour)
