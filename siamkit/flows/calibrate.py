"""Calibrate: measure what a gallery's scores mean, and save it with the gallery."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from siamkit.embed.pipeline import Pipeline
from siamkit.errors import BadInput, Uncalibrated
from siamkit.flows.score_trials import SampleVectors, embed_samples, score_pairs, select_usable
from siamkit.flows.trials import Trials, pair_samples
from siamkit.stats import calibration_fit, drift, snorm
from siamkit.stats.calibration import threshold_for_fmr
from siamkit.stats.calibration_fit import CalibrationTargets
from siamkit.stats.comparisons import Comparisons
from siamkit.stats.fpir import fit_fpir_model, threshold_for_fpir
from siamkit.stats.scoring import fusion_of, leave_one_out, mated_cosine_of, uses_snorm
from siamkit.store import Gallery, Store, calibrations, galleries, observations
from siamkit.store.gallery_vectors import load_vectors
from siamkit.types import Calibration, Fault, Ids, Progress, Vectors

MOST_COMPARISONS = 1_000_000  # of a gallery that a calibration is fitted to
PROBES = 2_000  # whose scores with all other identities the FPIR model is fitted to


def calibrate_by_gallery(
    store: Store,
    gallery: Gallery,
    pipeline: Pipeline,
    targets: CalibrationTargets,
    progress: Progress,
    *,
    normalise: bool | None,
) -> Calibration:
    """Calibrate by the gallery itself: each sample against each identity, itself left out.

    Those are the comparisons that the gallery makes, scored as it scores them. normalise: also by
    adaptive S-norm; None: if the modality prefers it and the gallery is large enough. Raises
    BadInput if the gallery has fewer than two identities, none with two samples, or too few for
    the S-norm that was asked for.
    """
    fusion, mated_cosine = fusion_of(pipeline.modality), mated_cosine_of(pipeline.encoder)
    enrolled = load_vectors(store, gallery)
    vectors, labels = enrolled.vectors, enrolled.identity
    identities = len(enrolled.names)
    if identities < 2 or identities == len(labels):
        raise BadInput(
            f"gallery {gallery.name} has {identities:,} identities and {len(labels):,} samples;"
            " calibration needs two identities, and two samples of at least one",
            hint="enrol more samples, or give `--trials FILE`",
        )
    if normalise and fusion != "best":
        raise BadInput(
            "S-norm needs scores of the nearest sample; this gallery scores by the mean of all",
            hint="calibrate without S-norm",
        )
    source = f"gallery {gallery.name}, {identities:,} identities, {len(labels):,} samples"
    fingerprint = gallery.space.fingerprint

    def fit(suffix: str, scores: Iterator[tuple[Ids, NDArray[np.float32]]]) -> Calibration:
        comparisons, blocks, probe_identities = _collect(labels, scores)
        progress("fitting", 0, 0)
        fpir_model = fit_fpir_model(blocks, probe_identities)
        return calibration_fit.fit_calibration(
            comparisons, fingerprint, source + suffix, targets, fpir_model=fpir_model, fusion=fusion
        )

    def count(done: int) -> None:
        progress("comparing", done, len(labels))

    probes = np.arange(len(labels))
    plain = fit("", leave_one_out(vectors, labels, probes, fusion, mated_cosine, count))
    pairs = _calibrate_pairs(vectors, labels, fingerprint, f"{source}, pairs", targets)
    plain = replace(plain, pairs=pairs)
    if normalise is None:
        large_enough = snorm.cohort_size(identities) > 0
        normalise = uses_snorm(pipeline.modality) and fusion == "best" and large_enough
    if not normalise:
        return plain
    cohorts = snorm.build_cohorts(vectors, labels, count)
    scores = snorm.normalised_leave_one_out(vectors, labels, cohorts, count)
    return replace(plain, normalised=fit(", S-norm", scores))


def _calibrate_pairs(
    vectors: Vectors, labels: Ids, fingerprint: str, source: str, targets: CalibrationTargets
) -> Calibration | None:
    """Calibrate scores of one sample with one; None if the data does not support the targets."""
    trials = pair_samples([""] * len(labels), labels, pairs=MOST_COMPARISONS)
    comparisons = trials.to_comparisons(score_pairs(vectors, trials.left, trials.right))
    try:
        return calibration_fit.fit_calibration(comparisons, fingerprint, source, targets)
    except Uncalibrated:
        return None


def _collect(
    labels: Ids, scores: Iterable[tuple[Ids, NDArray[np.float32]]]
) -> tuple[Comparisons, list[NDArray[np.float32]], int]:
    """Collect the comparisons to fit a calibration to, and those to fit an FPIR model to.

    labels: (n,) identities of the samples. scores: blocks of sample indices and their (rows,
    identities) scores. Returns all mated comparisons with a random share of the others, then the
    scores of up to PROBES samples with all other identities, and how many identities those probes
    have.
    """
    rng = np.random.default_rng(0)
    identities = int(labels.max()) + 1
    share = min(1.0, MOST_COMPARISONS / (len(labels) * identities))
    is_probe = _choose_probes(labels, rng)
    values, lefts, rights, probe_blocks = [], [], [], []
    for rows, block in scores:
        row_labels = labels[rows]
        keep = rng.random(block.shape) < share if share < 1 else np.ones(block.shape, np.bool_)
        keep[np.arange(len(rows)), row_labels] = True
        keep &= np.isfinite(block)
        kept_rows, right = np.nonzero(keep)
        values.append(block[kept_rows, right].astype(np.float64))
        lefts.append(row_labels[kept_rows])
        rights.append(right)
        probe_blocks.append(_scores_of_others(block, row_labels)[is_probe[rows]])
    left, right = np.concatenate(lefts), np.concatenate(rights)
    comparisons = Comparisons(np.concatenate(values), left == right, left, right, share)
    return comparisons, probe_blocks, len(np.unique(labels[is_probe]))


def _scores_of_others(block: NDArray[np.float32], own: Ids) -> NDArray[np.float32]:
    """Return the (n, m - 1) scores of a block without column own[i] of row i."""
    is_other = np.ones(block.shape, np.bool_)
    is_other[np.arange(len(own)), own] = False
    return block[is_other].reshape(len(own), -1)


def _choose_probes(labels: Ids, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return an (n,) mask of up to PROBES samples: one of each identity, then a second, …"""
    counts = np.bincount(labels)
    ranks = rng.permutation(len(counts))  # of the identities, in random order
    order = rng.permutation(len(labels))
    order = order[np.argsort(ranks[labels[order]], kind="stable")]
    counts = counts[np.argsort(ranks)]
    turn = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    is_probe = np.zeros(len(labels), np.bool_)
    is_probe[order[np.argsort(turn, kind="stable")][:PROBES]] = True
    return is_probe


