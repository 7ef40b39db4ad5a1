"""Embed the samples of trials, and score the pairs by cosine or by a reranker."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamkit.embed import batches, region_choosers
from siamkit.embed.batches import Job
from siamkit.embed.pipeline import Pipeline
from siamkit.embed.rerankers import judge_pairs
from siamkit.errors import BadInput
from siamkit.flows.trials import Trials
from siamkit.protocols import Reranker
from siamkit.types import Fault, Ids, Progress, Vectors, ignore_progress

PAIRS_PER_BLOCK = 65_536  # pairs scored at once


@dataclass(frozen=True, slots=True, eq=False)
class SampleVectors:
    """The vectors of the m samples of trials."""

    vectors: Vectors  # (m, dim); zeros where a sample could not be used
    usable: NDArray[np.bool_]  # (m,)
    crops: list[Any] = field(default_factory=list)  # (m,) if they were kept, for a reranker
    faults: list[Fault] = field(default_factory=list)  # one per sample that could not be used


def embed_samples(
    pipeline: Pipeline,
    trials: Trials,
    *,
    keep_crops: bool = False,
    progress: Progress = ignore_progress,
) -> SampleVectors:
    """Embed each sample once, by its largest region."""
    count = len(trials.samples)
    vectors = np.zeros((count, pipeline.encoder.dim), np.float32)
    usable = np.zeros(count, np.bool_)
    crops: list[Any] = [None] * count if keep_crops else []
    faults: list[Fault] = []
    jobs = (Job(sample, row) for row, sample in enumerate(trials.samples))
    done = 0
    for batch in batches.embed_all(pipeline, jobs, region_choosers.largest_region):
        for item in batch:
            if item.error:
                faults.append(Fault(str(item.error), item.name))
                continue
            vectors[item.job.tag] = item.regions[0].vector
            usable[item.job.tag] = True
            if keep_crops:
                crops[item.job.tag] = item.regions[0].crop
        done += len(batch)
        progress("embedding", done, count)
    return SampleVectors(vectors, usable, crops, faults)


def select_usable(trials: Trials, samples: SampleVectors) -> Trials:
    """Return the trials whose samples could be embedded, with the faults of the others.

    Raises BadInput if none is left.
    """
    compared = trials.select(samples.usable[trials.left] & samples.usable[trials.right])
    if not len(compared):
        first_fault = f"; the first: {samples.faults[0].reason}" if samples.faults else ""
        raise BadInput(f"none of {len(trials):,} trials can be compared{first_fault}")
    notes = list(trials.notes)
    if left_out := len(trials) - len(compared):
        notes.append(f"{left_out:,} trials are left out: one of their samples cannot be used")
    return replace(compared, faults=[*trials.faults, *samples.faults], notes=notes)


def score_by_reranker(
    reranker: Reranker[Any], trials: Trials, samples: SampleVectors, progress: Progress
) -> NDArray[np.float64]:
    """Return a reranker's (n,) probabilities. The crops of the samples must have been kept."""
    scores = judge_pairs(
        reranker,
        samples.crops,
        samples.vectors,
        trials.left,
        trials.right,
        lambda done: progress("scoring", done, len(trials)),
    )
    return scores.astype(np.float64)


def score_pairs(
    vectors: Vectors, left: Ids, right: Ids, progress: Progress = ignore_progress
) -> NDArray[np.float64]:
    """Return (n,) cosines in [-1, 1] of pairs of rows of (m, dim) unit vectors."""
    cosines = np.empty(len(left))
    for start in range(0, len(left), PAIRS_PER_BLOCK):
        stop = min(start + PAIRS_PER_BLOCK, len(left))
        rows = vectors[left[start:stop]], vectors[right[start:stop]]
        cosines[start:stop] = np.einsum("ij,ij->i", *rows)
        progress("scoring", stop, len(left))
    return np.clip(cosines, -1.0, 1.0)
