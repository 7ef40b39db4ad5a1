"""Draw the pictures of docs/layers.md: `python tools/layer_pictures.py` rewrites them.

The set is tiles of pictures of scikit-image that are free to use (CC0, or in the public domain):
the package's docstrings in skimage/data/_fetchers.py name their authors.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

import siamkit as sk
from siamkit.flows.layer_survey import Place
from siamkit.flows.layers import LayersExplanation
from siamkit.reports.layer_pictures import cut_out, heat
from siamkit.sdk.packaged import packaged_file

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
PHOTOGRAPHS = (
    *("astronaut.png", "brick.png", "camera.png", "chelsea.png", "clock_motion.png", "coffee.png"),
    *("coins.png", "grass.png", "gravel.png", "horse.png", "hubble_deep_field.jpg", "ihc.png"),
    *("moon.png", "retina.jpg", "rocket.jpg", "text.png"),
)
TILES = ((128, 128), (224, 112))  # px: the side of a tile, and the way to the next one
SIDE, GAP = 104, 6  # px of a picture in a sheet; between two
SHOWN = {  # file -> layer and its channels, in rows; picked by eye among those that stand out
    "layers-early.jpg": ("layer 4", (3, 58, 89, 37)),
    "layers-middle.jpg": ("layer 16", (113, 64, 129, 66)),
    "layers-late.jpg": ("layer 34", (287, 542)),
}
COLUMNS = {"layers-early.jpg": 6, "layers-middle.jpg": 5, "layers-late.jpg": 4}
THROUGH = "chelsea.png"  # the photograph that is shown through the layers


def find(name: str) -> Path:
    """Return a photograph of scikit-image."""
    return packaged_file("skimage", f"data/{name}", hint="pip install 'siamkit[demo]'")


def cut_tiles(name: str, folder: Path) -> list[Path]:
    """Cut a photograph into tiles of several sizes."""
    picture, files = Image.open(find(name)).convert("RGB"), []
    for side, step in TILES:
        for top in range(0, picture.height - side + 1, step):
            for left in range(0, picture.width - side + 1, step):
                files.append(folder / f"{Path(name).stem}-{side}-{top}-{left}.png")
                picture.crop((left, top, left + side, top + side)).save(files[-1])
    return files


def sheet(rows: Sequence[Sequence[np.ndarray]]) -> Image.Image:
    """Lay pictures out in rows, each enlarged or reduced to SIDE."""
    width = max(len(row) for row in rows) * (SIDE + GAP) - GAP
    page = Image.new("RGB", (width, len(rows) * (SIDE + GAP) - GAP), "white")
    for y, row in enumerate(rows):
        for x, pixels in enumerate(row):
            picture = Image.fromarray(pixels)
            kind = Image.Resampling.NEAREST if max(picture.size) < 64 else Image.Resampling.LANCZOS
            page.paste(picture.resize((SIDE, SIDE), kind), (x * (SIDE + GAP), y * (SIDE + GAP)))
    return page


def rows_of(
    ws: sk.Workspace, sets: Sequence[Sequence[Path]], choice: sk.LayerChoice, columns: int
) -> list[list[np.ndarray]]:
    """Return what channels see at their strongest places in several sets."""
    strongest: dict[int, list[Place]] = {channel: [] for channel in choice.channels}
    for samples in sets:
        (view,) = ws.layers("images", samples=samples, choice=choice).views
        for shown in view.channels:
            strongest[shown.channel] += shown.places
    for places in strongest.values():
        places.sort(key=lambda place: -place.value)
    return [[cut_out(place)[0] for place in places[:columns]] for places in strongest.values()]


def through(shown: LayersExplanation) -> Image.Image:
    """Lay the energy of each layer over one photograph."""
    assert shown.picture is not None
    maps = [heat(shown.picture, view.energy) for view in shown.views if view.energy is not None]
    return sheet([[shown.picture, *maps]])


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        tiles = [cut_tiles(name, folder) for name in PHOTOGRAPHS]
        with sk.Workspace(folder / "store") as ws:
            for name, (layer, channels) in SHOWN.items():
                # A photograph shows a late layer one thing, in many tiles: one of them is enough.
                # An early one finds its own in all of them, but in each place once.
                is_early, columns = name == "layers-early.jpg", COLUMNS[name]
                apart = [
                    tile for group in tiles for tile in group if f"-{TILES[0][0]}-" in tile.name
                ]
                sets = [apart] if is_early else tiles
                choice = sk.LayerChoice((layer,), channels, columns if is_early else 1)
                save(sheet(rows_of(ws, sets, choice, columns)), name)
            save(through(ws.layers("images", find(THROUGH))), "layers-through.jpg")


def save(picture: Image.Image, name: str) -> None:
    picture.save(PICTURES / name, quality=85, optimize=True)


if __name__ == "__main__":
    main()
