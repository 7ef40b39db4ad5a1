"""Draw reconstructions on one sheet, as figure 1 of Gatys, Ecker and Bethge (2015) does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.types import Image

if TYPE_CHECKING:
    from PIL import Image as PILImage

    from siamkit.train.pictures.reconstructions import Reconstruction

GAP, LINE, TEXT = 8, 18, 14  # px
CELL = 240  # px: the longer side of a picture
LONGEST = 30  # characters of a label


def draw_sheet(
    content: tuple[str, Image], style: tuple[str, Image], done: Sequence[Reconstruction]
) -> PILImage.Image:
    """Return a row of styles above one of contents, each behind the picture it is of."""
    from PIL import Image as pil
    from PIL import ImageDraw

    rows = []
    for kind, (name, image) in (("style", style), ("content", content)):
        row = [(_fit(image), f"{kind}: {Path(name).name}", "as it is")]
        for item in done:
            if item.kind == kind:
                label = "up to " * (len(item.layers) > 1) + item.layers[-1]
                row.append((_fit(item.image), label, f"loss {item.loss:.3g}"))
        rows.append(row)
    width = max(picture.width for row in rows for picture, *_ in row)
    heights = [max(picture.height for picture, *_ in row) + 2 * LINE for row in rows]
    columns = max(map(len, rows))
    size = GAP + columns * (width + GAP), GAP + sum(heights) + GAP * len(rows)
    sheet = pil.new("RGB", size, "white")
    draw, top = ImageDraw.Draw(sheet), GAP
    for row, height in zip(rows, heights, strict=True):
        for column, (picture, *labels) in enumerate(row):
            left = GAP + column * (width + GAP)
            sheet.paste(picture, (left, top))
            for number, label in enumerate(labels):
                place = left, top + picture.height + 2 + number * LINE
                draw.text(place, label[:LONGEST], fill="black", font_size=TEXT)
        top += height + GAP
    return sheet


def _fit(image: Image) -> PILImage.Image:
    from PIL import Image as pil

    picture = pil.fromarray(image.pixels)
    times = CELL / max(picture.size)
    size = max(1, round(picture.width * times)), max(1, round(picture.height * times))
    return picture.resize(size, pil.Resampling.LANCZOS)
