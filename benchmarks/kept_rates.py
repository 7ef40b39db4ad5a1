"""Test whether a target FMR is kept on identities outside the calibration.

    python benchmarks/kept_rates.py DATA [--splits 200] [--cache FOLDER]

Each split draws identities for calibration, and tests on the others. Printed: how often the 95 %
interval of the realised FMR covers the target, first as `siamkit evaluate` computes it, over the
tested identities alone, then with the calibration resampled too, since its threshold is an
estimate; the mean realised FMR; and the quality of the probabilities on the tested identities.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from decision_data import MODALITIES, compared, load
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from siamkit.stats import reliability, score_maps
from siamkit.stats.comparisons import Comparisons, resample
from siamkit.stats.metrics import error_rates, operating_point, percentile_interval
from siamkit.stats.verification import rates_at

TARGETS = {"faces": 0.001, "signatures": 0.001, "voices": 0.01, "questions": 0.05}
DRAWS, PAIRS = 100, 60_000


def islands(comparisons: Comparisons) -> np.ndarray:
    """Identities that comparisons link: what a split may not part, if each is in few of them."""
    count = 1 + max(comparisons.left.max(), comparisons.right.max())
    graph = coo_array(
        (np.ones(len(comparisons)), (comparisons.left, comparisons.right)), shape=(count, count)
    )
    return connected_components(graph, directed=False)[1]


def split(comparisons: Comparisons, share: float, rng: np.random.Generator, units: np.ndarray):
    chosen = rng.random(units.max() + 1) < share
    inside = chosen[units[comparisons.left]].astype(int) + chosen[units[comparisons.right]]
    return comparisons[inside == 2], comparisons[inside == 0]


def measure_split(
    comparisons: Comparisons, target: float, share: float, seed: int, units: np.ndarray
):
    """Covered by the test's interval, by the joint one; realised FMR; Cllr gap; ECE."""
    train, test = split(comparisons, share, np.random.default_rng(seed), units)
    curve = error_rates(train.mated_scores, train.non_mated_scores)
    limit = operating_point(curve, target)[1]
    drawn = list(resample(test, DRAWS, seed))
    alone = percentile_interval(np.array([rates_at(c, limit)[0] for c in drawn]))
    limits = [operating_point(c, target)[1] for c in resample(train, DRAWS, seed + 1)]
    both = percentile_interval(
        np.array([rates_at(c, t)[0] for c, t in zip(drawn, limits, strict=True)])
    )
    realised = float(np.mean(test.non_mated_scores >= limit))
    # Where no error was seen, 3 / n may have been missed.
    missed = 3 / test.non_mated_identity_pairs if realised == 0 else 0.0
    knots, llrs = score_maps.fit_score_map(train, "logistic", seed)
    llr = np.interp(test.scores, knots, llrs)
    cost = reliability.cllr(llr[test.mated], llr[~test.mated])
    least = reliability.min_cllr(test.mated_scores, test.non_mated_scores)
    error = reliability.ece(1 / (1 + np.exp(-llr)), test.mated)
    covered = [low <= target <= max(high, missed) for low, high in (alone, both)]
    return *covered, realised, cost - least, error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    print("modality    calibrated on  target  covered: test, joint   realised   Cllr-min    ECE")
    for modality in MODALITIES:
        samples = load(options.data, modality, options.cache)
        comparisons = compared(samples, PAIRS)
        alone = np.arange(1 + max(comparisons.left.max(), comparisons.right.max()))
        units = islands(comparisons) if samples.pairs is not None else alone
        for share in (0.5, 0.8):
            rows = [
                measure_split(comparisons, TARGETS[modality], share, seed, units)
                for seed in range(options.splits)
            ]
            test, both, realised, gap, error = np.array(rows, float).T
            print(
                f"{modality:11} {share:13.0%} {TARGETS[modality]:7g} {test.mean():13.1%}"
                f" {both.mean():7.1%} {realised.mean():10.5f} {gap.mean():10.4f}"
                f" {error.mean():6.4f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
