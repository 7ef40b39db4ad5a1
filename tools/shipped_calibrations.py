"""Write the calibrations that plugins ship, from the evaluation data.

    python shipped_calibrations.py DATA OUT

OUT/MODALITY.json; each belongs into its plugin's package as calibration.json. Every set of voices
counts alike: as many comparisons of each kind are drawn from it. Signatures are compared with
skilled forgeries, of the writers that their encoder was not trained on.
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
    score_by_cosine,
    select_usable,
)
from siamkit.flows.trials import Trials, pair_samples
from siamkit.stats.calibration_fit import CalibrationTargets
from siamkit.stats.calibration_json import to_json

DRAWN = 100  # comparisons of a kind that each set of voices gives
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
    given = parser.parse_args()
    given.out.mkdir(exist_ok=True)
    for modality, source in SOURCES.items():
        pipeline = open_pipeline(modality, encoder=None, detector=None)
        if modality == "questions":
            found = read_trial_table(given.data / "questions/trials.csv", text=True)
            embedded = embed_samples(pipeline, found)
        elif modality == "signatures":
            found = signatures(given.data / "signatures")
            embedded = embed_samples(pipeline, found)
        else:
            samples = load(given.data, modality, given.cache)
            found = pair_samples([""] * len(samples.labels), samples.labels)
            if modality == "voices":
                sets = np.array([Path(path).parts[-3] for _, path in listed(given.data, modality)])
                found = found.select(alike(found, sets))
            embedded = SampleVectors(samples.vectors, np.ones(len(samples.labels), bool))
        kept = select_usable(found, embedded)
        scores = score_by_cosine(kept, embedded.vectors)
        made = calibrate_by_trials(
            kept,
            embedded,
            scores,
            pipeline.encoder.fingerprint,
            source,
            CalibrationTargets(fmr=FMRS[modality]),
        )
        # 37 speakers are too few for an FPIR model, and nobody's signature is forged by a
        # crowd; and whether a question is answered already is not how often a question about
        # something else is.
        if modality != "faces":
            made = replace(made, fpir_model=None)
        text = to_json(made)
        (given.out / f"{modality}.json").write_text(text + "\n")
        print(modality, len(text), made.method, made.fmr, made.fpir, made.cllr, made.min_cllr)


def signatures(data: Path) -> Trials:
    """Each genuine signature against the others of its writer, and against forgeries of it."""
    kept = [signature for signature in read(data) if signature.validation]
    writers = np.unique([s.label for s in kept], return_inverse=True)[1]
    forged = np.array([s.forged for s in kept])
    left, right = np.triu_indices(len(kept), 1)
    wanted = (writers[left] == writers[right]) & ~(forged[left] & forged[right])
    left, right = left[wanted], right[wanted]
    return Trials(
        [data / s.path for s in kept],
        2 * writers + forged,  # a forger is somebody else
        left,
        right,
        ~(forged[left] | forged[right]),
    )


def alike(found: Trials, sets: np.ndarray) -> np.ndarray:
    """(n,) True for as many trials of each kind within each set."""
    rng, keep = np.random.default_rng(0), np.zeros(len(found), bool)
    inside = sets[found.left] == sets[found.right]
    for name in np.unique(sets):
        for kind in (found.mated, ~found.mated):
            rows = np.flatnonzero(inside & kind & (sets[found.left] == name))
            keep[rng.choice(rows, min(len(rows), DRAWN * 10), replace=False)] = True
    return keep


if __name__ == "__main__":
    main()
