"""Measure the search by style: mean average precision and rank 1, on held-out styles and contents.

    python benchmarks/style_retrieval.py DATA MODELS PATTERNS FOLDER [--part dev] [--limits]

DATA, MODELS, PATTERNS and FOLDER: as style_pictures.py takes them; pictures are drawn once. Each
picture is searched in the others of its set; those of its style are right. Pictures are varied as
other cameras show them, unless --plain; `own colours` are painted photographs with the strokes of
their style and the colours of the photograph.

Compared are the encoder of styles and the whole-picture features of its backbone; in the part
`dev`, also what it was chosen from. `style first` is how often a picture of the same style and
another content scores higher than one of the same content in another style; `best` the same for
the best of each. Painted pictures are made by the network whose other half is the style predictor:
they favour it, and they and those of the 26 styles were made by networks that were trained to match
Gram matrices, which favour those.

--limits: instead, how often a painted picture matches a detail of itself, and a photograph another.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from style_pictures import code_of, draw, keep_colours, photographs, read, vary

from siamkit.embed.pipeline import open_pipeline
from siamkit.sdk.graph_writer import TYPES, GraphWriter, Port
from siamkit.sdk.inverted_residuals import LITE0, NetworkWriter
from siamkit.sdk.onnx import session
from siamkit.sdk.picture_recipe import prepare, read_recipe
from siamkit.types import Image
from siamkit_style.networks import LAYERS, STAGES
from siamkit_style.statistics import PREPROCESSING, SIDE, append_gram, append_moments

PHOTOGRAPHS = ("net26", "painted", "filters")  # sets where a content has several styles
TITLES = {
    "net26": "26 styles",
    "painted": "painted",
    "filters": "filters",
    "net26 in own colours": "26 styles, own colours",
    "painted in own colours": "painted, own colours",
    "textures": "textures",
    "drawn": "drawn textures",
}
BATCH = 16
Embed = Callable[[list[np.ndarray]], np.ndarray]  # pictures to (n, dim)


class Vectors(NamedTuple):
    """A set: (n, dim) unit rows, and the style and the content of each."""

    rows: np.ndarray
    styles: np.ndarray
    contents: np.ndarray


class Measures(NamedTuple):
    map: float
    rank1: float
    style_first: float  # NaN if no content has several styles
    best: float


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def encoder(modality: str, name: str | None) -> tuple[str, Embed]:
    """Return an encoder's fingerprint, and its vectors."""
    opened = open_pipeline(modality, encoder=name, detector=None).encoder
    key = opened.fingerprint.replace("/", "-").replace(":", "-")
    return key, lambda pictures: opened.embed([Image(pixels) for pixels in pictures])


def statistics(append: Callable[[GraphWriter, str, int], str]) -> Embed:
    """Return a statistic of the encoder's own layers, as it is: not whitened."""
    graph = GraphWriter()
    planes = graph.node("Transpose", "pixels", perm=(0, 3, 1, 2))
    planes = graph.node("Cast", planes, to=TYPES["float32"])
    blocks = NetworkWriter(graph, LITE0).blocks(planes, stages=STAGES)
    rows = [append(graph, blocks[layer], width) for layer, width in LAYERS.items()]
    graph.node("Concat", *rows, output="rows", axis=1)
    pixels = Port("pixels", "uint8", ("n", SIDE, SIDE, 3))
    opened = session(graph.model("rows", [pixels], [Port("rows", "float32", None)]))
    recipe = read_recipe(PREPROCESSING)
    return lambda pictures: opened.run(
        None, {"pixels": np.stack([prepare(pixels, recipe) for pixels in pictures])}
    )[0]


def predictor(models: Path) -> Embed:
    """Return the 100 numbers of each picture that the painting network takes."""
    return lambda pictures: np.stack([code_of(models, pixels) for pixels in pictures])


def embed_sets(
    columns: Mapping[str, tuple[str, Embed]],
    folder: Path,
    part: str,
    shown: Mapping[str, np.ndarray],
    *,
    plain: bool = False,
) -> dict[str, dict[str, Vectors]]:
    """Return each column's vectors of each set, with the names of their styles and contents.

    columns: by name, a key of the file that keeps the vectors, and how to embed.
    """
    mode = "plain" if plain else "varied"
    files = {name: folder / "vectors" / f"{part}-{mode}-{columns[name][0]}.npz" for name in columns}
    absent = {name: columns[name][1] for name, path in files.items() if not path.exists()}
    arrays: dict[str, dict[str, np.ndarray]] = {name: {} for name in absent}
    for title in TITLES if absent else ():
        base, _, own = title.partition(" in own ")
        pictures = sorted((folder / part / base).rglob("*.png"))
        rows: dict[str, list[np.ndarray]] = {name: [] for name in absent}
        for start in range(0, len(pictures), BATCH):
            batch = []
            for path in pictures[start : start + BATCH]:
                picture = keep_colours(read(path), shown[path.stem]) if own else read(path)
                batch.append(picture if plain else vary(picture, "/".join(path.parts[-4:])))
            for name, embed in absent.items():
                rows[name].append(embed(batch))
        for name in absent if pictures else ():
            arrays[name] |= {
                f"{title}|rows": unit(np.concatenate(rows[name])),
                f"{title}|styles": np.array([f"{base}/{path.parent.name}" for path in pictures]),
                f"{title}|contents": np.array([path.stem for path in pictures]),
            }
    for name, own_arrays in arrays.items():
        files[name].parent.mkdir(exist_ok=True)
        np.savez(files[name], **own_arrays)
    return {name: load_sets(path) for name, path in files.items()}


