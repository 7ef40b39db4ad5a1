"""Calibrate: measure what a gallery's scores mean, and keep it with the gallery."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np

from siamkit.embed.pipeline import Pipeline
from siamkit.errors import BadInput, Uncalibrated
from siamkit.flows import evaluate, trials
from siamkit.flows.evaluate import Embedded
from siamkit.flows.trials import Trials
from siamkit.stats import calibration_fit, drift, snorm
from siamkit.stats.calibration import threshold_for_fmr
from siamkit.stats.calibration_fit import CalibrationTargets
from siamkit.stats.comparisons import Comparisons
from siamkit.stats.fpir import fit_fpir_model, threshold_for_fpir
from siamkit.stats.scoring import fusion_of, leave_one_out, mated_cosine_of, uses_snorm
from siamkit.store import Gallery, Store, galleries, observations
from siamkit.store.gallery_vectors import load_vectors
from siamkit.types import Calibration, Fault, Progress, ignore_progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Ids, Vectors

PAIRS = 1_000_000  # comparisons of a gallery that are kept
PROBES = 2_000  # whose scores with all other identities the FPIR model is fitted to


def from_gallery(
    store: Store,
    gallery: Gallery,
    pipeline: Pipeline,
    *,
    normalise: bool | None = None,
    progress: Progress = ignore_progress,
    **aims: Unpack[CalibrationTargets],
) -> Calibration:
    """A calibration by the gallery itself: each sample against each identity, itself left out.

    Those are the comparisons that the gallery makes, scored as it scores them. normalise: by
    adaptive S-norm too; None: if the modality wishes it, and it is possible. aims: see
    siamkit.stats.calibration_fit.calibrate. Raises BadInput if the gallery has fewer than two
    identities, or none with two samples; or too few for an S-norm that was asked for.
    """
    fusion, mated = fusion_of(pipeline.modality), mated_cosine_of(pipeline.encoder)
    everybody = load_vectors(store, gallery)
    vectors, labels = everybody.vectors, everybody.identity
    identities = len(everybody.names)
    if identities < 2 or identities == len(labels):
        raise BadInput(
            f"gallery {gallery.name} has {identities:,} identities and {len(labels):,} samples:"
            " nothing to compare a second sample with",
            hint="enrol a second sample of some identities, or give --trials FILE",
        )
    if normalise and fusion != "best":
        raise BadInput(
            "S-norm compares with the nearest sample, and this gallery with the mean of all",
            hint="calibrate without S-norm",
        )

    source = f"gallery {gallery.name}, {identities:,} identities, {len(labels):,} samples"
    fingerprint = gallery.space.fingerprint

    def calibrated(what: str, scored: Iterator[tuple[Ids, NDArray[np.float32]]]) -> Calibration:
        made, blocks, persons = _everybody(labels, scored)
        progress("fitting", 0, 0)
        fpir_model = fit_fpir_model(blocks, persons)
        return calibration_fit.fit_calibration(
            made, fingerprint, source + what, fpir_model=fpir_model, fusion=fusion, **aims
        )

    def told(done: int) -> None:
        progress("comparing", done, len(labels))

    everyone = np.arange(len(labels))
    plain = calibrated("", leave_one_out(vectors, labels, everyone, fusion, mated, told))
    plain = replace(plain, pairs=_pairs(vectors, labels, fingerprint, f"{source}, pairs", aims))
    possible = (
        uses_snorm(pipeline.modality) and fusion == "best" and snorm.cohort_size(identities) > 0
    )
    if not (possible if normalise is None else normalise):
        return plain
    around = snorm.build_cohorts(vectors, labels, told)
    relative = snorm.leave_one_out(vectors, labels, around, told)
    return replace(plain, normalised=calibrated(", S-norm", relative))


def _pairs(
    vectors: Vectors, labels: Ids, fingerprint: str, source: str, aims: CalibrationTargets
) -> Calibration | None:
    """What single samples score with each other; None where that does not support the aims."""
    found = trials.all_pairs([""] * len(labels), labels, pairs=PAIRS)
    scores = evaluate.cosines(vectors, found.left, found.right)
    try:
        return calibration_fit.fit_calibration(found.compared(scores), fingerprint, source, **aims)
    except Uncalibrated:
        return None


def _everybody(
    labels: Ids, scored: Iterable[tuple[Ids, NDArray[np.float32]]]
) -> tuple[Comparisons, list[NDArray[np.float32]], int]:
    """Each probe against each identity; of some probes the scores with all others.

    scored: rows of probes and their (rows, identities) scores. Also, of how many identities those
    probes are.
    """
    rng = np.random.default_rng(0)
    identities = int(labels.max()) + 1
    share = min(1.0, PAIRS / (len(labels) * identities))
    crowd = _probes(labels, rng)
    scores, lefts, rights, blocks = [], [], [], []
    for rows, block in scored:
        own = labels[rows]
        # Of all others a sample drawn by a seed, of the own identities every one that can be.
        keep = rng.random(block.shape) < share if share < 1 else np.ones(block.shape, np.bool_)
        keep[np.arange(len(rows)), own] = True
        keep &= np.isfinite(block)
        at, right = np.nonzero(keep)
        scores.append(block[at, right].astype(np.float64))
        lefts.append(own[at])
        rights.append(right)
        others = np.ones(block.shape, np.bool_)
        others[np.arange(len(rows)), own] = False
        picked = crowd[rows]
        blocks.append(block[others].reshape(len(rows), -1)[picked])
    left, right = np.concatenate(lefts), np.concatenate(rights)
    made = Comparisons(np.concatenate(scores), left == right, left, right, share)
    return made, blocks, len(np.unique(labels[crowd]))


def _probes(labels: Ids, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(n,) which samples say what strangers score: one of each identity, then a second, …"""
    counts = np.bincount(labels)
    names = rng.permutation(len(counts))
    drawn = rng.permutation(len(labels))
    drawn = drawn[np.argsort(names[labels[drawn]], kind="stable")]
    counts = counts[np.argsort(names)]
    turn = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    picked = np.zeros(len(labels), np.bool_)
    picked[drawn[np.argsort(turn, kind="stable")][:PROBES]] = True
    return picked


