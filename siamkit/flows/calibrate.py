"""Calibrate: measure what a gallery's scores mean, and keep it with the gallery."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from siamkit import calibration as calibrating
from siamkit import drift
from siamkit.calibration import Method
from siamkit.comparisons import Comparisons
from siamkit.crowds import crowds_of
from siamkit.errors import BadInput, Uncalibrated
from siamkit.flows.evaluate import Embedded, Progress, silent
from siamkit.scoring import Fusion, leave_one_out
from siamkit.store import Gallery, Store, galleries, observations, samples, templates
from siamkit.trials import Trials
from siamkit.types import Calibration

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siamkit.types import Ids, Vectors

PAIRS = 1_000_000  # comparisons of a gallery that are kept
PROBES = 2_000  # whose scores with everybody say what strangers score in crowds


def from_gallery(
    store: Store,
    gallery: Gallery,
    *,
    fusion: Fusion = "best",
    mated: float | None = None,
    fmr: float | None = None,
    precision: float | None = None,
    fpir: float | None = None,
    method: Method | None = None,
    progress: Progress = silent,
) -> Calibration:
    """A calibration by the gallery itself: each sample against each identity, itself left out.

    Those are the comparisons that the gallery makes, scored as it scores them: fusion and mated,
    see siamkit.scoring. Rates and method, see siamkit.calibration.calibrate. Raises BadInput if
    the gallery has fewer than two identities, or none with two samples.
    """
    vectors, labels = _enrolled(store, gallery)
    identities = len(np.unique(labels))
    if identities < 2 or identities == len(labels):
        raise BadInput(
            f"gallery {gallery.name} has {identities:,} identities and {len(labels):,} samples:"
            " nothing to compare a second sample with",
            hint="enrol a second sample of some identities, or give --trials FILE",
        )
    made, blocks = _everybody(vectors, labels, fusion, mated, progress)
    progress("fitting", 0, 0)
    return calibrating.calibrate(
        made,
        gallery.space.fingerprint,
        f"gallery {gallery.name}, {identities:,} identities, {len(labels):,} samples",
        fmr=fmr,
        precision=precision,
        fpir=fpir,
        method=method,
        crowds=crowds_of(blocks, identities),
        per="identity",
    )


def _enrolled(store: Store, gallery: Gallery) -> tuple[Vectors, Ids]:
    """(n, dim) templates of a gallery, and (n,) numbers of their identities, from 0."""
    with store.read():
        listed = list(samples.of_gallery(store, gallery))
        owned = templates.of_samples(store, gallery, [sample.id for sample in listed])
    kept = [sample for sample in listed if sample.id in owned]
    if not kept:
        return np.zeros((0, gallery.space.dim), np.float32), np.zeros(0, np.int64)
    _, labels = np.unique([sample.identity for sample in kept], return_inverse=True)
    return np.stack([owned[sample.id] for sample in kept]), labels.astype(np.int64)


def _everybody(
    vectors: Vectors, labels: Ids, fusion: Fusion, mated: float | None, progress: Progress
) -> tuple[Comparisons, list[NDArray[np.float32]]]:
    """Each probe against each identity; and of some probes the scores with all others."""
    rng = np.random.default_rng(0)
    identities = int(labels.max()) + 1
    share = min(1.0, PAIRS / (len(labels) * identities))
    crowd = np.zeros(len(labels), np.bool_)
    crowd[rng.choice(len(labels), min(PROBES, len(labels)), replace=False)] = True
    scores, lefts, rights, blocks = [], [], [], []
    everyone = np.arange(len(labels))
    for rows, block in leave_one_out(
        vectors, labels, everyone, fusion, mated,
        lambda done: progress("comparing", done, len(labels)),
    ):  # fmt: skip
        own = labels[rows]
        # Of all others a sample drawn by a seed, of the own identities every one that can be.
        keep = rng.random(block.shape) < share if share < 1 else np.ones(block.shape, np.bool_)
        keep[np.arange(len(rows)), own] = True
        keep &= np.isfinite(block)
        at, right = np.nonzero(keep)
        scores.append(np.minimum(block[at, right].astype(np.float64), 1.0))  # not 1.0000001
        lefts.append(own[at])
        rights.append(right)
        others = np.ones(block.shape, np.bool_)
        others[np.arange(len(rows)), own] = False
        picked = crowd[rows]
        blocks.append(block[others].reshape(len(rows), -1)[picked])
    left, right = np.concatenate(lefts), np.concatenate(rights)
    return Comparisons(np.concatenate(scores), left == right, left, right), blocks


def from_trials(
    found: Trials,
    embedded: Embedded,
    scores: NDArray[np.float64],
    fingerprint: str,
    source: str,
    *,
    fmr: float | None = None,
    precision: float | None = None,
    fpir: float | None = None,
    method: Method | None = None,
) -> Calibration:
    """A calibration by labelled pairs of samples that are not enrolled.

    found, scores: the trials that were compared. What strangers score in crowds is measured on one
    sample of each identity, each against each. Otherwise as `from_gallery`.
    """
    _, first = np.unique(found.identities, return_index=True)
    fine = first[embedded.usable[first]]
    blocks = []
    if len(fine) > 1:
        picked = np.random.default_rng(0).permutation(len(fine))[:PROBES]
        block = embedded.vectors[fine[picked]] @ embedded.vectors[fine].T
        others = np.ones(block.shape, np.bool_)
        others[np.arange(len(picked)), picked] = False
        blocks.append(block[others].reshape(len(picked), -1))
    return calibrating.calibrate(
        found.compared(scores),
        fingerprint,
        source,
        fmr=fmr,
        precision=precision,
        fpir=fpir,
        method=method,
        crowds=crowds_of(blocks, len(fine)),
    )


def keep(store: Store, gallery: Gallery, calibration: Calibration) -> None:
    """Write a calibration to the store; from now on the gallery decides by it.

    Beside it, what its own samples score now: what queries score later is compared with that.

    Raises EncoderMismatch for one of another encoder, and if the gallery has been re-embedded;
    Uncalibrated if no cosine is high enough for its false match rate.
    """
    limit = calibrating.threshold(calibration)
    if limit.value > 1:
        raise Uncalibrated(
            f"no threshold has a false match rate of {calibration.fmr:g}: too many samples of two"
            " identities are as alike as copies",
            hint=f"`siamkit audit {gallery.name}` lists copies and doubles",
        )
    with store.write():
        live = galleries.get(store, gallery.name)
        galleries.calibrate(store, live.id, live.space.fingerprint, limit, calibration)
        try:
            rows = drift.reference(*_enrolled(store, live))
        except BadInput:  # too few to compare queries with; `siamkit audit --drift` says so
            rows = []
        observations.replace_reference(store, live, rows)
