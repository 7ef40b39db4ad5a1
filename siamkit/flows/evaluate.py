"""Evaluate: measure an encoder's error rates on labelled pairs, a folder, or a gallery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.embed.pipeline import Pipeline
from siamkit.embed.rerankers import open_reranker
from siamkit.errors import BadInput
from siamkit.flows.read_trials import read_trial_table, read_trials
from siamkit.flows.score_trials import (
    SampleVectors,
    embed_samples,
    score_by_cosine,
    score_by_reranker,
    select_usable,
)
from siamkit.flows.trials import MOST_PAIRS, Trials, pair_samples
from siamkit.io.sources import to_text
from siamkit.stats import snorm
from siamkit.stats.identification import (
    IdentificationMetrics,
    measure_identification,
    search_leave_one_out,
)
from siamkit.stats.scoring import fusion_of, mated_cosine_of
from siamkit.stats.verification import VerificationMetrics, measure_verification
from siamkit.store import Gallery, Store
from siamkit.store.gallery_vectors import load_vectors
from siamkit.types import Fault, Progress, Threshold, ignore_progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.protocols import Reranker
    from siamkit.types import Ids


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """One system on one set of trials."""

    name: str
    trials: Trials  # those that were compared
    scores: NDArray[np.float64]  # (n,) one per trial
    measured: VerificationMetrics
    identified: IdentificationMetrics | None = None  # 1:N, if every pair of samples is a trial

    @property
    def faults(self) -> list[Fault]:
        """The lines and samples that could not be used."""
        return self.trials.faults

    @property
    def notes(self) -> list[str]:
        """Remarks for people, one line each."""
        return self.trials.notes


@dataclass(frozen=True, slots=True, eq=False)
class System:
    """An encoder to evaluate, and the threshold on its cosines to report error rates at."""

    name: str
    pipeline: Pipeline
    threshold: Threshold | None


def evaluate_systems(
    systems: Sequence[System],
    source: Path,
    *,
    rerankers: Sequence[str] = (),
    normalise: bool = False,
    group: str | None = None,
    pairs: int = MOST_PAIRS,
    progress: Progress = ignore_progress,
) -> list[Evaluation]:
    """Evaluate systems on a table of trials or a folder per identity.

    See siamkit.Workspace.evaluate.
    """
    is_text = systems[0].pipeline.modality.kind == "text"
    trials = read_trials(source, text=is_text, group=group, pairs=pairs)
    results: list[Evaluation] = []
    for system in systems:
        results += _evaluate(
            system,
            trials,
            embed_samples(system.pipeline, trials, keep_crops=bool(rerankers), progress=progress),
            rerankers=[open_reranker(system.pipeline, name) for name in rerankers],
            normalise=normalise,
            identify=source.is_dir(),
            progress=progress,
        )
    return results


def evaluate_gallery(
    store: Store,
    gallery: Gallery,
    system: System,
    *,
    normalise: bool = False,
    pairs: int = MOST_PAIRS,
    progress: Progress = ignore_progress,
) -> list[Evaluation]:
    """Evaluate a system on pairs of a gallery's own samples, at most `pairs` of them.

    Raises BadInput for fewer than two identities, or if none has two samples.
    """
    enrolled = load_vectors(store, gallery)
    sources = [s.source if s.inline else Path(s.source) for s in enrolled.samples]
    trials = pair_samples(sources, enrolled.identity, pairs=pairs)
    samples = SampleVectors(enrolled.vectors, np.ones(len(sources), np.bool_))
    return _evaluate(system, trials, samples, normalise=normalise, identify=True, progress=progress)


def evaluate_table(
    path: Path, *, group: str | None = None, threshold: float | None = None
) -> Evaluation:
    """Evaluate a table of trials with scores of any program, also at a given threshold.

    Raises BadInput for a folder, which has no scores.
    """
    if path.is_dir():
        raise BadInput(
            f"{to_text(path)} is a folder, which has no scores",
            hint="score its pairs by an encoder: -m MODALITY or --gallery NAME",
        )
    trials = read_trial_table(path, scored=True, group=group)
    thresholds = {} if threshold is None else {"the given threshold": threshold}
    return evaluate_scores(path.name, trials, thresholds=thresholds)


def evaluate_scores(
    name: str,
    trials: Trials,
    *,
    thresholds: Mapping[str, float] | None = None,
    draws: int | None = None,
) -> Evaluation:
    """Measure trials that have scores. Raises BadInput if they have none.

    thresholds, draws: see siamkit.stats.verification.measure_verification.
    """
    if trials.scores is None:
        raise BadInput(f"{name} has no scores")
    metrics = _measure(trials, trials.scores, thresholds, draws)
    return Evaluation(name, trials, trials.scores, metrics)


def _evaluate(
    system: System,
    trials: Trials,
    samples: SampleVectors,
    *,
    rerankers: Sequence[Reranker[Any]] = (),
    normalise: bool,
    identify: bool,
    progress: Progress,
) -> list[Evaluation]:
    """Evaluate a system by its cosines, by each reranker, and with `normalise` by adaptive S-norm.

    identify: measure 1:N too, as every pair of the samples is a trial. Raises BadInput if too
    little is left to measure.
    """
    trials = select_usable(trials, samples)
    cosines = score_by_cosine(trials, samples.vectors, progress)
    progress("measuring", 0, 0)
    thresholds = {"its threshold": system.threshold.value} if system.threshold else {}
    metrics = _measure(trials, cosines, thresholds)
    identified = _identify(system.pipeline, trials, samples, progress) if identify else None
    results = [Evaluation(system.name, trials, cosines, metrics, identified)]
    for reranker in rerankers:
        probabilities = score_by_reranker(reranker, trials, samples, progress)
        progress("measuring", 0, 0)
        metrics = _measure(trials, probabilities, {"its threshold": reranker.threshold.value})
        name = f"{system.name}, {reranker.name}"
        results.append(Evaluation(name, trials, probabilities, metrics))
    if normalise:
        scores = _normalise(trials, samples, cosines)
        progress("measuring", 0, 0)
        metrics = _measure(trials, scores)
        results.append(Evaluation(f"{system.name}, S-norm", trials, scores, metrics))
    return results


def _measure(
    trials: Trials,
    scores: NDArray[np.float64],
    thresholds: Mapping[str, float] | None = None,
    draws: int | None = None,
) -> VerificationMetrics:
    return measure_verification(
        trials.to_comparisons(scores),
        folds=trials.folds,
        thresholds=thresholds,
        groups=trials.groups,
        draws=draws,
    )


def _usable_labels(trials: Trials, samples: SampleVectors) -> tuple[Ids, Ids]:
    """Return the indices of the usable samples, and their identities, numbered from 0."""
    usable = np.flatnonzero(samples.usable)
    return usable, np.unique(trials.identities[usable], return_inverse=True)[1]


def _identify(
    pipeline: Pipeline, trials: Trials, samples: SampleVectors, progress: Progress
) -> IdentificationMetrics | None:
    """Search for each sample among the others; None if no identity has two."""
    usable, labels = _usable_labels(trials, samples)
    if len(np.unique(labels)) == len(labels):
        return None
    searches = search_leave_one_out(
        samples.vectors[usable],
        labels,
        fusion_of(pipeline.modality),
        mated_cosine_of(pipeline.encoder),
        progress=lambda done, total: progress("searching", done, total),
    )
    return measure_identification(searches)


def _normalise(
    trials: Trials, samples: SampleVectors, cosines: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (n,) cosines after adaptive S-norm, with the samples themselves as cohort."""
    usable, labels = _usable_labels(trials, samples)
    row = np.full(len(samples.usable), -1)
    row[usable] = np.arange(len(usable))
    cohorts = snorm.build_cohorts(samples.vectors[usable], labels)
    return snorm.normalise_scores(cosines, row[trials.left], row[trials.right], labels, cohorts)
