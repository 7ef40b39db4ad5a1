"""Measure accuracy and calibration of `siamkit classify` with 1, 5 and 20 samples per class.

    python benchmarks/classify.py MODALITY FOLDER|digits …

Each FOLDER has one folder per class, or files CLASS__NUMBER; `digits` are scikit-learn's, 8 x 8
pixels. That many samples of each class with enough of them are enrolled, and up to 20 others are
classified, for 10 seeds. Peers are scikit-learn's, on the same vectors. ECE: the expected
calibration error of the likeliest class's probability, 15 bins, all seeds together. `sharpness` is
the spread of cosines of different classes over the fitted temperature, guessed at 1 sample.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

from siamkit.cli.output import table
from siamkit.embed import batches, region_choosers
from siamkit.embed.batches import Job
from siamkit.embed.pipeline import open_pipeline
from siamkit.stats import calibration, classify
from siamkit.stats.classify import ClassificationRule, evidence_at
from siamkit.stats.label_sets import LabelledVectors
from siamkit.stats.scoring import mated_cosine_of

SHOTS, SEEDS, TESTS, LEAST, BINS = (1, 5, 20), 10, 20, 5, 15


def digits(folder: Path) -> Path:
    """scikit-learn's digits as pictures, a folder per class."""
    from PIL import Image
    from sklearn.datasets import load_digits

    data = load_digits()
    for number, (pixels, label) in enumerate(zip(data.images, data.target, strict=True)):
        (folder / str(label)).mkdir(exist_ok=True)
        picture = Image.fromarray(255 - np.minimum(pixels * 16, 255).astype(np.uint8))
        picture.save(folder / str(label) / f"{number}.png")
    return folder


def embedded(pipeline, folder: Path):
    """(n, dim) vectors of a folder per class, and (n,) names."""
    jobs = [
        Job(path, tag=path.stem.split("__")[0] if path.parent == folder else path.parent.name)
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".pgm", ".wav", ".flac")
    ]
    done = [
        d
        for batch in batches.embed_all(pipeline, jobs, region_choosers.largest_region)
        for d in batch
        if not d.error
    ]
    return np.stack([d.regions[0].vector for d in done]), np.array([d.job.tag for d in done])


def drawn(labels, shots: int, seed: int):
    """Rows to enrol and rows to classify, of every class that has enough."""
    rng = np.random.default_rng(seed)
    enrolled, probes = [], []
    for name in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == name))
        if len(rows) >= shots + LEAST:
            enrolled.append(rows[:shots])
            probes.append(rows[shots : shots + TESTS])
    return (np.concatenate(enrolled), np.concatenate(probes)) if enrolled else None


def ours(vectors, labels, enrolled, probes, rule, calibrated=None):
    """(p, classes) probabilities, and the temperature over the spread of the guess."""
    names = np.unique(labels[enrolled])
    gallery = LabelledVectors(vectors[enrolled], *np.nonzero(labels[enrolled][:, None] == names))
    guess = classify.guess_temperature(gallery)
    fitted = classify.fit_temperature(gallery, rule)
    evidence = evidence_at(fitted[0] if fitted else guess)
    if calibrated:
        evidence = lambda scores: calibration.llr(calibrated, scores)  # noqa: E731
    probabilities = classify.probabilities(gallery, rule, evidence, vectors[probes])
    sharpness = guess * classify.GUESS / fitted[0] if fitted else np.nan
    return names, probabilities, sharpness


def judged(names, probabilities, truth):
    """(p,) How sure, and whether right, and the log loss of each answer."""
    sure, right = probabilities.max(axis=1), names[probabilities.argmax(axis=1)] == truth
    true_probability = probabilities[np.arange(len(truth)), np.searchsorted(names, truth)]
    with np.errstate(divide="ignore"):
        return sure, right, -np.log(true_probability)


def ece(sure, right) -> float:
    """Expected calibration error: bins of equal width, each by its share of the answers."""
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = [abs((sure - right)[bins == b].sum()) for b in np.unique(bins)]
    return float(np.sum(gaps) / len(sure))


def peers(shots: int):
    yield "scikit-learn 1-NN", KNeighborsClassifier(1)
    if shots > 1:
        yield "scikit-learn 5-NN", KNeighborsClassifier(5)
    if shots > 1:
        yield "scikit-learn NearestCentroid", NearestCentroid()
    yield "scikit-learn LogisticRegression", LogisticRegression(max_iter=2000)


def compare(name: str, vectors, labels, pipeline) -> list[list]:
    rows = []
    mated, calibrated = mated_cosine_of(pipeline.encoder), pipeline.calibration
    for shots in SHOTS:
        results: dict[str, list] = {}
        sharpness: dict[str, list] = {}
        classes = 0
        for seed in range(SEEDS):
            if (split := drawn(labels, shots, seed)) is None:
                break
            enrolled, probes = split
            classes = len(np.unique(labels[enrolled]))
            truth = labels[probes]
            for rule in (
                ClassificationRule("knn", 5, mated_cosine=mated),
                ClassificationRule("prototypes", mated_cosine=mated),
            ):
                for title, evidence in (
                    (rule.method, None),
                    (f"{rule.method}, calibration", calibrated),
                ):
                    if title == rule.method or calibrated:
                        *answer, sharp = ours(vectors, labels, enrolled, probes, rule, evidence)
                        results.setdefault(title, []).append(judged(*answer, truth))
                        sharpness.setdefault(title, []).append(sharp)
            for title, peer in peers(shots):
                peer.fit(vectors[enrolled], labels[enrolled])
                if not isinstance(peer, NearestCentroid):  # whose probabilities need a variance
                    scored = judged(peer.classes_, peer.predict_proba(vectors[probes]), truth)
                else:
                    right = peer.predict(vectors[probes]) == truth
                    scored = (np.full(len(truth), np.nan), right, np.full(len(truth), np.nan))
                results.setdefault(title, []).append(scored)
        for title, seeds in results.items():
            shares = [right.mean() for _, right, _ in seeds]
            sure, right, losses = map(np.concatenate, zip(*seeds, strict=True))
            error = ece(sure, right) if np.isfinite(sure).all() else np.nan
            sharp = np.mean(sharpness.get(title, [np.nan]))
            rows.append([
                name, classes, shots, title, f"{np.mean(shares):.3f} ± {np.std(shares):.3f}",
                *(f"{value:.3f}" if not np.isnan(value) else "-" for value in (
                    error, losses.mean())),
                f"{sharp:.1f}" if not np.isnan(sharp) and "calib" not in title else "-",
            ])  # fmt: skip
    return rows


def main() -> None:
    modality, *folders = sys.argv[1:]
    warnings.filterwarnings("ignore", category=UserWarning)  # scikit-learn's, of so few samples
    pipeline = open_pipeline(modality, encoder=None, detector=None)
    rows = []
    for folder in folders:
        with tempfile.TemporaryDirectory() as scratch:
            source = digits(Path(scratch)) if folder == "digits" else Path(folder)
            vectors, labels = embedded(pipeline, source)
        rows += compare(Path(folder).name, vectors, labels, pipeline)
    table(["set", "classes", "shots", "method", "accuracy", "ECE", "log loss", "sharpness"], rows)


if __name__ == "__main__":
    main()
