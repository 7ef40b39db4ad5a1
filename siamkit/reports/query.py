"""Draw the answers of a query onto the picture: boxes, and labels in the words of the table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.errors import BadInput
from siamkit.io.wording import INCONCLUSIVE, OTHERS, describe_identity
from siamkit.reports.regions import Mark, annotate, save_picture
from siamkit.types import Decision, Image

if TYPE_CHECKING:
    from siamkit.flows.query import Answer

RATED = 8  # regions; a picture of more has no room for probabilities
# Colour-blind readers can tell these apart (Okabe & Ito 2008).
COLOURS = {
    Decision.SAME: (0, 158, 115),
    Decision.INCONCLUSIVE: (240, 228, 66),
    Decision.DIFFERENT: (213, 94, 0),
}


def save_annotated(medium: object, answers: Sequence[Answer], path: Path) -> None:
    """Save the picture with one box per region, green where an identity was found.

    Labels are those of the table: its numbers, its words, its probabilities.
    Raises BadInput for other media, and if the picture cannot be written.
    """
    if not isinstance(medium, Image):
        hint = "leave out `--save-annotated`; `siamkit timeline RECORDING -o FILE.png` draws sounds"
        raise BadInput("only pictures can be annotated", hint=hint)
    rated = len(answers) <= RATED
    marks = [_mark(answer, number, rated=rated) for number, answer in enumerate(answers, 1)]
    save_picture(annotate(medium, marks), path)


def _mark(answer: Answer, number: int, *, rated: bool) -> Mark:
    """Return a region with its number in the table and its answer, in the table's words.

    rated: with the probability of a known identity, where there is room.
    """
    best = answer.matches[0] if answer.matches else None
    decision, identity = answer.decision, best.identity if best else ""
    texts = [describe_identity(decision, identity, OTHERS)]
    if decision == Decision.SAME and best and rated and best.probability is not None:
        texts.insert(0, describe_identity(decision, identity, OTHERS, best.probability))
    elif decision == Decision.INCONCLUSIVE:
        texts.append(INCONCLUSIVE)
    text, *shorter = [f"{number} {text}" for text in texts]
    return Mark(answer.region, text, COLOURS[decision], (*shorter, str(number)))