def from_file(
    gallery: Gallery,
    pipeline: Pipeline,
    path: Path,
    *,
    left_out: Callable[[Fault], None],
    progress: Progress = ignore_progress,
    **aims: Unpack[CalibrationTargets],
) -> Calibration:
    """A calibration by a file of trials. left_out: is told of what cannot be used of it."""
    found = trials.of(path, text=pipeline.modality.kind == "text")
    embedded = evaluate.embed_trials(pipeline, found, progress=progress)
    kept, scores = evaluate.scored(found, embedded)
    for fault in [*found.faults, *embedded.faults]:
        left_out(fault)
    source = f"{path.name}, {len(kept):,} trials"
    return from_trials(kept, embedded, scores, gallery.space.fingerprint, source, **aims)


def from_trials(
    found: Trials,
    embedded: Embedded,
    scores: NDArray[np.float64],
    fingerprint: str,
    source: str,
    **aims: Unpack[CalibrationTargets],
) -> Calibration:
    """A calibration by labelled pairs of samples that are not enrolled.

    found, scores: the trials that were compared. The FPIR model is fitted to one
    sample of each identity, each against each. Otherwise as `from_gallery`.
    """
    usable = np.flatnonzero(embedded.usable)
    fine = usable[np.unique(found.identities[usable], return_index=True)[1]]
    picked = np.random.default_rng(0).permutation(len(fine))[:PROBES]
    blocks = []
    if len(fine) > 1:
        block = embedded.vectors[fine[picked]] @ embedded.vectors[fine].T
        others = np.ones(block.shape, np.bool_)
        others[np.arange(len(picked)), picked] = False
        blocks.append(block[others].reshape(len(picked), -1))
    return calibration_fit.fit_calibration(
        found.compared(scores),
        fingerprint,
        source,
        fpir_model=fit_fpir_model(blocks, len(picked)),
        **aims,
    )


def keep(store: Store, gallery: Gallery, calibration: Calibration) -> None:
    """Write a calibration to the store; from now on the gallery decides by it.

    Beside it, what its own samples score now: what queries score later is compared with that.

    Raises EncoderMismatch for one of another encoder, and if the gallery has been re-embedded;
    Uncalibrated if no cosine is high enough for its rates.
    """
    limit = threshold_for_fmr(calibration)
    size = galleries.count(store, gallery)[0]
    fpir_model = calibration.fpir_model
    among = threshold_for_fpir(fpir_model, calibration.fpir, size) if fpir_model and size else 0.0
    if max(limit.value, among) > 1:
        rate = f"false match rate of {calibration.fmr:g}"
        if limit.value <= 1:
            rate = f"false positive identification rate of {calibration.fpir:g}"
        raise Uncalibrated(
            f"no threshold has a {rate}: too many samples of two identities are as alike as copies",
            hint=f"`siamkit audit {gallery.name}` lists copies and doubles",
        )
    everybody = load_vectors(store, gallery)
    try:
        rows = drift.reference_scores(everybody.vectors, everybody.identity)
    except BadInput:  # too few to compare queries with; `siamkit audit --drift` says so
        rows = []
    with store.write():
        live = galleries.get(store, gallery.name)
        galleries.calibrate(store, live.id, live.space.fingerprint, limit, calibration)
        observations.replace_reference(store, live, rows)
