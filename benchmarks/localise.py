"""Train localisers and count how often they are right on pictures that they were not trained on.

    python benchmarks/localise.py DATA [FOLDS]

DATA has targets.csv (image,label,left,top,right,bottom; an empty label: nothing is there), such as
objects/localise. Labels of fewer than 10 pictures are left out. The pictures are cut into FOLDS (5)
parts; a localiser with the default settings, without validation, is trained on all parts but one
and asked about that one. Near-duplicates (difference hashes within 6 of 64 bits) are in one part.

A picture with an object is right if the label is right, at the default limit of the score, and the
IoU is at least 0.5. "Nothing there" is told by the score of the best region, without a limit: AUC.
Beside it stand the mean box of each label, given the right label, and the best box of `objects`,
whatever its label.
"""

from __future__ import annotations

import csv
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import mannwhitneyu

import siamkit as sk
from siamkit.models.detectors import open_detector
from siamkit.sdk import boxes
from siamkit.sdk.media import load_image
from siamkit.train.events import Stopped

COLUMNS = ("image", "label", "left", "top", "right", "bottom")
LEAST = 10  # pictures of a label
NEAR = 6  # bits of 64 by which difference hashes of near-duplicates differ
Row = dict[str, str]


def read_rows(data: Path) -> list[Row]:
    with (data / "targets.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    counts = Counter(row["label"] for row in rows)
    return [row for row in rows if not row["label"] or counts[row["label"]] >= LEAST]


def difference_hash(path: Path) -> NDArray[np.bool_]:
    grey = Image.open(path).convert("L").resize((9, 8), Image.Resampling.BILINEAR)
    values = np.asarray(grey, np.int16)
    return (values[:, 1:] > values[:, :-1]).ravel()


def cut(data: Path, rows: list[Row], count: int) -> NDArray[np.int64]:
    """Return the fold of each row; labels are spread evenly, near-duplicates stay together."""
    hashes = np.stack([difference_hash(data / row["image"]) for row in rows])
    near = (hashes[:, None] != hashes).sum(axis=2) <= NEAR
    group = np.arange(len(rows))
    for row in range(len(rows)):
        group[near[row]] = group[near[row]].min()
    print(f"{len(rows) - len(set(group))} near-duplicates")
    folds = np.empty(len(rows), np.int64)
    rng = np.random.default_rng(0)
    for label in sorted({row["label"] for row in rows}):
        own = [n for n in range(len(rows)) if rows[n]["label"] == label and group[n] == n]
        folds[rng.permutation(own)] = np.arange(len(own)) % count
    return folds[group]


def train(data: Path, rows: list[Row], folder: Path) -> tuple[str, float, float]:
    """Return a localiser's detector folder, and the seconds that it took: elapsed, of a core."""
    table = folder / "pictures.csv"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows({**row, "image": data.resolve() / row["image"]} for row in rows)
    start = time.perf_counter(), time.process_time()
    with sk.Workspace(folder / "store") as ws:
        run = ws.train_localiser(table, folder / "run", config={"validation": 0})
        for event in run.events():
            if isinstance(event, Stopped):
                print(f"{len(rows)} pictures: {event.step} steps", file=sys.stderr)
    elapsed, busy = time.perf_counter() - start[0], time.process_time() - start[1]
    return run.result().detector, elapsed, busy


def overlap(region: sk.Region, row: Row) -> float:
    truth = sk.Region(tuple(float(row[side]) for side in COLUMNS[2:]))
    return float(boxes.iou(boxes.array([region]), boxes.array([truth]))[0, 0])


def auc(scores: list[float], there: list[bool]) -> float:
    values, mask = np.array(scores), np.array(there)
    statistic = mannwhitneyu(values[mask], values[~mask]).statistic
    return float(statistic / (mask.sum() * (~mask).sum()))


def mean_box(data: Path, row: Row, others: list[Row]) -> sk.Region:
    """Return the mean box of a label's other pictures, as shares of the sides, in this picture."""
    shares = []
    for other in others:
        if other["label"] == row["label"]:
            sides = np.array(Image.open(data / other["image"]).size * 2)
            shares.append(np.array([float(other[side]) for side in COLUMNS[2:]]) / sides)
    sides = np.array(Image.open(data / row["image"]).size * 2)
    return sk.Region(tuple((np.mean(shares, axis=0) * sides).tolist()))


data, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5
rows = read_rows(data)
folds = cut(data, rows, count)
there = [bool(row["label"]) for row in rows]
right, mean_right, objects_right = np.zeros((3, len(rows)), bool)
reported = np.zeros(len(rows), bool)
overlaps, scores, objects_scores = np.zeros((3, len(rows)))
seconds = []
objects = open_detector("objects")
weak_objects = objects.with_min_score(0.01)
for fold in range(count):
    training = [row for row, own in zip(rows, folds, strict=True) if own != fold]
    with tempfile.TemporaryDirectory() as folder:
        detector_folder, elapsed, busy = train(data, training, Path(folder))
        detector = open_detector(detector_folder)
    seconds.append(f"{elapsed:.0f} ({busy:.0f})")
    for n in np.flatnonzero(folds == fold):
        row, picture = rows[n], load_image(data / rows[n]["image"])
        regions, best = detector.find(picture), detector.with_min_score(0.0).find(picture)
        reported[n], scores[n] = bool(regions), max((r.score for r in best), default=0.0)
        candidates = weak_objects.find(picture)
        objects_scores[n] = max((r.score for r in candidates), default=0.0)
        if there[n]:
            overlaps[n] = max((overlap(r, row) for r in best), default=0.0)
            right[n] = any(r.label == row["label"] and overlap(r, row) >= 0.5 for r in regions)
            mean_right[n] = overlap(mean_box(data, row, training), row) >= 0.5
            objects_right[n] = bool(candidates) and overlap(candidates[0], row) >= 0.5
print(f"seconds per training (of one core): {', '.join(seconds)}")
print(f"{'':28}{'localiser':>10}{'mean box':>10}{'objects':>9}")
mask = np.array(there)
for label in [*sorted({row["label"] for row in rows} - {""}), None]:
    own = mask & np.array([label in (None, row["label"]) for row in rows])
    shares = [f"{values[own].mean():.3f}" for values in (right, mean_right, objects_right)]
    name = f"{label or 'all'}, {own.sum()} pictures"
    print(f"{name:28}{shares[0]:>10}{shares[1]:>10}{shares[2]:>9}")
print(f"{'mean IoU':28}{overlaps[mask].mean():>10.3f}")
print(f"{'nothing there: AUC':28}{auc(list(scores), there):>10.3f}{'':10}", end="")
print(f"{auc(list(objects_scores), there):>9.3f}")
print(f"{f'nothing there, {(~mask).sum()}: said so':28}{(~reported[~mask]).mean():>10.3f}")
