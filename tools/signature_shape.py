"""Fit the shape score of the finder of `signatures` to drawn pages, and choose its threshold.

    python benchmarks/signature_manifest.py DATA --out manifest.csv
    python tools/signature_shape.py manifest.csv

Prints WEIGHTS and BIAS of plugins/siamkit_signatures/shape.py, and what each threshold finds: on
hard pages (tools/signature_sheets.py) signed by a tenth of the training writers, none of whom
signed a page that the score was fitted to; and on plain ones (benchmarks/signature_pages.py), by
weights fitted to four fifths of those. Pages without rows of print are not counted: there no shape
is scored. Validation writers sign nothing.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from signature_sheets import Ink, Rng, draw_page

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from signature_pages import ENOUGH, overlap, page, tally

from siamkit_signatures import groups, ink, lid, rules, ruling, seals, shape
from siamkit_signatures import page as pages
from siamkit_signatures.finder import MAX_SIDE, RULES

HARD, APART = ((1, 80), (11, 100), (12, 100)), ((99, 80),)  # seeds, and pages of each
PLAIN_SEED, PLAIN = 7, 25  # pages of each set, and unsigned ones
LATIN = 0.6  # share of hard pages that are signed by Latin hands
INKED = 100  # of 255
STRENGTH = 3.0  # of the logistic model: the inverse of its regularisation
FOLDS = 5
THRESHOLDS = (0.4, 0.5, 0.6, 0.7)

Score = Callable[[NDArray[np.float64]], float]


class Sample(NamedTuple):
    """A page with print: groups of ink that may be signatures, and where signatures are."""

    boxes: list[NDArray[np.float64]]  # (4,) px
    measures: list[NDArray[np.float64]]  # see siamkit_signatures.shape
    signatures: list[tuple[float, ...]]

    @property
    def is_signature(self) -> list[bool]:
        return [
            any(overlap(tuple(box), place) >= ENOUGH for place in self.signatures)
            for box in self.boxes
        ]


def measure(pixels: NDArray[np.uint8], signatures: Sequence[Sequence[float]]) -> Sample | None:
    """Return the groups of a page, as the finder forms them; None for one without print."""
    lifted = ruling.lift_rules(seals.lift_seals(lid.lift_lid(pixels)))
    small = ink.reduce(lifted, MAX_SIDE)
    scale = max(pixels.shape[:2]) / max(small.shape[:2])
    parts = pages.find_components(rules.remove_rules(ink.binarise(small), *RULES))
    if not (height := pages.text_height(parts)):
        return None
    printed = pages.is_print(parts.boxes, height)
    if printed.sum() < groups.PRINTED or len(parts.boxes) <= groups.FEW:
        return None
    blob = parts.areas < groups.BLOB * parts.thickness**2
    solid = (parts.thickness > pages.SOLID * height) & blob
    candidates = groups._candidates(parts.only(~printed & ~solid), height)
    boxes = [shape.union(group.boxes) * scale for group in candidates]
    measures = [shape.measures(group, parts.boxes[printed], height) for group in candidates]
    return Sample(boxes, measures, [tuple(map(float, box)) for box in signatures])


def drawer(writers: Sequence[Sequence[str]]) -> Callable[[Rng], Ink]:
    """Return a function that draws a signature's ink, cut to it."""
    latin = [files for files in writers if "cedar" in files[0]]
    others = [files for files in writers if "cedar" not in files[0]]

    def draw(rng: Rng) -> Ink:
        group = latin if rng.random() < LATIN else others
        files = group[rng.integers(len(group))]
        inked = 255 - cv2.imread(files[rng.integers(len(files))], cv2.IMREAD_GRAYSCALE)
        ys, xs = np.nonzero(inked > INKED)
        return inked[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]

    return draw


def hard_pages(writers: Sequence[Sequence[str]], seeds: Sequence[tuple[int, int]]) -> list[Sample]:
    draw_ink, samples = drawer(writers), []
    for seed, count in seeds:
        rng = np.random.default_rng(seed)
        samples += [measure(*draw_page(rng, draw_ink)) for _ in range(count)]
    return [sample for sample in samples if sample]


def plain_pages(files: Sequence[str]) -> list[Sample]:
    rng, samples = np.random.default_rng(PLAIN_SEED), []
    for name in ("cedar", "hindi", "bengali", None):
        of_set = [file for file in files if name and name in file]
        for _ in range(PLAIN):
            drawn = page(rng, Path(of_set[rng.integers(len(of_set))]) if of_set else None)
            places = [drawn.signature] if drawn.signature else []
            samples.append(measure(np.asarray(drawn.picture.convert("RGB")), places))
    return [sample for sample in samples if sample]


def fit(samples: Sequence[Sample]) -> tuple[NDArray[np.float64], float]:
    """Return the weights and the bias of a logistic model."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    measures = np.array([row for sample in samples for row in sample.measures])
    labels = [label for sample in samples for label in sample.is_signature]
    scaler = StandardScaler().fit(measures)
    model = LogisticRegression(C=STRENGTH, max_iter=3000).fit(scaler.transform(measures), labels)
    weights = model.coef_[0] / scaler.scale_
    return weights, float(model.intercept_[0] - weights @ scaler.mean_)


def count(
    samples: Sequence[Sample], weights: NDArray[np.float64], bias: float, least: float
) -> str:
    """Return what a threshold finds on pages, for people."""
    rows = []
    for sample in samples:
        scores = [1 / (1 + np.exp(-(row @ weights + bias))) for row in sample.measures]
        kept = [tuple(b) for b, s in zip(sample.boxes, scores, strict=True) if s >= least]
        rows.append((*tally(kept, sample.signatures), not sample.signatures))
    hits, missed, false, unsigned = np.array(rows).T
    alarmed = int(((unsigned == 1) & (false > 0)).sum())
    return (
        f"{hits.sum()} of {(hits + missed).sum()} found, {false.sum()} false,"
        f" {alarmed} of {unsigned.sum()} unsigned pages alarmed"
    )


def main() -> None:
    with Path(sys.argv[1]).open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
    labels = sorted({row["label"] for row in rows})
    by_writer = {label: [row["path"] for row in rows if row["label"] == label] for label in labels}
    apart = labels[::10]
    hard = hard_pages([files for label, files in by_writer.items() if label not in apart], HARD)
    others = hard_pages([files for label, files in by_writer.items() if label in apart], APART)
    plain = plain_pages([row["path"] for row in rows])
    weights, bias = fit([*hard, *plain])
    print(f"WEIGHTS {np.round(weights, 3).tolist()}\nBIAS {bias:.3f}")
    for least in THRESHOLDS:
        print(f"{least}: hard pages: {count(others, weights, bias, least)}")
        for fold in range(FOLDS):
            fitted = fit([*hard, *(s for at, s in enumerate(plain) if at % FOLDS != fold)])
            print(f"     plain pages, fold {fold}: {count(plain[fold::FOLDS], *fitted, least)}")


if __name__ == "__main__":
    main()
