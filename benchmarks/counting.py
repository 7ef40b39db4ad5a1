"""Count the red cells of blood smears from one example cell.

    python benchmarks/counting.py DATA [DETECTOR …] [--encoder detail] [--draws 5]

DATA: the folder `objects` with counting/bccd/. One red cell is enrolled by its box, for each of the
draws, and every place that looks like it is counted. Printed, mean and standard deviation over
draws: AP50 of red cells, and the mean absolute error of the count from a cosine on, beside that of
always saying the mean count.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from one_shot import EDGES, HIT, Found, average_precision, open_detector, read, read_truth

from siamkit import Workspace
from siamkit.embed.batches import Job
from siamkit.sdk import boxes
from siamkit.types import Region

CELL = "RBC"
COSINES = (0.5, 0.6, 0.7)


def enrol(ws: Workspace, folder: Path, encoder: str, draws: int) -> list[str]:
    """Enrol one cell per draw, in a gallery of its own; return the galleries."""
    for row in read(folder / "exemplars.csv"):
        if row["class"] != CELL or int(row["draw"]) > draws:
            continue
        gallery, region = f"draw-{row['draw']}", Region(tuple(float(row[edge]) for edge in EDGES))
        ws.create_gallery(gallery, "images", encoder=encoder)
        chosen = lambda _, region=region: [(region, None)]  # noqa: E731
        ws.enrol(gallery, CELL, folder / row["image"], choose=chosen)
    return [gallery.name for gallery in ws.galleries()]


def hits_of(picture: Found, true: np.ndarray) -> list[bool]:
    """Return for each place, best first, whether it is a cell that no better place has taken."""
    taken: set[int] = set()
    hits = []
    for box in picture.boxes:
        overlap = boxes.iou(np.array([box]), true)[0]
        overlap[list(taken)] = -1
        hits.append(bool(len(overlap)) and float(overlap.max()) >= HIT)
        if hits[-1]:
            taken.add(int(overlap.argmax()))
    return hits


def measure(ws: Workspace, galleries: list[str], detector: str, folder: Path) -> str:
    truth = {name: by.get(CELL, np.zeros((0, 4))) for name, by in read_truth(folder).items()}
    paths = [folder / row["image"] for row in read(folder / "counts.csv")]
    counts = np.array([len(truth[path.name]) for path in paths])
    searches = [open_detector(ws, gallery, detector) for gallery in galleries]
    pictures: list[list[Found]] = [[] for _ in searches]
    for batch in searches[0].embed(Job(path) for path in paths):
        for row, search in zip(pictures, searches, strict=True):
            row.extend(Found(places) for places in search.compare(batch))
    figures = []
    for row in pictures:
        hits = [hits_of(p, truth[path.name]) for p, path in zip(row, paths, strict=True)]
        scores = [score for p in row for score in p.scores[: len(p.boxes)]]
        precision = average_precision(scores, [hit for h in hits for hit in h], int(counts.sum()))
        errors = [
            np.abs([sum(s >= c for s in p.scores) for p in row] - counts).mean() for c in COSINES
        ]
        figures.append([precision, *errors])
    table = np.array(figures)
    cells = [f"{m:.3f} ± {s:.3f}" for m, s in zip(table.mean(0), table.std(0), strict=True)]
    return f"| {detector} | {' | '.join(cells)} | {np.abs(counts - counts.mean()).mean():.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("detectors", nargs="*", default=["proposals", "sliding-window"])
    parser.add_argument("--encoder", default="detail")
    parser.add_argument("--draws", type=int, default=5)
    options = parser.parse_args()
    folder = options.data / "counting" / "bccd"
    with tempfile.TemporaryDirectory() as store, Workspace(Path(store) / "store") as ws:
        galleries = enrol(ws, folder, options.encoder, options.draws)
        errors = " | ".join(f"count error at {cosine}" for cosine in COSINES)
        print(f"| detector | AP50 | {errors} | of the mean count |\n|{'---|' * 6}")
        for detector in options.detectors:
            print(measure(ws, galleries, detector, folder), flush=True)


if __name__ == "__main__":
    main()
