"""Write the calibrations that plugins ship, from the evaluation data.

    python tools/shipped_calibrations.py DATA OUT [--cache FOLDER]

Reads DATA as the benchmarks do (see benchmarks/README.md), and writes OUT/MODALITY.json; copy each
to its plugin's package as plugins/siamkit_MODALITY/calibration.json. FOLDER keeps vectors between
runs. Every set of voices contributes the same number of comparisons of each kind. Signatures are
compared with skilled forgeries, of writers that their encoder was not trained on.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

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
    select_usable,
)
from siamkit.flows.trials import Trials, pair_samples
from siamkit.stats.calibration_fit import CalibrationTargets
from siamkit.stats.calibration_json import to_json

DRAWN = 1000  # comparisons of each kind that are drawn from each set of voices
SOURCES = {
    "faces": "LFW, aligned crops, 2,086 people",
    "voices": "LibriSpeech test-other and train-clean-100, Emo-DB, FSDD, 37 speakers",
    "questions": "Quora Question Pairs, 3,814 labelled pairs",
    "signatures": "CEDAR and BHSig260, skilled forgeries of 31 writers not trained on",
}
FMRS = {"faces": 0.001, "voices": None, "questions": None, "signatures": 0.1}


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
