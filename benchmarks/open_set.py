"""Test whether a target FPIR is kept at every gallery size.

    python benchmarks/open_set.py DATA [--cache FOLDER]

Identities are split: some calibrate, the others are enrolled or are strangers. There is one target,
without tuning, and for comparison a threshold fixed at an FMR of 0.001. Faces: one picture per
person. Questions: from QQP's 10 000 pairs of duplicates, so that 10 000 can be enrolled. Synthetic
vectors, of identities that are alike to different degrees, show larger galleries.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from decision_data import load

from siamkit.embed.pipeline import open_pipeline
from siamkit.stats.fpir import fit_fpir_model, threshold_for_fpir

TARGET, SIZES, REPEATS, GALLERIES = 0.01, (10, 100, 1_000, 7_000, 10_000), 10, 20


def faces(data: Path, cache: Path | None) -> np.ndarray:
    """One vector an identity."""
    samples = load(data, "faces", cache)
    return samples.vectors[np.unique(samples.labels, return_index=True)[1]]


def questions(data: Path, cache: Path | None) -> np.ndarray:
    """One question of each pair of duplicates, none twice."""
    path = cache / "questions-alone.npy" if cache else None
    if path and path.exists():
        return np.load(path)
    texts: dict[str, None] = {}
    used: set[str] = set()
    for name in ("qqp_duplicates_only.csv", "qqp_pairs.csv"):
        with (data / "questions/qqp" / name).open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                pair = {row["question1"].strip(), row["question2"].strip()}
                if "" not in pair and not pair & used:
                    texts[row["question1"].strip()] = None
                used |= pair
    encoder = open_pipeline("questions", encoder=None, detector=None).encoder
    ordered = sorted(texts, key=len)
    vectors = np.concatenate(
        [encoder.embed(ordered[start : start + 256]) for start in range(0, len(ordered), 256)]
    )
    if path:
        np.save(path, vectors)
    return vectors


def synthetic(count: int = 14_000, dim: int = 128) -> np.ndarray:
    """Unit vectors around a few hundred centres, some closer to theirs than others."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((300, dim))
    offsets = rng.standard_normal((count, dim)) * rng.uniform(0.6, 2.0, (count, 1))
    vectors = centres[rng.integers(300, size=count)] + offsets
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def measured(vectors: np.ndarray, calibrating: int) -> None:
    rates_by_size: dict[int, list[tuple[float, float]]] = {}
    for seed in range(REPEATS):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(vectors))
        calibrating_vectors, remaining = vectors[order[:calibrating]], order[calibrating:]
        block = calibrating_vectors @ calibrating_vectors.T
        non_mated = block[~np.eye(len(calibrating_vectors), dtype=bool)].reshape(
            len(calibrating_vectors), -1
        )
        fpir_model = fit_fpir_model([non_mated], len(calibrating_vectors))
        fixed = float(np.quantile(non_mated, 1 - 0.001))
        for size in SIZES:
            if size + 200 > len(remaining):
                continue
            limit = threshold_for_fpir(fpir_model, TARGET, size)
            for _ in range(GALLERIES if size < 5_000 else 2):
                drawn = rng.permutation(remaining)
                enrolled, probes = vectors[drawn[:size]], vectors[drawn[size:][:1_000]]
                best = (probes @ enrolled.T).max(axis=1)
                rates_by_size.setdefault(size, []).append(
                    (float(np.mean(best >= limit)), float(np.mean(best >= fixed)))
                )
    for size, rates in rates_by_size.items():
        ours, naive = np.mean(rates, axis=0)
        print(f"{size:9,} {ours:12.4f} {ours / TARGET:8.2f} {naive:18.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    sets = {
        "faces, calibrated on 800": (faces(options.data, options.cache), 800),
        "questions, calibrated on 1,500": (questions(options.data, options.cache), 1_500),
        "made by a seed, calibrated on 2,000": (synthetic(), 2_000),
    }
    for name, (vectors, calibrating) in sets.items():
        print(f"\n{name}, {len(vectors):,} identities, target {TARGET}")
        print(" enrolled         FPIR  /target   fixed at FMR 1e-3")
        measured(vectors, calibrating)


if __name__ == "__main__":
    main()
