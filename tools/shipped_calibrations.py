"""Write the calibrations that plugins ship, from the evaluation data.

    python tools/shipped_calibrations.py DATA OUT [--cache FOLDER]

Reads DATA as the benchmarks do (see benchmarks/README.md), and writes OUT/MODALITY.json; copy each
to its plugin's package as plugins/siamkit_MODALITY/calibration.json. FOLDER keeps vectors between
runs. Every set of voices contributes the same number of comparisons of each kind. Signatures are
compared with skilled forgeries, of writers that their encoder was not trained on; their thresholds
keep a rate with the upper end of its 99 % interval over writers, so as to keep it with others.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from decision_data import listed, load
from signature_trials import read

from siamkit.embed.pipeline import open_pipeline
from siamkit.flows.calibrate import calibrate_by_trials
from siamkit.flows.read_trials import read_trial_table
from siamkit.flows.score_trials import (
    SampleVectors,
    embed_samples,
    score_pairs,
    select_usable,
)
from siamkit.flows.trials import Trials, pair_samples
from siamkit.protocols import Encoder
from siamkit.stats.calibration import different_below, threshold_for_fmr
from siamkit.stats.calibration_fit import CalibrationTargets, fit_calibration
from siamkit.stats.calibration_json import to_json
from siamkit.stats.comparisons import Comparisons
from siamkit.stats.scoring import mated_cosine_of, mean_score
from siamkit.types import Calibration, ErrorCurve

DRAWN = 1000  # comparisons of each kind that are drawn from each set of voices
SOURCES = {
    "faces": "LFW, aligned crops, 2,086 people",
    "voices": "LibriSpeech test-other and train-clean-100, Emo-DB, FSDD, 37 speakers",
    "questions": "Quora Question Pairs, 3,814 labelled pairs",
    "signatures": "CEDAR and BHSig260, skilled forgeries of 31 writers not trained on",
}
FMRS = {"faces": 0.001, "voices": None, "questions": None, "signatures": 0.1}
CAUTIOUS_FMR = 0.03  # of signatures: at most so many skilled forgeries are the same
RESAMPLES, UPPER, LOWEST = 4000, 0.995, 0.02  # of writers; of an interval; the lowest rate stated
REFERENCES, DRAWS = (2, 3, 5, 8), 10  # of a signature; drawings of them from a writer's


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    for modality, source in SOURCES.items():
        pipeline = open_pipeline(modality, encoder=None, detector=None)
        if modality == "questions":
            comparisons = read_trial_table(options.data / "questions/trials.csv", text=True)
            embedded = embed_samples(pipeline, comparisons)
        elif modality == "signatures":
            comparisons = read_signatures(options.data / "signatures")
            embedded = embed_samples(pipeline, comparisons)
        else:
            samples = load(options.data, modality, options.cache)
            comparisons = pair_samples([""] * len(samples.labels), samples.labels)
            if modality == "voices":
                files = listed(options.data, modality)
                sets = np.array([Path(path).parts[-3] for _, path in files])
                comparisons = comparisons.select(draw_evenly(comparisons, sets))
            embedded = SampleVectors(samples.vectors, np.ones(len(samples.labels), bool))
        usable = select_usable(comparisons, embedded)
        calibration = calibrate_by_trials(
            usable,
            embedded,
            pipeline.encoder.fingerprint,
            source,
            CalibrationTargets(fmr=FMRS[modality]),
        )
        # Only faces get an FPIR model: 37 speakers are too few, forgers of a signature are not a
        # crowd, and two questions on different topics are not mistaken for each other.
        if modality != "faces":
            calibration = replace(calibration, fpir_model=None)
        if modality == "signatures":
            calibration = calibrate_signatures(calibration, usable, embedded, pipeline.encoder)
        text = to_json(calibration)
        (options.out / f"{modality}.json").write_text(text + "\n")
        rates = calibration.fmr, calibration.fpir, calibration.cllr, calibration.min_cllr
        print(modality, len(text), calibration.method, *rates)


def read_signatures(data: Path) -> Trials:
    """Pair each genuine signature with the others of its writer, and with forgeries of it."""
    samples = [signature for signature in read(data) if signature.validation]
    writers = np.unique([s.label for s in samples], return_inverse=True)[1]
    forged = np.array([s.forged for s in samples])
    left, right = np.triu_indices(len(samples), 1)
    is_trial = (writers[left] == writers[right]) & ~(forged[left] & forged[right])
    left, right = left[is_trial], right[is_trial]
    return Trials(
        [data / s.path for s in samples],
        2 * writers + forged,  # a forger is somebody else
        left,
        right,
        ~(forged[left] | forged[right]),
    )


def calibrate_signatures(
    calibration: Calibration, trials: Trials, samples: SampleVectors, encoder: Encoder[Any]
) -> Calibration:
    """Make a calibration of pairs cautious, and add those of several references."""
    comparisons = trials.to_comparisons(score_pairs(samples.vectors, trials.left, trials.right))
    report(1, single := keep_rates(calibration, comparisons), comparisons)
    mated_cosine = mated_cosine_of(encoder)
    of_means = [
        (count, calibrate_mean(count, trials, samples, mated_cosine, encoder.fingerprint))
        for count in REFERENCES
    ]
    return replace(single, of_means=tuple(of_means))


def keep_rates(calibration: Calibration, comparisons: Comparisons) -> Calibration:
    """Replace the thresholds by those that keep their rates with the upper limit over writers."""
    scores, mated, writers = comparisons.scores, comparisons.mated, comparisons.left // 2
    rates = np.geomspace(1, LOWEST, 35)
    grid = np.linspace(scores.min(), 1, 1001)
    false_matches = upper_limits(scores, writers, ~mated, grid, above=True)
    false_non_matches = upper_limits(scores, writers, mated, grid, above=False)
    same = [grid[np.argmax(false_matches <= rate)] for rate in rates]
    different = [grid[len(grid) - 1 - np.argmax(false_non_matches[::-1] <= rate)] for rate in rates]
    curves = [
        ErrorCurve(tuple(np.round(rates, 6).tolist()), tuple(np.round(values, 6).tolist()))
        for values in (same, different)
    ]
    return replace(
        calibration, fmr=CAUTIOUS_FMR, false_matches=curves[0], false_non_matches=curves[1]
    )


def calibrate_mean(
    count: int, trials: Trials, samples: SampleVectors, mated_cosine: float | None, fingerprint: str
) -> Calibration:
    """Calibrate the score against the mean of so many signatures, DRAWS times drawn a writer."""
    identities, rng = trials.identities, np.random.default_rng(0)
    scores, mated, writers = [], [], []
    for writer in np.unique(identities // 2):
        genuine = np.flatnonzero(identities == 2 * writer)
        forged = np.flatnonzero(identities == 2 * writer + 1)
        for _ in range(DRAWS):
            references = rng.permutation(genuine)[:count]
            probes = np.concatenate([np.setdiff1d(genuine, references), forged])
            enrolled = samples.vectors[references]
            scores += [mean_score(enrolled, samples.vectors[at], mated_cosine) for at in probes]
            mated += (identities[probes] == 2 * writer).tolist()
            writers += [writer] * len(probes)
    is_mated, left = np.array(mated), 2 * np.array(writers)
    comparisons = Comparisons(np.array(scores), is_mated, left, left + ~is_mated)
    source = f"{SOURCES['signatures']}, {count} references"
    targets = CalibrationTargets(fmr=FMRS["signatures"])
    calibration = fit_calibration(comparisons, fingerprint, source, targets, fusion="mean")
    report(count, calibration := keep_rates(calibration, comparisons), comparisons)
    return calibration


def report(count: int, calibration: Calibration, comparisons: Comparisons) -> None:
    """Print the limits, and how many of these comparisons each decision is given to."""
    same, different = threshold_for_fmr(calibration).value, different_below(calibration)
    shares = [
        f"{np.mean(scores >= same):.1%} same, {np.mean(scores < different):.1%} different"
        for scores in (comparisons.mated_scores, comparisons.non_mated_scores)
    ]
    limits = f"same from {same:.3f}, different below {different:.3f}"
    print(f"references {count}: {limits}; genuine: {shares[0]}; forged: {shares[1]}")


def upper_limits(
    scores: np.ndarray, writers: np.ndarray, chosen: np.ndarray, grid: np.ndarray, *, above: bool
) -> np.ndarray:
    """Return the upper limit of an error rate at each threshold, over resampled writers.

    above: the errors are scores at or above the threshold, or else those below it.
    """
    numbers = np.unique(writers)
    errors, totals = np.zeros((len(numbers), len(grid))), np.zeros(len(numbers))
    for row, writer in enumerate(numbers):
        ordered = np.sort(scores[chosen & (writers == writer)])
        below = np.searchsorted(ordered, grid)
        totals[row] = len(ordered)
        errors[row] = len(ordered) - below if above else below
    rng = np.random.default_rng(0)
    weights = rng.multinomial(len(numbers), np.full(len(numbers), 1 / len(numbers)), RESAMPLES)
    limits = np.quantile(weights @ errors / (weights @ totals)[:, None], UPPER, axis=0)
    return np.minimum.accumulate(limits) if above else np.maximum.accumulate(limits)


def draw_evenly(comparisons: Trials, sets: np.ndarray) -> np.ndarray:
    """Return (n,) True for equally many trials of each kind within each set."""
    rng, keep = np.random.default_rng(0), np.zeros(len(comparisons), bool)
    set_of = sets[comparisons.left]
    inside = set_of == sets[comparisons.right]
    for name in np.unique(sets):
        for kind in (comparisons.mated, ~comparisons.mated):
            rows = np.flatnonzero(inside & kind & (set_of == name))
            keep[rng.choice(rows, min(len(rows), DRAWN), replace=False)] = True
    return keep


if __name__ == "__main__":
    main()
