"""Draw the pictures that `styles` are fitted to and measured on.

    python style_pictures.py DATA MODELS PATTERNS FOLDER

DATA: the folder with objects/coco and extras/caltech101_subset. MODELS: the folder of the three
networks style_*.onnx. PATTERNS: a folder with GIMP's patterns (Debian's gimp-data and
gimp-data-extras, unpacked by `dpkg -x`). Every picture is SIDE x SIDE and lies under
FOLDER/PART/SET/STYLE/CONTENT.png. The parts `fit`, `dev` and `test` share no photograph and no
style. Sets:

    net26      photographs through the network of 26 styles: 8, 6 and 12 of them
    painted    photographs through the network that paints any style: of textures drawn here for
               `fit`, of GIMP's patterns for the other parts
    filters    photographs through filters without a network: style_filters.py for `fit`, effects
               of the program gmic, if it is installed, for the other parts
    textures   disjoint quarters of patterns, and of scikit-image's brick, grass and gravel
    drawn      textures drawn here: recipe, palette and scale are the style
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import cv2
import numpy as np
import onnxruntime
from style_filters import FILTERS
from style_textures import PARTS, SIDE, drawn, patterns, split_of, square, textures, tiled

Photographs: TypeAlias = Mapping[str, np.ndarray]  # by name, (SIDE, SIDE, 3) uint8 RGB
Pictures: TypeAlias = Iterator[tuple[str, str, np.ndarray]]  # style, content, pixels
CONTENTS = {"fit": 24, "dev": 20, "test": 24}  # photographs, each in every style of a set
NET26 = {"fit": range(0, 8), "dev": range(8, 14), "test": range(14, 26)}
PAINTED = {"fit": 60, "dev": 24, "test": 32}  # styles
PAINTED_CONTENTS = 12  # of `fit`
DRAWN = {"fit": 40, "dev": 24, "test": 40}
LAYOUTS = 4  # pictures of a drawn texture
EFFECTS = {  # commands of gmic
    "dev": ["poster_edges ,", "sketchbw ,", "sponge ,", "tetris ,", "weave ,", "whirls ,"],
    "test": [
        *("cartoon ,", "cubism ,", "draw_whirl ,", "drawing 200", "ellipsionism ,", "fire_edges ,"),
        *("halftone ,", "hardsketchbw 300", "hearts ,", "kuwahara 9", "linify ,", "mosaic ,"),
        *("old_photo", "pencilbw ,", "polygonize ,", "stained_glass ,"),
    ],
}


def read(path: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))


def photographs(data: Path, part: str) -> dict[str, np.ndarray]:
    """Return photographs of a part by name: COCO's, and for the test as many of Caltech-101's."""
    groups = [sorted((data / "objects/coco/images").glob("*.jpg"))]
    if part == "test":
        groups.append(sorted((data / "extras/caltech101_subset").rglob("*.jpg")))
    count = CONTENTS[part] // len(groups)
    chosen = []
    for group in groups:
        own = [path for path in group if split_of(path.stem) == part]
        order = np.random.default_rng(0).permutation(len(own))[:count]
        chosen += [own[at] for at in order]
    return {f"{path.parent.name}-{path.stem}": square(read(path)) for path in chosen}


def vary(pixels: np.ndarray, name: str) -> np.ndarray:
    """Return a picture as another camera, page or screen shows it: cut, scaled, lit, compressed.

    name: decides how, so that every run varies it alike.
    """
    rng = np.random.default_rng(list(hashlib.sha256(name.encode()).digest()[:8]))
    side = int(SIDE * rng.uniform(0.6, 1.0))
    top, left = rng.integers(0, SIDE - side + 1, 2)
    cut = square(pixels[top : top + side, left : left + side]).astype(np.float32)
    light, tint = np.exp(rng.normal(0, 0.15)), rng.normal(1, 0.06, 3)
    contrast = np.exp(rng.normal(0, 0.2))
    cut = np.clip((cut - 128) * contrast * tint + 128 * light, 0, 255).astype(np.uint8)
    quality = int(rng.integers(40, 95))
    packed = cv2.imencode(".jpg", cut[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(packed, cv2.IMREAD_COLOR)[:, :, ::-1]


def keep_colours(painted: np.ndarray, photograph: np.ndarray) -> np.ndarray:
    """Return the strokes of a painted photograph in the photograph's own colours."""
    colours = cv2.cvtColor(photograph, cv2.COLOR_RGB2YCrCb)
    colours[:, :, 0] = cv2.cvtColor(painted, cv2.COLOR_RGB2YCrCb)[:, :, 0]
    return cv2.cvtColor(colours, cv2.COLOR_YCrCb2RGB)