def calibrate_by_file(
    gallery: Gallery,
    pipeline: Pipeline,
    trials: Trials,
    name: str,
    targets: CalibrationTargets,
    report_fault: Callable[[Fault], None],
    progress: Progress,
) -> Calibration:
    """Calibrate by the trials of a table or of a folder per identity.

    name: of the table or folder. report_fault: called with each trial and sample that cannot be
    used.
    """
    samples = embed_samples(pipeline, trials, progress=progress)
    trials = select_usable(trials, samples)
    for fault in trials.faults:
        report_fault(fault)
    source = f"{name}, {len(trials):,} trials"
    return calibrate_by_trials(trials, samples, gallery.space.fingerprint, source, targets)


def calibrate_by_trials(
    trials: Trials,
    samples: SampleVectors,
    fingerprint: str,
    source: str,
    targets: CalibrationTargets,
) -> Calibration:
    """Calibrate by labelled pairs of samples that are not enrolled.

    The FPIR model is fitted to one sample of each identity, each against each.
    """
    usable = np.flatnonzero(samples.usable)
    firsts = usable[np.unique(trials.identities[usable], return_index=True)[1]]
    probes = np.random.default_rng(0).permutation(len(firsts))[:PROBES]
    scores = score_pairs(samples.vectors, trials.left, trials.right)
    blocks = []
    if len(firsts) > 1:
        block = samples.vectors[firsts[probes]] @ samples.vectors[firsts].T
        blocks.append(_scores_of_others(block, probes))
    return calibration_fit.fit_calibration(
        trials.to_comparisons(scores),
        fingerprint,
        source,
        targets,
        fpir_model=fit_fpir_model(blocks, len(probes)),
    )


def save_calibration(store: Store, gallery: Gallery, calibration: Calibration) -> None:
    """Write a calibration to the store; from then on the gallery decides by it.

    Also writes the scores of the gallery's own samples, as the reference for drift. Raises
    EncoderMismatch for a calibration of another encoder, and if the gallery has been re-embedded;
    Uncalibrated if no cosine is high enough for its rates.
    """
    threshold = threshold_for_fmr(calibration)
    size, model = galleries.count(store, gallery)[0], calibration.fpir_model
    search_threshold = threshold_for_fpir(model, calibration.fpir, size) if model and size else 0.0
    if max(threshold.value, search_threshold) > 1:
        rate = f"false match rate of {calibration.fmr:g}"
        if threshold.value <= 1:
            rate = f"false positive identification rate of {calibration.fpir:g}"
        raise Uncalibrated(
            f"no threshold gives a {rate}: too many samples of different identities are as alike"
            " as copies",
            hint=f"`siamkit audit {gallery.name}` lists copies and twins",
        )
    enrolled = load_vectors(store, gallery)
    try:
        reference = drift.reference_scores(enrolled.vectors, enrolled.identity)
    except BadInput:  # too few samples for drift; `siamkit audit --drift` says so
        reference = []
    with store.write():
        live = galleries.get(store, gallery.name)
        calibrations.add(store, live.id, live.space.fingerprint, threshold, calibration)
        observations.replace_reference(store, live, reference)
