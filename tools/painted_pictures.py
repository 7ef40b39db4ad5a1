"""Paint pictures of docs/style.md by gradient descent: `python tools/painted_pictures.py`.

Six pairs by `--optimise` and one sheet by `--reconstruct`, with the shipped network and siamkit's
defaults. The photographs and the drawn styles are those of tools/style_pictures.py.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image
from style_pictures import FOLDER, QUALITY, ROOT, brush, mosaic, photograph, sheet

from siamkit import Workspace

SIZE, STEPS = 256, 200
ENCODER = "moments"  # the shipped network, whatever else was added
PAIRS = (  # none of those that layers and weights were chosen on
    ("chelsea", "brush"),
    ("coffee", "mosaic"),
    ("astronaut", "immunohistochemistry"),
    ("rocket", "hubble_deep_field"),
    ("astronaut", "gravel"),
    ("rocket", "coffee"),
)
DRAWN = {"brush": brush, "mosaic": mosaic}


def picture(name: str) -> Image.Image:
    return DRAWN[name]() if name in DRAWN else photograph(name)


def saved(folder: Path, name: str) -> Path:
    path = folder / f"{name}.png"
    if not path.exists():
        picture(name).save(path)
    return path


def pairs(ws: Workspace, folder: Path) -> None:
    """Paint six pairs, and print their distances from the style and their content losses."""
    columns = []
    for content, style in PAIRS:
        painting = ws.paint(
            saved(folder, content),
            saved(folder, style),
            folder / f"{content}-{style}.png",
            encoder=ENCODER,
            size=SIZE,
            steps=STEPS,
        )
        painted = painting.run()
        before, after = painted.distance_before, painted.style_distance
        print(f"{content}, {style}: {before:.2f} -> {after:.2f}, content {painted.content:.2f}")
        label = f"{before:.2f} to {after:.2f}"
        row = (content, picture(content)), (style, picture(style)), (label, painted.picture())
        columns.append(row)
    sheet([list(row) for row in zip(*columns, strict=True)], FOLDER / "style-optimised.jpg")


def layers(ws: Workspace, folder: Path) -> None:
    """Reconstruct a content and a style layer by layer."""
    content, style = saved(folder, "chelsea"), saved(folder, "coffee")
    shown = ws.reconstruct(
        content, folder / "layers", like=style, encoder=ENCODER, size=SIZE, steps=STEPS
    )
    path = FOLDER / "style-layers.jpg"
    shown.sheet.save(path, quality=QUALITY)
    print(f"{path.relative_to(ROOT)}: {shown.sheet.width} x {shown.sheet.height} px")


def main() -> None:
    chosen = sys.argv[1:] or ["pairs", "layers"]
    with tempfile.TemporaryDirectory() as temporary, Workspace(Path(temporary) / "store") as ws:
        for name in chosen:
            {"pairs": pairs, "layers": layers}[name](ws, Path(temporary))


if __name__ == "__main__":
    main()
