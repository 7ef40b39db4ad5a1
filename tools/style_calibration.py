"""Calibrate the encoder of `styles`, and check its rates on other styles and photographs.

    python tools/style_calibration.py DATA MODELS PATTERNS FOLDER

The arguments are those of benchmarks/style_retrieval.py. The part `dev` is calibrated on, the rates
of `test` are printed. Writes plugins/siamkit_style/calibration.json.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from style_pictures import draw, photographs
from style_retrieval import embed_sets, encoder

from siamkit.embed.pipeline import open_pipeline
from siamkit.flows.calibrate import calibrate_by_trials
from siamkit.flows.score_trials import SampleVectors, score_pairs
from siamkit.flows.trials import pair_samples
from siamkit.stats.calibration import different_below, threshold_for_fmr
from siamkit.stats.calibration_fit import CalibrationTargets
from siamkit.stats.calibration_json import to_json
from siamkit_style import Styles

FMR = 0.01


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("data", "models", "patterns", "folder"):
        parser.add_argument(name, type=Path)
    options = parser.parse_args()
    rows, styles = embed(options, "dev")
    trials = pair_samples([""] * len(styles), styles)
    source = f"pictures drawn in {styles.max() + 1} styles"
    fingerprint = open_pipeline("styles", encoder=None, detector=None).encoder.fingerprint
    samples = SampleVectors(rows, np.ones(len(rows), bool))
    calibration = calibrate_by_trials(
        trials, samples, fingerprint, source, CalibrationTargets(fmr=FMR)
    )
    # Drawn styles are no crowd of a gallery: neighbours in one collection are more alike.
    calibration = replace(calibration, fpir_model=None)
    Styles.calibration.write_text(to_json(calibration) + "\n")
    same, different = threshold_for_fmr(calibration), different_below(calibration)
    print(f"same from {same.value:.3f} ({same.fmr}), different below {different:.3f}")
    print(f"{len(rows):,} {source}")
    for part in ("dev", "test"):
        rows, styles = embed(options, part)
        trials = pair_samples([""] * len(styles), styles)
        scores = score_pairs(rows, trials.left, trials.right)
        for kind, own in (("same", scores[trials.mated]), ("other", scores[~trials.mated])):
            print(
                f"{part}: {len(own):,} pairs of the {kind} style:"
                f" {np.mean(own >= same.value):.4f} same, {np.mean(own < different):.4f} different"
            )


def embed(options: argparse.Namespace, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the (n, dim) vectors of a part, and (n,) numbers of their styles."""
    draw(part, options.data, options.models, options.patterns, options.folder)
    shown = photographs(options.data, part)
    columns = {"styles": encoder("styles", None)}
    embedded = embed_sets(columns, options.folder, part, shown)["styles"].values()
    rows = np.concatenate([vectors.rows for vectors in embedded]).astype(np.float32)
    names = np.concatenate([vectors.styles for vectors in embedded])
    return rows, np.unique(names, return_inverse=True)[1]


if __name__ == "__main__":
    main()
