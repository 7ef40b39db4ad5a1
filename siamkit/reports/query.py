"""Draw the answers of a query onto the picture: boxes, labels, scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.errors import BadInput
from siamkit.io.atomic import replacing
from siamkit.io.printable import printable
from siamkit.types import Image

if TYPE_CHECKING:
    from siamkit.flows.query import Answer

# Colour-blind readers can tell these apart (Okabe & Ito 2008).
KNOWN, UNKNOWN = (0, 158, 115), (213, 94, 0)


def save_annotated(medium: object, answers: Sequence[Answer], path: Path) -> None:
    """Save the picture with one box per region, green where an identity was recognised.

    Raises BadInput for other media, and if the picture cannot be written.
    """
    from PIL import Image as pil
    from PIL import ImageDraw, ImageFont

    if not isinstance(medium, Image):
        hint = "leave out `--save-annotated`, or draw a `--timeline`"
        raise BadInput("only pictures can be annotated", hint=hint)
    picture = pil.fromarray(medium.pixels)
    width, height = picture.size
    line_width = max(2, round(max(width, height) / 400))
    font = ImageFont.load_default(size=max(12, round(max(width, height) / 50)))
    draw = ImageDraw.Draw(picture)
    for answer in answers:
        box = answer.region.where if answer.region.where else (0.0, 0.0, width, height)
        if len(box) != 4:
            raise BadInput("only boxes can be drawn, not spans of time")
        colour = KNOWN if answer.identity else UNKNOWN
        score = f" {answer.matches[0].score:.2f}" if answer.matches else ""
        text = printable(answer.identity or "unknown") + score
        draw.rectangle(box, outline=colour, width=line_width)
        left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
        x = min(max(0, box[0]), max(0, width - (right - left) - 8))
        y = box[1] - (bottom - top) - 8
        y = y if y >= 0 else min(box[3], height - (bottom - top) - 8)
        draw.rectangle((x, y, x + right - left + 8, y + bottom - top + 8), fill=colour)
        draw.text((x + 4 - left, y + 4 - top), text, fill="white", font=font)
    try:
        with replacing(path) as temporary:
            picture.save(temporary)
    except (OSError, ValueError) as error:
        hint = "name a .jpg or .png file"
        raise BadInput(f"{path} cannot be written: {error}", hint=hint) from error
