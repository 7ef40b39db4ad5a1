"""Measure several labels per sample: `siamkit classify --tags` on emotional speech.

    python benchmarks/tags.py DATA

In Emo-DB (Burkhardt et al., "A database of German emotional speech", 2005) a clip's name states the
speaker and the emotion; both are labels, and so is the speaker's sex. Random clips are
enrolled and all others judged, for 20 seeds. Peers are scikit-learn's on the same vectors. AP: the
mean of the labels' average precisions; F1: of all answers at 0.5; ECE: of all probabilities, 15
bins; log loss: compare it with that of always answering a label's frequency.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from classify import ece
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score, log_loss
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier

from siamkit.cli.output import table
from siamkit.embed import batches, region_choosers
from siamkit.embed.batches import Job
from siamkit.embed.pipeline import open_pipeline
from siamkit.stats import classify as classification
from siamkit.stats.classify import ClassificationRule, evidence_at
from siamkit.stats.label_sets import LabelledVectors
from siamkit.stats.scoring import mated_cosine_of

ENROLLED, SEEDS = (20, 50, 80), 20
MEN = {"03", "10", "15"}
EMOTIONS = {
    "W": "anger", "L": "boredom", "E": "disgust", "A": "fear", "F": "happiness", "T": "sadness",
    "N": "neutral",
}  # fmt: skip
KINDS = {"speaker": 0, "sex": 1, "emotion": 2}


def labels_of(path: Path) -> tuple[str, str, str]:
    speaker = path.stem[:2]
    return speaker, "man" if speaker in MEN else "woman", EMOTIONS[path.stem[5]]


def embedded(pipeline, folder: Path):
    """(n, dim) vectors, and three labels of each."""
    jobs = [Job(path) for path in sorted(folder.rglob("*.flac"))]
    done = [
        d
        for batch in batches.embed_all(pipeline, jobs, region_choosers.largest_region)
        for d in batch
        if not d.error
    ]
    return np.stack([d.regions[0].vector for d in done]), [labels_of(d.job.source) for d in done]


def ours(gallery: LabelledVectors, rule: ClassificationRule, probes):
    fitted = classification.fit_temperature(gallery, rule)
    evidence = evidence_at(fitted[0] if fitted else classification.guess_temperature(gallery))
    return classification.probabilities(gallery, rule, evidence, probes)


def answers(vectors, bears, rows, probes, mated):
    """(p, classes) probabilities, by method."""
    gallery = LabelledVectors(vectors[rows], *np.nonzero(bears[rows]))
    for by in ("knn", "prototypes"):
        yield (
            by,
            ours(
                gallery, ClassificationRule(by, 5, tags=True, mated_cosine=mated), vectors[probes]
            ),
        )
    near = KNeighborsClassifier(5).fit(vectors[rows], bears[rows])
    yield (
        "scikit-learn 5-NN",
        np.stack([columns[:, -1] for columns in near.predict_proba(vectors[probes])], axis=1),
    )
    classifier = OneVsRestClassifier(LogisticRegression(max_iter=2000)).fit(
        vectors[rows], bears[rows]
    )
    yield "scikit-learn LogisticRegression", classifier.predict_proba(vectors[probes])
    yield "always as frequent", np.tile(bears[rows].mean(axis=0), (len(probes), 1))


def main() -> None:
    pipeline = open_pipeline("voices", encoder=None, detector=None)
    vectors, labels = embedded(pipeline, Path(sys.argv[1]) / "voices" / "emodb")
    names = sorted({name for each in labels for name in each})
    bears = np.array([[name in each for name in names] for each in labels])
    kind = np.array(
        [next(k for k in KINDS if any(e[KINDS[k]] == n for e in labels)) for n in names]
    )
    mated, rows = mated_cosine_of(pipeline.encoder), []
    for count in ENROLLED:
        scores: dict[str, list] = {}
        for seed in range(SEEDS):
            order = np.random.default_rng(seed).permutation(len(vectors))
            enrolled, probes = order[:count], order[count:]
            usable = bears[enrolled].any(axis=0) & ~bears[enrolled].all(axis=0)
            usable &= bears[probes].any(axis=0)
            truth = bears[probes][:, usable]
            for name, probabilities in answers(vectors, bears[:, usable], enrolled, probes, mated):
                precision = np.array(
                    [
                        average_precision_score(t, f)
                        for t, f in zip(truth.T, probabilities.T, strict=True)
                    ]
                )
                scores.setdefault(name, []).append([
                    *(precision[kind[usable] == k].mean() for k in KINDS),
                    f1_score(truth.ravel(), probabilities.ravel() >= 0.5),
                    ece(probabilities.ravel(), truth.ravel()),
                    log_loss(truth.ravel(), np.clip(probabilities.ravel(), 1e-15, 1 - 1e-15)),
                ])  # fmt: skip
        for name, each in scores.items():
            rows.append([count, name, *(f"{value:.3f}" for value in np.mean(each, axis=0))])
    table(["clips", "method", *(f"AP {kind}" for kind in KINDS), "F1", "ECE", "log loss"], rows)


if __name__ == "__main__":
    main()
