"""Measure what to do with the background of a cut-out product.

    python benchmarks/backgrounds.py DATA [--detector salient] [--encoder fused]

DATA: the folder `objects` with grocery/. The shop picture of each product is compared with each
phone photo; printed are the shares whose best, or best five, have the product. Pictures are taken
whole, cut to the box of the best region, or cut with the background outside its mask set to the
mean colour of the crop, or blurred. A shop picture has little background, so it is also taken
whole against cut-out photos.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import cv2
import numpy as np

from siamkit import Workspace
from siamkit.io import sources
from siamkit.types import Image, Region


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def variants(picture: Image, region: Region) -> dict[str, Image]:
    """Return the crops of a picture by what is done with the background."""
    if region.where is None or region.mask is None:
        return dict.fromkeys(("whole", "box", "mean colour", "blurred"), picture)
    left, top, right, bottom = (round(edge) for edge in region.where)
    crop = picture.pixels[top:bottom, left:right]
    mask = region.mask[:, :, None]
    mean = np.broadcast_to(crop.mean(axis=(0, 1)).astype(np.uint8), crop.shape)
    blurred = cv2.GaussianBlur(crop, (0, 0), max(crop.shape[:2]) / 16)
    pixels = {"box": crop, "mean colour": np.where(mask, crop, mean)}
    pixels["blurred"] = np.where(mask, crop, blurred)
    return {"whole": picture, **{name: Image(array) for name, array in pixels.items()}}


def embed(pipeline, paths: list[Path]) -> dict[str, np.ndarray]:
    """Return (n, dim) vectors of every variant."""
    vectors: dict[str, list[np.ndarray]] = {}
    for path in paths:
        content = sources.read(path)
        picture = pipeline.load(content)
        regions = pipeline.find_regions(picture, content) or [Region()]
        crops = variants(picture, regions[0])
        rows, _ = pipeline.embed(list(crops.values()))
        for name, row in zip(crops, rows, strict=True):
            vectors.setdefault(name, []).append(row)
    return {name: np.stack(rows) for name, rows in vectors.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--detector", default="salient")
    parser.add_argument("--encoder", default="fused")
    options = parser.parse_args()
    folder = options.data / "grocery"
    products, trials = read(folder / "products.csv"), read(folder / "trials.csv")
    pipeline = Workspace().pipeline("images", encoder=options.encoder, detector=options.detector)
    enrolled = embed(pipeline, [folder / row["iconic"] for row in products])
    probes = embed(pipeline, [folder / row["photo"] for row in trials])
    names = [row["product"] for row in products]
    truth = np.array([names.index(row["product"]) for row in trials])
    print("| shop picture | photo | top-1 | top-5 |\n|---|---|---|---|")
    for gallery in ("whole", "same"):
        for probe, vectors in probes.items():
            if gallery == "whole" or probe != "whole":
                rows = enrolled[probe if gallery == "same" else "whole"]
                scores = vectors @ rows.T
                own = scores[np.arange(len(truth)), truth][:, None]
                ranks = (scores > own).sum(axis=1)
                print(
                    f"| {gallery} | {probe} | {(ranks < 1).mean():.3f} | {(ranks < 5).mean():.3f} |"
                )


if __name__ == "__main__":
    main()
