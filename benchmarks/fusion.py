"""Compare fused face, voice and signature scores with the best of them alone.

    python benchmarks/fusion.py DATA [--cache FOLDER] [--people 30]

Identities are chimeric: each joins one person of every set. Half of them calibrate each modality;
the others are verified, each pair of samples against another. Repeated over seeds. No score is
changed: each modality is as weak as it is. Printed: EER, Cllr and minimum Cllr of every modality
alone and of sums of log-likelihood ratios, also with one modality missing.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np
from decision_data import load

from siamkit.stats import reliability
from siamkit.stats.calibration import llr
from siamkit.stats.calibration_fit import CalibrationTargets, fit_calibration
from siamkit.stats.comparisons import Comparisons
from siamkit.stats.metrics import eer, fnmr_at

MODALITIES = ("faces", "voices", "signatures")
SEEDS, TRIALS = 20, 20_000
TARGETS = CalibrationTargets(fmr=0.1, method="logistic")


def people(samples, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Rows of so many identities with two samples or more."""
    rows_of = [np.flatnonzero(samples.labels == n) for n in range(samples.labels.max() + 1)]
    rows_of = [rows for rows in rows_of if len(rows) > 1]
    return [rows_of[n] for n in rng.permutation(len(rows_of))[:count]]


def scored(samples, rows: list[np.ndarray], pairs: np.ndarray, rng) -> np.ndarray:
    """(n,) cosines of a sample of the one to a sample of the other of each pair."""
    out = np.empty(len(pairs))
    for at, (a, b) in enumerate(pairs):
        if a == b:
            left, right = rng.choice(rows[a], 2, replace=False)
        else:
            left, right = rng.choice(rows[a]), rng.choice(rows[b])
        out[at] = samples.vectors[left] @ samples.vectors[right]
    return out


def drawn(count: int, rng) -> np.ndarray:
    same = np.repeat(rng.integers(count, size=TRIALS // 4), 2).reshape(-1, 2)
    pairs = rng.integers(count, size=(TRIALS, 2))
    return np.concatenate([same, pairs[pairs[:, 0] != pairs[:, 1]]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--people", type=int, default=36)
    options = parser.parse_args()
    data = {name: load(options.data, name, options.cache) for name in MODALITIES}
    rows: dict[str, list[tuple[float, ...]]] = {}
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        identities = {name: people(samples, options.people, rng) for name, samples in data.items()}
        half = options.people // 2
        train, test = drawn(half, rng), drawn(half, rng)
        mated = test[:, 0] == test[:, 1]
        llrs = {}
        for name, samples in data.items():
            fitted = scored(samples, identities[name][:half], train, rng)
            comparisons = Comparisons(fitted, train[:, 0] == train[:, 1], train[:, 0], train[:, 1])
            calibration = fit_calibration(comparisons, "", "", TARGETS)
            raw = scored(samples, identities[name][half:], test, rng)
            llrs[name] = llr(calibration, raw)
        for size in (1, 2, 3):
            for names in combinations(MODALITIES, size):
                total = np.sum([llrs[name] for name in names], axis=0)
                mated_llrs, non_mated = total[mated], total[~mated]
                rows.setdefault(" + ".join(names), []).append(
                    (
                        eer(mated_llrs, non_mated)[0],
                        fnmr_at(mated_llrs, non_mated, 0.01)[0],
                        reliability.cllr(mated_llrs, non_mated),
                        reliability.min_cllr(mated_llrs, non_mated),
                        float(np.mean(non_mated >= np.log(100))),
                    )
                )
    print(f"{'':30} {'EER':>7} {'FNMR@1e-2':>10} {'Cllr':>7} {'min':>7} {'FMR at ln 100':>14}")
    for name, rates in rows.items():
        rate, missed, cost, least, wrong = np.mean(rates, axis=0)
        print(f"{name:30} {rate:7.4f} {missed:10.4f} {cost:7.4f} {least:7.4f} {wrong:14.5f}")


if __name__ == "__main__":
    main()
