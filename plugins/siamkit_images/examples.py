"""Example pictures, drawn by a program: two things, two pictures each."""

from __future__ import annotations

from siamkit.sdk.media import encode_png

SIZE = 240  # px


def examples() -> list[tuple[str, bytes]]:
    """Return (name, PNG file); the pictures only show that the parts work together."""
    return [
        ("striped ball", _ball(60, 50)),
        ("striped ball", _ball(80, 70)),
        ("ladder", _ladder(40)),
        ("ladder", _ladder(90)),
    ]


def _ball(left: int, top: int) -> bytes:
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (SIZE, SIZE), (235, 240, 225))
    draw = ImageDraw.Draw(picture)
    for ring, colour in enumerate(["darkred", "white", "navy", "gold"]):
        inset = 16 * ring
        box = (left + inset, top + inset, left + 130 - inset, top + 130 - inset)
        draw.ellipse(box, fill=colour)
    return encode_png(picture)


def _ladder(left: int) -> bytes:
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (SIZE, SIZE), (200, 215, 240))
    draw = ImageDraw.Draw(picture)
    for edge in (left, left + 70):
        draw.line((edge, 15, edge + 10, 225), fill="saddlebrown", width=9)
    for height in range(35, 220, 30):
        draw.line((left, height, left + 80, height), fill="peru", width=7)
    return encode_png(picture)