def load_sets(path: Path) -> dict[str, Vectors]:
    stored = np.load(path)
    titles = [title for title in TITLES if f"{title}|rows" in stored]
    return {t: Vectors(*(stored[f"{t}|{field}"] for field in Vectors._fields)) for t in titles}


def pool(embedded: Mapping[str, Vectors]) -> Vectors:
    """Return all stylised photographs as one set."""
    parts = [embedded[name] for name in PHOTOGRAPHS if name in embedded]
    return Vectors(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def measure(vectors: Vectors, *, has_contents: bool) -> Measures:
    scores = vectors.rows @ vectors.rows.T
    np.fill_diagonal(scores, -np.inf)
    is_style = vectors.styles[:, None] == vectors.styles
    is_content = (vectors.contents[:, None] == vectors.contents) & ~is_style & has_contents
    np.fill_diagonal(is_style, False)
    order = np.argsort(-scores, axis=1)[:, :-1]
    is_right = np.take_along_axis(is_style, order, axis=1)
    precision = np.cumsum(is_right, axis=1) / np.arange(1, len(scores))
    average = (precision * is_right).sum(axis=1) / is_right.sum(axis=1)
    pairs, bests = [], []
    for row, style, content in zip(scores, is_style, is_content, strict=True):
        if content.any():
            pairs.append((row[style][:, None] > row[content]).mean())
            bests.append(row[style].max() > row[content].max())
    first, best = (np.mean(pairs), np.mean(bests)) if pairs else (np.nan, np.nan)
    return Measures(average.mean(), is_right[:, 0].mean(), first, best)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("data", "models", "patterns", "folder"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--part", choices=("dev", "test"), default="test")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--limits", action="store_true")
    options = parser.parse_args()
    draw(options.part, options.data, options.models, options.patterns, options.folder)
    if options.limits:
        print_limits(options.data, options.folder / options.part)
        return
    shown = photographs(options.data, options.part)
    columns = {"images": encoder("images", "efficientnet-lite0")}
    if options.part == "dev":
        moments = statistics(lambda graph, layer, _: append_moments(graph, layer))
        columns |= {
            "predictor": ("predictor", predictor(options.models)),
            "Gram": ("gram", statistics(append_gram)),
            "moments": ("moments", moments),
        }
    columns["styles"] = encoder("styles", None)
    tables = {}
    embedded = embed_sets(columns, options.folder, options.part, shown, plain=options.plain)
    for column, own in embedded.items():
        own["all photographs"] = pool(own)
        tables[column] = {
            name: measure(vectors, has_contents=name not in ("textures", "drawn"))
            for name, vectors in own.items()
        }
    print_tables(tables)


def print_limits(data: Path, folder: Path) -> None:
    opened = open_pipeline("styles", encoder=None, detector=None)
    assert opened.threshold is not None
    limit, embed = opened.threshold.value, encoder("styles", None)[1]
    whole = [read(path) for path in sorted((folder / "painted").rglob("*.png"))[::8]]
    vectors = embed(whole)
    for across, down in ((0.75, 0.75), (0.5, 0.5), (1 / 3, 1 / 3), (1, 0.5), (1, 1 / 3)):
        details = [centre(pixels, across, down) for pixels in whole]
        shares = ((vectors * embed(details)).sum(axis=1) >= limit).mean()
        print(f"{len(whole)} details, {across:.2f} x {down:.2f} of a painted picture: {shares:.3f}")
    photos = [read(path) for path in sorted((data / "objects/coco/images").glob("*.jpg"))[:120]]
    rows = embed(photos)
    scores = (rows @ rows.T)[np.triu_indices(len(rows), 1)]
    print(f"{len(scores):,} pairs of photographs of COCO: {(scores >= limit).mean():.3f}")


def centre(pixels: np.ndarray, across: float, down: float) -> np.ndarray:
    height, width = (
        int(share * side) for share, side in zip((down, across), pixels.shape[:2], strict=True)
    )
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return np.ascontiguousarray(pixels[top : top + height, left : left + width])


def print_tables(tables: Mapping[str, Mapping[str, Measures]]) -> None:
    header = " | ".join(tables)
    for title, field in (
        ("mAP", "map"),
        ("rank 1", "rank1"),
        ("style first", "style_first"),
        ("best", "best"),
    ):
        print(f"\n| {title} | {header} | styles / images |\n|{'---|' * (len(tables) + 2)}")
        for name in tables["styles"]:
            values = [getattr(table[name], field) for table in tables.values()]
            if not np.isnan(values[0]):
                cells = " | ".join(f"{value:.3f}" for value in values)
                print(f"| {TITLES.get(name, name)} | {cells} | {values[-1] / values[0]:.2f} |")


if __name__ == "__main__":
    main()
