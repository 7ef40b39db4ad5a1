"""Vectors of the evaluation data for the benchmarks of decisions, kept between runs on request.

One vector per sample, with its identity. Of questions: labelled pairs, each independent.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from siamkit.embed import batches, region_choosers
from siamkit.embed.batches import Job
from siamkit.embed.pipeline import open_pipeline
from siamkit.flows.read_trials import read_trial_table
from siamkit.flows.trials import pair_samples
from siamkit.stats.comparisons import Comparisons

MODALITIES = ("faces", "signatures", "voices", "questions")
MOST = 10  # samples of an identity


@dataclass(frozen=True)
class Samples:
    vectors: np.ndarray  # (n, dim)
    labels: np.ndarray  # (n,) from 0
    pairs: np.ndarray | None = None  # (m, 3) rows and label, where only some pairs are labelled


def listed(data: Path, modality: str) -> list[tuple[str, Path]]:
    """(identity, file) of at most MOST files of each identity."""
    if modality == "faces":
        files = [(p.parent.name, p) for p in sorted((data / "faces/lfw").rglob("*.jpg"))]
    elif modality == "voices":
        files = [
            (str(p.parent), p)
            for folder in (
                "librispeech_test-other", "librispeech_train-clean-100_segments", "emodb", "fsdd",
            )
            for p in sorted((data / "voices" / folder).rglob("*.*"))
            if p.suffix in (".flac", ".wav")
        ]  # fmt: skip
    else:
        root = data / "signatures"
        cedar = sorted((root / "cedar_bin/full_org").glob("*.png"))
        files = [(f"cedar {p.stem.split('_')[1]}", p) for p in cedar]
        for folder in ("bhsig_hindi", "bhsig_bengali"):
            files += [(str(p.parent), p) for p in sorted((root / folder).rglob("*-G-*.*"))]
    counts: dict[str, int] = {}
    chosen = []
    for label, path in np.random.default_rng(0).permutation(np.array(files, object)).tolist():
        counts[label] = counts.get(label, 0) + 1
        if counts[label] <= MOST:
            chosen.append((label, path))
    return sorted(chosen)


def load(data: Path, modality: str, cache: Path | None) -> Samples:
    """Embed, or take what an earlier run has left in the folder `cache`."""
    path = cache / f"{modality}.npz" if cache else None
    if path and path.exists():
        with np.load(path, allow_pickle=False) as stored:
            return Samples(stored["vectors"], stored["labels"], stored.get("pairs"))
    samples = _questions(data) if modality == "questions" else _embedded(data, modality)
    if path:
        path.parent.mkdir(exist_ok=True)
        extra = {} if samples.pairs is None else {"pairs": samples.pairs}
        np.savez(path, vectors=samples.vectors, labels=samples.labels, **extra)
    return samples


def _embedded(data: Path, modality: str) -> Samples:
    # Faces are aligned crops and signatures scans of one: only a recording needs its detector.
    detector = "speech" if modality == "voices" else None
    pipeline = open_pipeline(modality, encoder=None, detector=detector)
    vectors, names = [], []
    jobs = (Job(path, tag=label) for label, path in listed(data, modality))
    for batch in batches.embed_all(pipeline, jobs, region_choosers.largest_region):
        for done in batch:
            if not done.error:
                vectors.append(done.regions[0].vector)
                names.append(done.job.tag)
    return Samples(np.stack(vectors), np.unique(names, return_inverse=True)[1])


def _questions(data: Path) -> Samples:
    """QQP's labelled pairs; identities are what duplicates join."""
    labelled = read_trial_table(data / "questions/trials.csv", text=True)
    pipeline = open_pipeline("questions", encoder=None, detector=None)
    vectors = np.zeros((len(labelled.samples), pipeline.encoder.dim), np.float32)
    jobs = (Job(text, row) for row, text in enumerate(labelled.samples))
    for batch in batches.embed_all(pipeline, jobs, region_choosers.largest_region):
        for done in batch:
            vectors[done.job.tag] = done.regions[0].vector
    pairs = np.stack([labelled.left, labelled.right, labelled.mated.astype(np.int64)], axis=1)
    return Samples(vectors, labelled.identities, pairs)


def compared(samples: Samples, most: int = 200_000) -> Comparisons:
    """All labelled pairs, or all pairs, of which `most` are drawn."""
    if samples.pairs is not None:
        left, right, mated = samples.pairs.T
        labels = samples.labels
        mated = mated.astype(bool)
    else:
        trials = pair_samples([""] * len(samples.labels), samples.labels, pairs=most)
        left, right, mated, labels = trials.left, trials.right, trials.mated, samples.labels
    scores = np.einsum("ij,ij->i", samples.vectors[left], samples.vectors[right])
    return Comparisons(scores.astype(np.float64), mated, labels[left], labels[right])
