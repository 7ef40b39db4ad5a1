"""Fit and calibrate the probabilities of `strokes`, and print what they are worth.

    python tools/strokes_calibration.py DATA plugins/siamkit_signatures/strokes --work FOLDER

Writes weights.json and calibration.json beside the graphs of tools/signature_strokes.py. Weights of
the score and of the network's logit are fitted to the 31 validation writers, whom neither network
was trained on. First prints the EER on skilled forgeries, with 1 and with several references, over
40 random halves of those writers, by weights fitted to the other half. FOLDER keeps what takes
long: canvases and vectors.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from shipped_calibrations import (
    DRAWS,
    FMRS,
    REFERENCES,
    SOURCES,
    keep_rates,
    read_signatures,
    report,
)
from sklearn.linear_model import LogisticRegression

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from siamkit.embed.pipeline import Pipeline, open_pipeline
from siamkit.flows.score_trials import embed_samples
from siamkit.flows.trials import Trials
from siamkit.sdk.onnx import session
from siamkit.stats.calibration import different_below, threshold_for_fmr
from siamkit.stats.calibration_fit import CalibrationTargets, fit_calibration
from siamkit.stats.calibration_json import to_json
from siamkit.stats.comparisons import Comparisons
from siamkit.stats.metrics import eer
from siamkit.stats.scoring import mated_cosine_of, mean_score
from siamkit.types import Calibration
from siamkit_signatures.modality import Signatures
from siamkit_signatures.strokes import views

SPLITS = 40
KNOTS = 41  # of a calibration
STRANGERS = 4000  # pairs of two writers
CANDIDATES = 0.5  # cosine from which a pair is worth judging: nobody's two signatures have less


@dataclass(frozen=True, eq=False)
class Scored:
    """Probes against references of one writer: n comparisons."""

    scores: np.ndarray  # (n,) cosines, or scores against the mean
    logits: np.ndarray  # (n,) of the network, the mean over the references
    mated: np.ndarray  # (n,) bool
    writers: np.ndarray  # (n,) int

    def fit(self, rows: np.ndarray) -> tuple[float, float, float]:
        """Fit weights of score and logit, and a bias, to some rows."""
        model = LogisticRegression(C=1e3, class_weight="balanced", max_iter=1000)
        model.fit(np.column_stack([self.scores, self.logits])[rows], self.mated[rows])
        weights = [*model.coef_[0].tolist(), float(model.intercept_[0])]
        of_score, of_logit, bias = (round(weight, 4) for weight in weights)
        return of_score, of_logit, bias

    def fused(self, weights: tuple[float, float, float]) -> np.ndarray:
        """Return log odds by these weights."""
        odds: np.ndarray = weights[0] * self.scores + weights[1] * self.logits + weights[2]
        return odds

    def eer(self, values: np.ndarray, rows: np.ndarray) -> float:
        """Return the EER of some rows."""
        return eer(values[rows & self.mated], values[rows & ~self.mated])[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    pipeline = open_pipeline("signatures", encoder=None, detector=None)
    trials = read_signatures(options.data)
    arrays, vectors = embed(trials, pipeline, options.work)
    parts = describe(arrays, options.out)
    of_trials = compare(parts, trials.left, trials.right, options.out)
    logits = {}
    for a, b, logit in zip(trials.left, trials.right, of_trials.tolist(), strict=True):
        logits[a, b] = logits[b, a] = logit
    mated_cosine = mated_cosine_of(pipeline.encoder)
    weights, calibrations = {}, []
    for count in (1, *REFERENCES):
        scored = score(trials, vectors, logits, count, mated_cosine)
        report_halves(count, scored)
        weights[count], calibration = calibrate(count, scored, pipeline.encoder.fingerprint)
        calibrations.append((count, calibration))
        if count == 1:
            left, right = draw_strangers(trials)
            cosines = np.einsum("nd,nd->n", vectors[left], vectors[right])
            of_strangers = compare(parts, left, right, options.out)
            writers = trials.identities[left] // 2
            strange = Scored(cosines, of_strangers, np.zeros(len(left), bool), writers)
            report_strangers(scored, strange, weights[1], calibration)
    single = replace(calibrations[0][1], of_means=tuple(calibrations[1:]))
    (options.out / "calibration.json").write_text(to_json(single) + "\n")
    facts = {
        "encoder": pipeline.encoder.fingerprint,
        "licence": "CEDAR, BHSig260: research only",
        "weights": weights,
        "threshold": asdict(threshold_for_fmr(single)),
        "candidates": CANDIDATES,
    }
    (options.out / "weights.json").write_text(json.dumps(facts, indent=1) + "\n")


def embed(trials: Trials, pipeline: Pipeline, work: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return folded canvases (n, height, width, 4) and vectors (n, dim) of the samples."""
    paths = work / "arrays.npy", work / "vectors.npy"
    if not all(path.exists() for path in paths):
        embedded = embed_samples(pipeline, trials, keep_crops=True)
        np.save(paths[0], np.stack([Signatures().array(crop) for crop in embedded.crops]))
        np.save(paths[1], embedded.vectors)
    arrays, vectors = (np.load(path) for path in paths)
    return arrays, vectors


