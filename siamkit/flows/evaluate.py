"""Evaluate: measure an encoder's error rates on labelled pairs, a folder, or a gallery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamkit.embed.pipeline import Pipeline
from siamkit.embed.rerankers import open_reranker
from siamkit.errors import BadInput
from siamkit.flows.read_trials import read_trial_table, read_trials
from siamkit.flows.score_trials import (
    SampleVectors,
    embed_samples,
    score_by_reranker,
    score_pairs,
    select_usable,
)
from siamkit.flows.trials import MOST_PAIRS, Trials, pair_samples
from siamkit.io.presentable import Presentable
from siamkit.io.sources import to_path, to_text
from siamkit.protocols import Reranker
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
from siamkit.types import Fault, Ids, Progress, Threshold


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation(Presentable):
    """One system on one set of trials."""

    name: str
    trials: Trials  # those that were compared
    scores: NDArray[np.float64]  # (n,) one per trial
    measured: VerificationMetrics
    identified: IdentificationMetrics | None = None  # 1:N, if every pair of samples is a trial

    def __repr__(self) -> str:
        """The outcome in short: `<Evaluation of faces/sface: 6,000 trials, EER 0.012>`."""
        eer = self.measured.eer.value
        return f"<Evaluation of {self.name}: {len(self.scores):,} trials, EER {eer:.3f}>"

    @property
    def faults(self) -> list[Fault]:
        """The lines and samples that could not be used."""
        return self.trials.faults

    @property
    def notes(self) -> list[str]:
        """Remarks for people, one line each."""
        return self.trials.notes


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """The measures to take of each encoder, and the pairs to take them on.

    Examples:
        >>> sk.EvaluationSettings(threshold=0.8).measured_by
        [None]
    """

    rerankers: Sequence[str | None] = ()  # to measure; None is the cosine, and so is an empty list
    normalise: bool = False  # measure adaptive S-norm too
    group: str | None = None  # a column of the trials, to report error rates by
    threshold: float | None = None  # to report error rates at; None for the default
    pairs: int = MOST_PAIRS  # of a folder or gallery, at most
    table: str | None = None  # of a database, or the sheet, that holds the trials
    encoding: str | None = None  # of a table that is not UTF-8

    @property
    def measured_by(self) -> list[str | None]:
        """The rerankers to measure, each once; None for the cosine."""
        return list(dict.fromkeys(self.rerankers)) or [None]


@dataclass(frozen=True, slots=True, eq=False)
class System:
    """An encoder to evaluate, and the threshold on its cosines to report error rates at."""

    name: str
    pipeline: Pipeline
    threshold: Threshold | None


def evaluate_systems(
    systems: Sequence[System], source: Path, settings: EvaluationSettings, progress: Progress
) -> list[Evaluation]:
    """Evaluate systems on a table of trials or a folder per identity."""
    is_text = systems[0].pipeline.modality.kind == "text"
    trials = read_trials(
        source,
        text=is_text,
        group=settings.group,
        pairs=settings.pairs,
        table=settings.table,
        encoding=settings.encoding,
    )
    keep_crops = any(settings.rerankers)
    results: list[Evaluation] = []
    for system in systems:  # before anything is embedded
        _open_rerankers(system, settings)
    if settings.normalise:
        snorm.require_cohort(len(np.unique(trials.identities)))
    for system in systems:
        samples = embed_samples(system.pipeline, trials, keep_crops=keep_crops, progress=progress)
        results += _evaluate(system, trials, samples, settings, progress, identify=source.is_dir())
    return results


def evaluate_gallery(
    store: Store, gallery: Gallery, system: System, settings: EvaluationSettings, progress: Progress
) -> list[Evaluation]:
    """Evaluate a system on pairs of a gallery's own samples.

    Raises BadInput for fewer than two identities, if none has two samples, or for settings that
    need more than templates.
    """
    if any(settings.rerankers) or settings.group:
        raise BadInput(
            "a gallery has no groups, and a reranker needs samples, not templates",
            hint="give a table of trials or a folder as well",
        )
    enrolled = load_vectors(store, gallery)
    sources = [s.source if s.inline else to_path(s.source) for s in enrolled.samples]
    trials = pair_samples(sources, enrolled.identity, pairs=settings.pairs)
    trials = replace(trials, digests=[sample.digest for sample in enrolled.samples])
    samples = SampleVectors(enrolled.vectors, np.ones(len(sources), np.bool_))
    return _evaluate(system, trials, samples, settings, progress, identify=True)


def evaluate_table(path: Path, settings: EvaluationSettings) -> Evaluation:
    """Evaluate a table of trials with scores of any program.

    Raises BadInput for a folder, which has no scores.
    """
    if path.is_dir():
        raise BadInput(
            f"{to_text(path)} is a folder, which has no scores",
            hint="score its pairs by an encoder: -m MODALITY or --gallery NAME",
        )
    trials = read_trial_table(
        path,
        scored=True,
        group=settings.group,
        table=settings.table,
        encoding=settings.encoding,
    )
    threshold = settings.threshold
    thresholds = {} if threshold is None else {"the given threshold": threshold}
    assert trials.scores is not None
    metrics = _measure(trials, trials.scores, thresholds)
    return Evaluation(path.name, trials, trials.scores, metrics)


def _evaluate(
    system: System,
    trials: Trials,
    samples: SampleVectors,
    settings: EvaluationSettings,
    progress: Progress,
    *,
    identify: bool,
) -> list[Evaluation]:
    """Evaluate a system by its cosines, by each reranker, and by adaptive S-norm.

    identify: measure 1:N too, as every pair of the samples is a trial. Raises BadInput if too
    little is left to measure.
    """
    trials = select_usable(trials, samples)

    def measure(
        suffix: str, scores: NDArray[np.float64], threshold: Threshold | None
    ) -> Evaluation:
        progress("measuring", 0, 0)
        thresholds = {"its threshold": threshold.value} if threshold else {}
        metrics = _measure(trials, scores, thresholds)
        return Evaluation(f"{system.name}{suffix}", trials, scores, metrics)

    cosines = score_pairs(samples.vectors, trials.left, trials.right, progress)
    results: list[Evaluation] = []
    for reranker in _open_rerankers(system, settings):
        if reranker is None:
            by_cosine = measure("", cosines, system.threshold)
            identified = _identify(system.pipeline, trials, samples, progress) if identify else None
            results.append(replace(by_cosine, identified=identified))
        else:
            probabilities = score_by_reranker(reranker, trials, samples, progress)
            limit = reranker.threshold if settings.threshold is None else system.threshold
            results.append(measure(f", {reranker.name}", probabilities, limit))
    if settings.normalise:
        results.append(measure(", S-norm", _normalise(trials, samples, cosines), None))
    return results


def _open_rerankers(system: System, settings: EvaluationSettings) -> list[Reranker[Any] | None]:
    """Open the rerankers to measure, None for the cosine. Raises BadInput for an unknown one."""
    names = settings.measured_by
    return [None if name is None else open_reranker(system.pipeline, name) for name in names]


def _measure(
    trials: Trials, scores: NDArray[np.float64], thresholds: Mapping[str, float]
) -> VerificationMetrics:
    return measure_verification(
        trials.to_comparisons(scores),
        folds=trials.folds,
        thresholds=thresholds,
        groups=trials.groups,
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
