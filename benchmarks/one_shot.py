"""Measure search from one example: logos in photographs, by each detector, and products.

    python benchmarks/one_shot.py DATA [DETECTOR …] [--encoder detail] [--draws 5]
    python benchmarks/one_shot.py DATA --products [--encoder fused]

DATA: the folder `objects` with logos/ and grocery/. One exemplar per brand is enrolled by its box,
for each of the draws, and every query is searched. Printed, mean and standard deviation over draws:

    top-1      share of the pictures with a logo whose best place names the right brand
    right box  the same, and the box has an intersection over union of 0.5 with a true one
    AP50       of each brand, averaged, over all queries, those without a logo too
    regions    embedded per picture before boxes are moved

DETECTOR: `none` for whole pictures, a name, or `objects:0.01` for another lowest score. The default
is a table of all. Pictures are embedded once for all draws; on two cores a detector takes minutes.

--products: the shop picture of each product is enrolled, and each phone photo is a query; printed
are the shares whose best, or best five, have the product.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from siamkit import BadInput, Workspace
from siamkit.embed.batches import Job
from siamkit.embed.pipeline import Pipeline, load_detector
from siamkit.flows.find_places import Places, open_search
from siamkit.sdk import boxes
from siamkit.types import Region

DETECTORS = ("none", "sliding-window", "objects", "objects:0.01", "salient", "proposals")
HIT = 0.5  # intersection over union of a right box
MOST = 100  # places of a picture, as in COCO's evaluation


class Found:
    """What is scored of the places of a picture; the places themselves hold every crop."""

    def __init__(self, places: Places) -> None:
        self.identities = [match.identity for match in places.matches[:MOST]]
        self.boxes = [places.box(place) for place in range(len(self.identities))]
        self.scores = places.scores.tolist()


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def enrol(ws: Workspace, folder: Path, encoder: str, draws: int) -> list[str]:
    """Enrol the exemplars of each draw in a gallery of its own; return the galleries."""
    for draw in range(1, draws + 1):
        ws.create_gallery(f"draw-{draw}", "images", encoder=encoder)
    for row in read(folder / "exemplars.csv"):
        gallery, region = f"draw-{row['draw']}", Region(tuple(float(row[edge]) for edge in EDGES))
        if int(row["draw"]) > draws:
            continue
        chosen = lambda _, region=region: [(region, None)]  # noqa: E731
        ws.enrol(gallery, row["brand"], folder / row["image"], choose=chosen)
    return [gallery.name for gallery in ws.galleries()]


EDGES = ("left", "top", "right", "bottom")


def read_truth(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """Return the boxes of each brand, (n, 4), in each picture by name."""
    data = json.loads((folder / "instances.json").read_text())
    brands = {category["id"]: category["name"] for category in data["categories"]}
    files = {image["id"]: Path(image["file_name"]).name for image in data["images"]}
    truth: dict[str, dict[str, list]] = {name: {} for name in files.values()}
    for item in data["annotations"]:
        left, top, width, height = item["bbox"]
        box = (left, top, left + width, top + height)
        truth[files[item["image_id"]]].setdefault(brands[item["category_id"]], []).append(box)
    return {n: {b: np.array(found) for b, found in by.items()} for n, by in truth.items()}


def open_detector(ws: Workspace, gallery: str, name: str):
    """Return the search of a gallery by a detector, its lowest score behind a colon."""
    pipeline = ws.pipeline_of(ws.gallery(gallery))
    name, _, score = name.partition(":")
    detector = None if name == "none" else load_detector(pipeline.modality, name)
    if score:
        detector = detector.with_min_score(float(score))
    searched = Pipeline(pipeline.modality, detector, pipeline.encoder)
    return open_search(ws.index(ws.gallery(gallery)), searched)


def average_precision(scores: list[float], hits: list[bool], positives: int) -> float:
    """Return COCO's: precision at 101 recalls, made to fall."""
    order = np.argsort(-np.array(scores), kind="stable")
    right = np.cumsum(np.array(hits, float)[order]) if len(order) else np.zeros(0)
    precision = right / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(right / positives, np.linspace(0, 1, 101) - 1e-9)
    return float(np.append(precision, 0.0)[np.minimum(at, len(precision))].mean())