def describe(arrays: np.ndarray, folder: Path) -> list[list[np.ndarray]]:
    """Return cells and keys of each folded canvas, in all views."""
    opened = session(folder / "describe.onnx")
    return [opened.run(None, {"arrays": views(array)}) for array in arrays]


def compare(
    parts: list[list[np.ndarray]], left: np.ndarray, right: np.ndarray, folder: Path
) -> np.ndarray:
    """Return the network's (n,) logits of pairs of described canvases."""
    opened, logits = session(folder / "compare.onnx"), []
    names = "cells", "keys", "others", "other_keys"
    for start in range(0, len(left), 32):
        sides = left[start : start + 32], right[start : start + 32]
        inputs = [np.concatenate([parts[i][k] for i in side]) for side in sides for k in (0, 1)]
        (of_views,) = opened.run(None, dict(zip(names, inputs, strict=True)))
        logits.append(of_views.reshape(len(sides[0]), -1).mean(axis=1))
    return np.concatenate(logits)


def draw_strangers(trials: Trials) -> tuple[np.ndarray, np.ndarray]:
    """Draw STRANGERS pairs of genuine signatures of two writers of one set."""
    rng = np.random.default_rng(0)
    sets = np.unique([Path(sample).parts[-3] for sample in trials.samples], return_inverse=True)[1]
    genuine = np.flatnonzero(trials.identities % 2 == 0)
    left, right = rng.choice(genuine, (2, 10 * STRANGERS))
    fit = (sets[left] == sets[right]) & (trials.identities[left] != trials.identities[right])
    return left[fit][:STRANGERS], right[fit][:STRANGERS]


def score(
    trials: Trials,
    vectors: np.ndarray,
    logits: dict[tuple[int, int], float],
    count: int,
    mated_cosine: float | None,
) -> Scored:
    """Score probes against so many references: all pairs for one, else DRAWS a writer."""
    rows = []
    if count == 1:
        cosines = np.einsum("nd,nd->n", vectors[trials.left], vectors[trials.right])
        of_pairs = [logits[pair] for pair in zip(trials.left, trials.right, strict=True)]
        writers = trials.identities[trials.left] // 2
        return Scored(cosines, np.array(of_pairs), trials.mated, writers)
    for writer, references, probe, mated in draw(trials.identities, count):
        score = mean_score(vectors[references], vectors[probe], mated_cosine)
        rows.append((score, np.mean([logits[probe, i] for i in references]), mated, writer))
    scores, of_network, mated_rows, of_writers = np.array(rows).T
    return Scored(scores, of_network, mated_rows == 1, of_writers.astype(int))