@lru_cache
def network(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options)


def code_of(models: Path, picture: np.ndarray) -> np.ndarray:
    """Return the (100,) numbers of the style predictor."""
    small = square(picture, 256).astype(np.float32)[None] / 255
    return network(models / "style_predict.onnx").run(None, {"style_image": small})[0].ravel()


def paint(models: Path, code: np.ndarray, photograph: np.ndarray) -> np.ndarray:
    transform = network(models / "style_transform.onnx")
    names = [port.name for port in transform.get_inputs()]
    picture = photograph.astype(np.float32)[None] / 255
    painted = transform.run(
        None, dict(zip(names, (picture, code.reshape(1, 1, 1, 100)), strict=True))
    )[0][0]
    return (np.clip(painted, 0, 1) * 255).round().astype(np.uint8)


def paint26(models: Path, style: int, photograph: np.ndarray) -> np.ndarray:
    inputs = {
        "image": photograph.astype(np.float32).transpose(2, 0, 1)[None] / 255,
        "style_weights": np.eye(26, dtype=np.float32)[style],
    }
    painted = network(models / "style_26.onnx").run(None, inputs)[0][0].transpose(1, 2, 0)
    return (np.clip(painted, 0, 1) * 255).round().astype(np.uint8)


def sets(
    part: str, data: Path, models: Path, pattern_folder: Path | None = None
) -> dict[str, Pictures]:
    """Return the sets of a part as iterators of (style, content, pixels)."""
    shown = photographs(data, part)
    first = 1000 * PARTS.index(part)
    drawn_sets = {
        "net26": _net26(part, shown, models),
        "drawn": _drawn(range(first, first + DRAWN[part])),
    }
    if part == "fit" or pattern_folder is None:
        textures_to_paint = {str(seed): drawn(seed, LAYOUTS) for seed in range(PAINTED["fit"])}
        fewer = dict(list(shown.items())[:PAINTED_CONTENTS])
        drawn_sets["painted"] = _painted(fewer, models, textures_to_paint)
        drawn_sets["filters"] = _filtered(shown)
        return drawn_sets
    named = {k: v for k, v in patterns(pattern_folder).items() if split_of(k) == part}
    order = sorted(named, key=lambda name: hashlib.md5(name.encode()).digest())
    chosen = {name: tiled(named[name]) for name in order[: PAINTED[part]]}
    drawn_sets["painted"] = _painted(shown, models, chosen)
    drawn_sets["textures"] = textures(part, pattern_folder)
    if shutil.which("gmic"):
        drawn_sets["filters"] = _gmic(shown, EFFECTS[part])
    return drawn_sets


def _net26(part: str, shown: Photographs, models: Path) -> Pictures:
    for content, photograph in shown.items():
        for style in NET26[part]:
            yield f"net{style}", content, paint26(models, style, photograph)


def _painted(shown: Photographs, models: Path, style_pictures: Photographs) -> Pictures:
    codes = {name: code_of(models, picture) for name, picture in style_pictures.items()}
    for content, photograph in shown.items():
        for style, code in codes.items():
            yield style, content, paint(models, code, photograph)


def _drawn(seeds: range) -> Pictures:
    for seed in seeds:
        for layout in range(LAYOUTS):
            yield str(seed), str(layout), drawn(seed, layout)


def _filtered(shown: Photographs) -> Pictures:
    for content, photograph in shown.items():
        for style, apply in FILTERS.items():
            yield style, content, apply(photograph)


def _gmic(shown: Photographs, effects: list[str]) -> Pictures:
    with TemporaryDirectory() as scratch:
        source, target = Path(scratch, "photograph.png"), Path(scratch, "filtered.png")
        for content, photograph in shown.items():
            write(source, photograph)
            for effect in effects:
                call = ["gmic", "-v", "-1", source, *effect.split()]
                call += ["to_rgb", "cut", "0,255", "output", target]
                subprocess.run(call, check=True, capture_output=True)
                yield effect.split()[0], content, square(read(target))


def draw(part: str, data: Path, models: Path, pattern_folder: Path, folder: Path) -> None:
    """Draw the sets of a part that are not there yet."""
    for name, pictures in sets(part, data, models, pattern_folder).items():
        target = folder / part / name
        if not (target / "done").exists():
            for style, content, pixels in pictures:
                write(target / style / f"{content}.png", pixels)
            (target / "done").touch()


if __name__ == "__main__":
    for each in PARTS[1:]:
        draw(each, *map(Path, sys.argv[1:5]))