def score_draw(pictures: list, names: list[str], truth: dict) -> tuple[float, float, float]:
    """Return top-1, the share of right boxes, and AP50 averaged over brands."""
    brands = sorted({brand for boxes_of in truth.values() for brand in boxes_of})
    scores, hits = {b: [] for b in brands}, {b: [] for b in brands}
    named = boxed = 0
    for picture, name in zip(pictures, names, strict=True):
        taken: set[tuple[str, int]] = set()
        for place, brand in enumerate(picture.identities):
            true = truth[name].get(brand, np.zeros((0, 4)))
            overlap = boxes.iou(np.array([picture.boxes[place]]), true)[0]
            free = [v if (brand, i) not in taken else -1 for i, v in enumerate(overlap)]
            is_hit = bool(free) and max(free) >= HIT
            if is_hit:
                taken.add((brand, int(np.argmax(free))))
            scores[brand].append(float(picture.scores[place]))
            hits[brand].append(is_hit)
            if place == 0:
                named += brand in truth[name]
                boxed += is_hit
    count = sum(bool(boxes_of) for boxes_of in truth.values())
    positives = {b: sum(len(t.get(b, ())) for t in truth.values()) for b in brands}
    precisions = [average_precision(scores[b], hits[b], positives[b]) for b in brands]
    return named / count, boxed / count, float(np.mean(precisions))


def measure(ws: Workspace, galleries: list[str], detector: str, paths: list[Path], truth) -> str:
    started, rows, regions = time.monotonic(), [[] for _ in galleries], 0
    searches = [open_detector(ws, gallery, detector) for gallery in galleries]
    for batch in searches[0].embed(Job(path) for path in paths):
        if errors := [source.error for source in batch if source.error]:
            raise BadInput(str(errors[0]))
        regions += sum(len(source.regions) for source in batch)
        for row, search in zip(rows, searches, strict=True):
            for places in search.compare(batch):
                row.append(Found(places))
    names = [path.name for path in paths]
    figures = np.array([score_draw(row, names, truth) for row in rows])
    cells = [f"{m:.3f} ± {s:.3f}" for m, s in zip(figures.mean(0), figures.std(0), strict=True)]
    seconds = time.monotonic() - started
    return f"| {detector} | {' | '.join(cells)} | {regions / len(paths):.0f} | {seconds:.0f} s |"


def measure_products(ws: Workspace, folder: Path, encoder: str) -> str:
    ws.create_gallery("products", "images", encoder=encoder)
    products, trials = read(folder / "products.csv"), read(folder / "trials.csv")
    for product in products:
        ws.enrol("products", product["product"], folder / product["iconic"])
    ranks = []
    for trial in trials:
        (answer,) = ws.query("products", folder / trial["photo"], k=5)
        names = [match.identity for match in answer.matches]
        ranks.append(names.index(trial["product"]) if trial["product"] in names else 5)
    first, five = (np.mean(np.array(ranks) < n) for n in (1, 5))
    return f"{encoder}: top-1 {first:.3f}, top-5 {five:.3f}; {len(trials)} photos"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("detectors", nargs="*", default=DETECTORS)
    parser.add_argument("--encoder", default="detail")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--products", action="store_true")
    options = parser.parse_args()
    if options.products:
        with tempfile.TemporaryDirectory() as folder, Workspace(Path(folder) / "store") as ws:
            print(measure_products(ws, options.data / "grocery", options.encoder))
        return
    logos = options.data / "logos"
    truth, paths = read_truth(logos), [logos / row["image"] for row in read(logos / "queries.csv")]
    with tempfile.TemporaryDirectory() as folder, Workspace(Path(folder) / "store") as ws:
        galleries = enrol(ws, logos, options.encoder, options.draws)
        print(f"encoder {options.encoder}, {len(galleries)} draws, {len(paths)} pictures\n")
        print("| detector | top-1 | right box | AP50 | regions | time |\n|---|---|---|---|---|---|")
        for detector in options.detectors:
            print(measure(ws, galleries, detector, paths, truth), flush=True)


if __name__ == "__main__":
    main()