def draw(identities: np.ndarray, count: int) -> Iterator[tuple[int, np.ndarray, int, bool]]:
    """Yield writer, references, probe, and whether it is genuine."""
    rng = np.random.default_rng(0)
    for writer in np.unique(identities // 2):
        genuine = np.flatnonzero(identities == 2 * writer)
        forged = np.flatnonzero(identities == 2 * writer + 1)
        for _ in range(DRAWS):
            references = rng.permutation(genuine)[:count]
            for probe in np.setdiff1d(genuine, references):
                yield int(writer), references, int(probe), True
            for probe in forged:
                yield int(writer), references, int(probe), False


def report_halves(count: int, scored: Scored) -> None:
    """Print EERs over random halves of the writers, fused by weights of the other half."""
    writers, rng = np.unique(scored.writers), np.random.default_rng(0)
    rates = []
    for _ in range(SPLITS):
        tested = np.isin(scored.writers, rng.permutation(writers)[: (len(writers) + 1) // 2])
        fused = scored.fused(scored.fit(~tested))
        rates.append([scored.eer(v, tested) for v in (scored.scores, scored.logits, fused)])
    table = np.array(rates)
    gains = 1 - table[:, 2] / table[:, 0]
    every = np.ones(len(scored.mated), bool)
    names = zip(("score", "network", "both"), table.mean(0), table.std(0), strict=True)
    text = ", ".join(f"{name} {mean:.2%} ± {spread:.2%}" for name, mean, spread in names)
    whole = [scored.eer(v, every) for v in (scored.scores, scored.fused(scored.fit(every)))]
    print(f"references {count}: EER by {text}; less by {gains.mean():.0%} ± {gains.std():.0%},")
    print(
        f"  in {np.mean(gains > 0):.0%} of the halves; all writers {whole[0]:.2%}, {whole[1]:.2%}"
    )


def report_strangers(
    scored: Scored,
    strangers: Scored,
    weights: tuple[float, float, float],
    calibration: Calibration,
) -> None:
    """Print what becomes of other people's signatures, beside genuine ones of `scored`."""
    same, different = threshold_for_fmr(calibration).value, different_below(calibration)
    probabilities = to_probability(strangers.fused(weights))
    by_cosine = eer(scored.scores[scored.mated], strangers.scores)[0]
    by_both = eer(scored.fused(weights)[scored.mated], strangers.fused(weights))[0]
    shares = np.mean(probabilities >= same), np.mean(probabilities < different)
    print(
        f"  {STRANGERS} random forgeries: EER by score {by_cosine:.2%}, both {by_both:.2%};", end=""
    )
    print(" same {:.2%}, different {:.2%}".format(*shares))


def calibrate(
    count: int, scored: Scored, fingerprint: str
) -> tuple[tuple[float, float, float], Calibration]:
    """Return weights, whose log odds are log-likelihood ratios, and what they are worth.

    Both kinds weigh the same in the fit. The limits are as cautious as those of the cosine.
    """
    weights, left = scored.fit(np.ones(len(scored.mated), bool)), 2 * scored.writers
    source = f"{SOURCES['signatures']}, by strokes, {count} reference{'s' * (count > 1)}"
    of_odds = fit_calibration(
        Comparisons(scored.fused(weights), scored.mated, left, left + ~scored.mated),
        fingerprint,
        source,
        CalibrationTargets(fmr=FMRS["signatures"], method="logistic"),
        fusion=None if count == 1 else "mean",
    )
    odds = np.linspace(min(of_odds.llrs), max(of_odds.llrs), KNOTS)
    calibration = replace(
        of_odds,
        scores=tuple(np.round(to_probability(odds), 6).tolist()),
        llrs=tuple(np.round(odds, 6).tolist()),
    )
    probabilities = to_probability(scored.fused(weights))
    comparisons = Comparisons(probabilities, scored.mated, left, left + ~scored.mated)
    report(count, calibration := keep_rates(calibration, comparisons), comparisons)
    return weights, calibration


def to_probability(odds: np.ndarray) -> np.ndarray:
    probabilities: np.ndarray = 1 / (1 + np.exp(-odds))
    return probabilities


if __name__ == "__main__":
    main()
