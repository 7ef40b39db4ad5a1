"""Is a false positive identification rate kept, however many are enrolled?

    python open_set.py DATA [--cache FOLDER]

Identities are parted: some calibrate, the others are enrolled, or ask as strangers. One target, no
tuning in between; and beside it what a threshold fixed at a false match rate of 0.001 does. Faces:
one picture each. Questions: of QQP's 10 000 pairs of duplicates, so that 10 000 can be enrolled.
Vectors made by a seed, of identities that are alike to different degrees, show larger galleries.
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
    kept = cache / "questions-alone.npy" if cache else None
    if kept and kept.exists():
        return np.load(kept)
    texts: dict[str, None] = {}
    seen: set[str] = set()
    for name in ("qqp_duplicates_only.csv", "qqp_pairs.csv"):
        with (data / "questions/qqp" / name).open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                pair = {row["question1"].strip(), row["question2"].strip()}
                if "" not in pair and not pair & seen:
                    texts[row["question1"].strip()] = None
                seen |= pair
    encoder = open_pipeline("questions", encoder=None, detector=None).encoder
    ordered = sorted(texts, key=len)
    vectors = np.concatenate(
        [encoder.embed(ordered[start : start + 256]) for start in range(0, len(ordered), 256)]
    )
    if kept:
        np.save(kept, vectors)
    return vectors


def made(count: int = 14_000, dim: int = 128) -> np.ndarray:
    """Unit vectors around a few hundred centres, some closer to theirs than others."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((300, dim))
    own = rng.standard_normal((count, dim)) * rng.uniform(0.6, 2.0, (count, 1))
    vectors = centres[rng.integers(300, size=count)] + own
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def measured(vectors: np.ndarray, calibrating: int) -> None:
    found: dict[int, list[tuple[float, float]]] = {}
    for seed in range(REPEATS):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(vectors))
        own, rest = vectors[order[:calibrating]], order[calibrating:]
        block = own @ own.T
        others = block[~np.eye(len(own), dtype=bool)].reshape(len(own), -1)
        fpir_model = fit_fpir_model([others], len(own))
        fixed = float(np.quantile(others, 1 - 0.001))
        for size in SIZES:
            if size + 200 > len(rest):
                continue
            limit = threshold_for_fpir(fpir_model, TARGET, size)
            for _ in range(GALLERIES if size < 5_000 else 2):
                drawn = rng.permutation(rest)
                enrolled, probes = vectors[drawn[:size]], vectors[drawn[size:][:1_000]]
                best = (probes @ enrolled.T).max(axis=1)
                found.setdefault(size, []).append(
                    (float(np.mean(best >= limit)), float(np.mean(best >= fixed)))
                )
    for size, rates in found.items():
        ours, naive = np.mean(rates, axis=0)
        print(f"{size:9,} {ours:12.4f} {ours / TARGET:8.2f} {naive:18.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path)
    given = parser.parse_args()
    sets = {
        "faces, calibrated on 800": (faces(given.data, given.cache), 800),
        "questions, calibrated on 1,500": (questions(given.data, given.cache), 1_500),
        "made by a seed, calibrated on 2,000": (made(), 2_000),
    }
    for name, (vectors, calibrating) in sets.items():
        print(f"\n{name}, {len(vectors):,} identities, target {TARGET}")
        print(" enrolled         FPIR  /target   fixed at FMR 1e-3")
        measured(vectors, calibrating)


if __name__ == "__main__":
    main()
