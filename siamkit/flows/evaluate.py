"""Evaluate: how often an encoder is wrong, on labelled pairs, on a folder, or on a gallery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.embed import batches, region_choosers
from siamkit.embed.batches import Job
from siamkit.embed.pipeline import Pipeline
from siamkit.embed.rerankers import judge, open_reranker
from siamkit.errors import BadInput
from siamkit.flows import trials
from siamkit.flows.trials import Trials
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
    from siamkit.types import Ids, Vectors

AT_ONCE = 65_536  # pairs


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """The samples of trials as vectors; those that could not be embedded are faults."""

    vectors: Vectors  # (m, dim); rows that are not usable are 0
    usable: NDArray[np.bool_]  # (m,)
    crops: list[Any]  # (m,) for a reranker; empty if none was announced
    faults: list[Fault] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """One system on one set of trials."""

    name: str
    trials: Trials  # those that were compared
    scores: NDArray[np.float64]  # (n,) of them
    measured: VerificationMetrics
    identified: IdentificationMetrics | None = None  # 1:N, where every pair of the samples counts
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class System:
    """What is evaluated: an encoder, with a threshold on its cosines whose error rates count."""

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
    pairs: int = trials.PAIRS,
    progress: Progress = ignore_progress,
) -> list[Evaluated]:
    """Each system on a file of trials or a folder per identity: see siamkit.Workspace.evaluate."""
    is_text = systems[0].pipeline.modality.kind == "text"
    found = trials.of(source, text=is_text, group=group, pairs=pairs)
    results: list[Evaluated] = []
    for system in systems:
        embedded = embed_trials(system.pipeline, found, crops=bool(rerankers), progress=progress)
        results += _evaluate_all(
            system,
            found,
            embedded,
            rerankers=[open_reranker(system.pipeline, name) for name in rerankers],
            normalise=normalise,
            everyone=source.is_dir(),
            progress=progress,
        )
    return results


def evaluate_gallery(
    store: Store,
    gallery: Gallery,
    system: System,
    *,
    normalise: bool = False,
    pairs: int = trials.PAIRS,
    progress: Progress = ignore_progress,
) -> list[Evaluated]:
    """A gallery's own samples, each against each, or so many pairs of them.

    Raises BadInput for fewer than two identities, or if none has two samples.
    """
    everybody = load_vectors(store, gallery)
    sources = [s.source if s.inline else Path(s.source) for s in everybody.samples]
    found = trials.all_pairs(sources, everybody.identity, pairs=pairs)
    embedded = Embedded(everybody.vectors, np.ones(len(sources), np.bool_), [])
    return _evaluate_all(
        system, found, embedded, normalise=normalise, everyone=True, progress=progress
    )


def embed_trials(
    pipeline: Pipeline, found: Trials, *, crops: bool = False, progress: Progress = ignore_progress
) -> Embedded:
    """Embed every sample once. Of several regions the largest counts.

    crops: keep them, for a reranker. Samples that cannot be used are faults, named.
    """
    vectors = np.zeros((len(found.samples), pipeline.encoder.dim), np.float32)
    usable = np.zeros(len(found.samples), np.bool_)
    kept: list[Any] = [None] * len(found.samples) if crops else []
    faults: list[Fault] = []
    jobs = (
        Job(sample, text=pipeline.is_text(sample), tag=row)
        for row, sample in enumerate(found.samples)
    )
    done = 0
    for batch in batches.embed_all(pipeline, jobs, region_choosers.largest_region):
        for item in batch:
            if item.error:
                faults.append(Fault(str(item.error), item.name))
                continue
            vectors[item.job.tag] = item.regions[0].vector
            usable[item.job.tag] = True
            if crops:
                kept[item.job.tag] = item.regions[0].crop
        done += len(batch)
        progress("embedding", done, len(found.samples))
    return Embedded(vectors, usable, kept, faults)


def _evaluate_all(
    system: System,
    found: Trials,
    embedded: Embedded,
    *,
    rerankers: Sequence[Reranker[Any]] = (),
    normalise: bool,
    everyone: bool,
    progress: Progress,
) -> list[Evaluated]:
    """One encoder by its cosines, by each reranker, and with `normalise` by adaptive S-norm."""
    name, pipeline = system.name, system.pipeline
    limits = {"its threshold": system.threshold.value} if system.threshold else {}
    results = [
        evaluate(
            name, found, embedded, pipeline, everyone=everyone, thresholds=limits, progress=progress
        )
    ]
    for reranker in rerankers:
        results.append(
            evaluate(
                f"{name}, {reranker.name}", found, embedded, pipeline, reranker=reranker,
                thresholds={"its threshold": reranker.threshold.value}, progress=progress,
            )
        )  # fmt: skip
    if normalise:
        results.append(
            evaluate(
                f"{name}, S-norm", found, embedded, pipeline, normalise=True, progress=progress
            )
        )
    return results


def evaluate(
    name: str,
    found: Trials,
    embedded: Embedded,
    pipeline: Pipeline,
    *,
    reranker: Reranker[Any] | None = None,
    normalise: bool = False,
    everyone: bool = False,
    thresholds: Mapping[str, float] | None = None,
    draws: int | None = None,
    progress: Progress = ignore_progress,
) -> Evaluated:
    """Score the trials whose samples could be embedded, and measure.

    reranker: its probabilities are the scores. normalise: adaptive S-norm of the cosines, with the
    samples themselves as cohort. everyone: the trials are all pairs of their samples, so that 1:N
    is measured too, in the way of the pipeline's modality. thresholds: by name, on the scores.
    Raises BadInput if too little is left to measure.
    """
    made, scores = scored(found, embedded, reranker, progress)
    notes = list(found.notes)
    if left_out := len(found) - len(made):
        notes.append(f"{left_out:,} trials are left out, for a sample of theirs cannot be used")
    rows = np.flatnonzero(embedded.usable)
    labels = np.unique(made.identities[rows], return_inverse=True)[1]
    if normalise:
        place = np.full(len(embedded.usable), -1)
        place[rows] = np.arange(len(rows))
        around = snorm.build_cohorts(embedded.vectors[rows], labels)
        scores = snorm.normalise_scores(scores, place[made.left], place[made.right], labels, around)
    progress("measuring", 0, 0)
    measured = measure_verification(
        made.compared(scores),
        folds=made.folds,
        thresholds=thresholds,
        groups=made.groups,
        draws=draws,
    )
    identified = None
    if everyone and not normalise and reranker is None and len(np.unique(labels)) < len(labels):
        searches = search_leave_one_out(
            embedded.vectors[rows], labels,
            fusion_of(pipeline.modality), mated_cosine_of(pipeline.encoder),
            progress=lambda now, total: progress("searching", now, total),
        )  # fmt: skip
        identified = measure_identification(searches)
    faults = [*found.faults, *embedded.faults]
    return Evaluated(name, made, scores, measured, identified, faults, notes)


def evaluate_file(
    path: Path, *, group: str | None = None, threshold: float | None = None
) -> Evaluated:
    """A file of trials with scores of any program. threshold: a score whose error rates count."""
    found = trials.from_file(path, scored=True, group=group)
    limits = {} if threshold is None else {"the given threshold": threshold}
    return evaluate_scores(path.name, found, thresholds=limits)


def evaluate_scores(
    name: str,
    found: Trials,
    *,
    thresholds: Mapping[str, float] | None = None,
    draws: int | None = None,
) -> Evaluated:
    """Measure trials that were scored elsewhere. Raises BadInput if they have no scores."""
    if found.scores is None:
        raise BadInput(f"{name} has no scores")
    measured = measure_verification(
        found.compared(found.scores),
        folds=found.folds,
        thresholds=thresholds,
        groups=found.groups,
        draws=draws,
    )
    return Evaluated(
        name, found, found.scores, measured, faults=list(found.faults), notes=list(found.notes)
    )


def scored(
    found: Trials,
    embedded: Embedded,
    reranker: Reranker[Any] | None = None,
    progress: Progress = ignore_progress,
) -> tuple[Trials, NDArray[np.float64]]:
    """The n trials whose samples could be embedded, and (n,) cosines, or a reranker's scores.

    Raises BadInput if there is none.
    """
    made = found.part(embedded.usable[found.left] & embedded.usable[found.right])
    if not len(made):
        first = f"; the first: {embedded.faults[0].reason}" if embedded.faults else ""
        raise BadInput(f"none of {len(found):,} trials can be compared{first}")
    scores = np.empty(len(made))
    for start in range(0, len(made), AT_ONCE):
        left, right = made.left[start : start + AT_ONCE], made.right[start : start + AT_ONCE]
        part = (
            cosines(embedded.vectors, left, right)
            if reranker is None
            else judge(
                reranker,
                [embedded.crops[i] for i in left],
                [embedded.crops[i] for i in right],
                embedded.vectors[left],
                embedded.vectors[right],
            )
        )
        scores[start : start + len(part)] = part
        progress("scoring", start + len(part), len(made))
    return made, scores


def cosines(vectors: Vectors, left: Ids, right: Ids) -> NDArray[np.float64]:
    """(n,) cosines of pairs of rows of unit vectors."""
    out = np.empty(len(left))
    for start in range(0, len(left), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        out[part] = np.einsum("ij,ij->i", vectors[left[part]], vectors[right[part]])
    return np.clip(out, -1.0, 1.0)
