"""Example pictures, drawn by a program: two styles, two pictures each."""

from __future__ import annotations

import random

from siamkit.sdk.media import encode_png

SIDE = 240  # px


def examples() -> list[tuple[str, bytes]]:
    """Return (name, PNG file); the pictures only show that the parts work together."""
    return [
        ("dots", _dots(1)),
        ("dots", _dots(2)),
        ("hatching", _hatching(3)),
        ("hatching", _hatching(4)),
    ]


def _dots(seed: int) -> bytes:
    from PIL import Image, ImageDraw

    place = random.Random(seed)
    picture = Image.new("RGB", (SIDE, SIDE), (250, 238, 200))
    draw = ImageDraw.Draw(picture)
    for _ in range(700):
        x, y = place.randrange(SIDE), place.randrange(SIDE)
        colour = place.choice(("tomato", "royalblue", "gold", "seagreen"))
        draw.ellipse((x - 6, y - 6, x + 6, y + 6), fill=colour)
    return encode_png(picture)


def _hatching(seed: int) -> bytes:
    from PIL import Image, ImageDraw

    place = random.Random(seed)
    picture = Image.new("RGB", (SIDE, SIDE), "white")
    draw = ImageDraw.Draw(picture)
    for _ in range(600):
        x, y, slope = place.randrange(SIDE), place.randrange(SIDE), place.choice((-1, 1))
        draw.line((x, y, x + 30, y + 30 * slope), fill="black", width=1)
    return encode_png(picture)
