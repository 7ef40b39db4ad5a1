"""Measure whether adaptive S-norm lowers the FNMR at an FMR of 0.001.

    python benchmarks/snorm.py DATA [--cache FOLDER]

Half of the identities are the cohort, the others are compared; five splits. `siamkit evaluate
--snorm` does the same, with the compared samples as each other's cohort.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from decision_data import load

from siamkit.flows.trials import pair_samples
from siamkit.stats import scoring, snorm
from siamkit.stats.metrics import eer, fnmr_at

SPLITS, PAIRS = 5, 200_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    print(f"{'':12} {'nearest':>8} {'EER':>8} {'FNMR@1e-2':>10} {'FNMR@1e-3':>10}")
    for modality in ("faces", "signatures", "voices"):
        samples = load(options.data, modality, options.cache)
        rows: dict[str, list[tuple[float, ...]]] = {}
        for seed in range(SPLITS):
            rng = np.random.default_rng(seed)
            names = rng.permutation(samples.labels.max() + 1)
            cohort = np.isin(samples.labels, names[: len(names) // 2])
            probes = np.flatnonzero(~cohort)
            labels = np.unique(samples.labels[probes], return_inverse=True)[1]
            comparisons = pair_samples([""] * len(probes), labels, pairs=PAIRS, seed=seed)
            vectors = samples.vectors[probes]
            raw = np.einsum("ij,ij->i", vectors[comparisons.left], vectors[comparisons.right])
            rows.setdefault("raw", []).append(rated(raw, comparisons.mated))
            for nearest in (10, 50, 200):
                near = against(samples, probes, cohort, nearest)
                if near is None:
                    continue
                own = np.arange(len(probes))
                scores = snorm.normalise_scores(
                    raw.astype(np.float64), comparisons.left, comparisons.right, own, near
                )
                rows.setdefault(str(nearest), []).append(rated(scores, comparisons.mated))
        for name, rates in rows.items():
            rate, two, three = np.mean(rates, axis=0)
            print(f"{modality:12} {name:>8} {rate:8.4f} {two:10.4f} {three:10.4f}", flush=True)
    print(
        "as a gallery serves it: each sample against the nearest of each identity, itself left out"
    )
    print(f"{'':12} {'':>8} {'EER':>8} {'FNMR@1e-2':>10} {'FNMR@1e-3':>10} {'FNIR@FPIR 1e-2':>15}")
    for modality in ("faces", "signatures", "voices"):
        samples = load(options.data, modality, options.cache)
        rates_by_name: dict[str, list[tuple[float, ...]]] = {"plain": [], "S-norm": []}
        for seed in range(SPLITS):
            names = np.random.default_rng(seed).permutation(samples.labels.max() + 1)
            half = np.isin(samples.labels, names[: len(names) // 2])
            vectors = samples.vectors[half]
            labels = np.unique(samples.labels[half], return_inverse=True)[1]
            everyone = np.arange(len(labels))
            around = snorm.build_cohorts(vectors, labels)
            for name, blocks in (
                ("plain", scoring.leave_one_out(vectors, labels, everyone)),
                ("S-norm", snorm.normalised_leave_one_out(vectors, labels, around)),
            ):
                rates_by_name[name].append(served(blocks, labels))
        for name, rows in rates_by_name.items():
            rate, two, three, missed = np.mean(rows, axis=0)
            print(
                f"{modality:12} {name:>8} {rate:8.4f} {two:10.4f} {three:10.4f} {missed:15.4f}",
                flush=True,
            )


def against(samples, probes: np.ndarray, cohort: np.ndarray, nearest: int):
    """The cohorts of probes among other people; None if those are fewer."""
    names, owners = np.unique(samples.labels[cohort], return_inverse=True)
    if nearest + 2 > len(names):
        return None
    order = np.argsort(owners, kind="stable")
    starts = np.searchsorted(owners[order], np.arange(len(names)))
    scores = samples.vectors[probes] @ samples.vectors[cohort][order].T
    best = -np.sort(-np.maximum.reduceat(scores, starts, axis=1), axis=1)[:, : nearest + 1]
    # Nobody of the cohort is compared, so whose scores they are does not matter.
    return snorm.cohorts_from_scores(best, np.full(best.shape, -1))


def served(blocks, labels: np.ndarray) -> tuple[float, ...]:
    """EER, FNMR at two rates, and FNIR where 1 % of the strangers are identified."""
    mated_scores, non_mated_scores, highest = [], [], []
    for rows, scores in blocks:
        at = np.arange(len(rows)), labels[rows]
        scores_own = scores[at]
        scores[at] = -np.inf
        mated_scores.append(scores_own[np.isfinite(scores_own)])
        non_mated_scores.append(scores[np.isfinite(scores)])
        highest.append(scores.max(axis=1))
    mated_all, non_mated_all = np.concatenate(mated_scores), np.concatenate(non_mated_scores)
    limit = np.quantile(np.concatenate(highest), 0.99)
    scores, mated = (
        np.append(mated_all, non_mated_all),
        np.arange(len(mated_all) + len(non_mated_all)) < len(mated_all),
    )
    return *rated(scores, mated), float(np.mean(mated_all < limit))


def rated(scores: np.ndarray, mated: np.ndarray) -> tuple[float, ...]:
    mated_scores, non_mated_scores = scores[mated], scores[~mated]
    return (
        eer(mated_scores, non_mated_scores)[0],
        fnmr_at(mated_scores, non_mated_scores, 0.01)[0],
        fnmr_at(mated_scores, non_mated_scores, 0.001)[0],
    )


if __name__ == "__main__":
    main()
