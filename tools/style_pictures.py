"""Paint the pictures of docs/style.md: `python tools/style_pictures.py`.

The photographs are those of scikit-image that are free to use (NASA's in the public domain, others
CC0). Two styles are drawn here, so that nobody owns them: strokes of a brush, and a mosaic.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from siamkit import Workspace

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "pictures"
CELL, SMALL_CELL, GAP, LABEL = 190, 160, 6, 20  # px
QUALITY = 75  # of brush strokes in a JPEG: half the bytes of 85, and no difference at this size


def brush(side: int = 512) -> Image.Image:
    """Draw curved strokes in blues and yellows."""
    rng = np.random.default_rng(3)
    picture = Image.new("RGB", (side, side), (24, 44, 104))
    draw = ImageDraw.Draw(picture)
    colours = [(30, 70, 150), (60, 120, 190), (150, 190, 215), (240, 205, 90), (18, 30, 70)]
    for _ in range(2600):
        x, y = rng.uniform(0, side, 2)
        turn = 2.2 * np.sin(x / 90) + 1.6 * np.cos(y / 70)
        steps = np.arange(rng.integers(8, 18))
        points = [
            (x + 3 * s * np.cos(turn + 0.06 * s), y + 3 * s * np.sin(turn + 0.06 * s))
            for s in steps
        ]
        colour = colours[rng.choice(5, p=[0.3, 0.28, 0.17, 0.12, 0.13])]
        draw.line(points, fill=colour, width=int(rng.integers(3, 7)), joint="curve")
    return picture.filter(ImageFilter.GaussianBlur(0.6))


def mosaic(side: int = 512) -> Image.Image:
    """Draw coloured stones with dark joints."""
    rng = np.random.default_rng(5)
    count = 700
    centres = rng.uniform(0, side, (count, 2))
    warm = np.array([(186, 62, 38), (226, 150, 58), (238, 214, 150), (44, 104, 112), (30, 46, 66)])
    y, x = np.mgrid[:side, :side]
    nearest = np.zeros((side, side), int)
    first, second = np.full((side, side), 1e9), np.full((side, side), 1e9)
    for number, (row, column) in enumerate(centres):
        far = np.hypot(y - row, x - column)
        is_first = far < first
        second = np.where(is_first, first, np.minimum(second, far))
        first, nearest = np.where(is_first, far, first), np.where(is_first, number, nearest)
    colours = warm[rng.integers(0, 5, count)] + rng.normal(0, 12, (count, 3))
    stones = colours[nearest] * (0.85 + 0.15 * np.clip((second - first) / 8, 0, 1))[:, :, None]
    stones[second - first < 2.2] = (26, 22, 24)
    return Image.fromarray(np.clip(stones, 0, 255).astype(np.uint8))


def photograph(name: str) -> Image.Image:
    return Image.fromarray(getattr(skimage.data, name)()).convert("RGB")


def sheet(rows: list[list[tuple[str, Image.Image]]], path: Path, cell: int = CELL) -> None:
    """Save a table of pictures, each with a line below it. cell: px, the side of a picture."""
    width = max(len(row) for row in rows) * (cell + GAP) + GAP
    page = Image.new("RGB", (width, len(rows) * (cell + LABEL + GAP) + GAP), "white")
    draw = ImageDraw.Draw(page)
    for number, row in enumerate(rows):
        for column, (label, picture) in enumerate(row):
            at = GAP + column * (cell + GAP), GAP + number * (cell + LABEL + GAP)
            page.paste(ImageOps.fit(picture, (cell, cell), Image.Resampling.LANCZOS), at)
            draw.text((at[0] + 2, at[1] + cell + 3), label, fill="black", font_size=13)
    page.save(path, quality=QUALITY, optimize=True, progressive=True)
    print(f"{path.relative_to(ROOT)}: {page.width} x {page.height} px")


def pairs(ws: Workspace) -> None:
    """Save six pairs: content, style, and the picture painted."""
    styles = {
        "brush": brush(),
        "mosaic": mosaic(),
        "tissue": photograph("immunohistochemistry"),
        "stars": photograph("hubble_deep_field"),
    }
    chosen = [
        ("astronaut", "brush"),
        ("chelsea", "mosaic"),
        ("coffee", "tissue"),
        ("rocket", "brush"),
        ("astronaut", "mosaic"),
        ("chelsea", "stars"),
    ]
    cells = []
    for content, style in chosen:
        photo = photograph(content)
        painted = ws.stylise(photo, styles[style]).picture()
        cells.append([(content, photo), (f"--like {style}", styles[style]), ("painted", painted)])
    rows = [left + right for left, right in zip(cells[::2], cells[1::2], strict=True)]
    sheet(rows, FOLDER / "style.jpg")


def options(ws: Workspace) -> None:
    """Save what the options do to one pair."""
    photo, style, other = photograph("astronaut"), brush(), mosaic()
    cells = [("--strength 0", {"strength": 0.0}), ("--strength 0.5", {"strength": 0.5})]
    cells += [("--strength 1", {}), ("--preserve-colour", {"preserve_colour": True})]
    row = [(label, ws.stylise(photo, style, **values).picture()) for label, values in cells]
    blends = [(0.7, 0.3), (0.3, 0.7)]
    row += [
        (f"brush={a:g}, mosaic={b:g}", ws.stylise(photo, [(style, a), (other, b)]).picture())
        for a, b in blends
    ]
    sheet([row], FOLDER / "style-options.jpg")


def named(ws: Workspace) -> None:
    """Save the 26 named styles on one photograph."""
    photo = photograph("chelsea")
    cells = [("chelsea", photo)]
    cells += [(name, ws.stylise(photo, name).picture()) for name in ws.named_styles()]
    rows = [cells[start : start + 9] for start in range(0, 27, 9)]
    sheet(rows, FOLDER / "style-named.jpg", SMALL_CELL)


SHEETS = {"pairs": pairs, "options": options, "named": named}


def main() -> None:
    names = sys.argv[1:] or list(SHEETS)
    with Workspace() as ws:
        for name in names:
            SHEETS[name](ws)


if __name__ == "__main__":
    main()
