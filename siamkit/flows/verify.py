"""Verify (1:1): do two samples, or a sample and an enrolled identity, belong together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit import batches, choice
from siamkit.batches import Found
from siamkit.choice import Chooser, Chosen
from siamkit.decisions import Limits, limits
from siamkit.errors import StoreError
from siamkit.pipeline import Pipeline, Seen
from siamkit.reranking import judge
from siamkit.scoring import Fusion, mean_score, own_fusion, own_mated
from siamkit.store import Gallery, Store, galleries, samples, templates
from siamkit.types import Calibration, Quality, Region, Threshold, Verdict

if TYPE_CHECKING:
    from siamkit.protocols import Reranker
    from siamkit.types import Vectors


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: where its region lies, or which identity it is."""

    source: str
    region: Region | None = None
    quality: Quality | None = None
    samples: int = 1  # how many templates stand behind it
    seen: int = 1  # how many regions the source has, of which one was compared


@dataclass(frozen=True, slots=True)
class Verification:
    verdict: Verdict
    left: Side
    right: Side


def verify_pair(
    pipeline: Pipeline,
    a: Path | str | bytes,
    b: Path | str | bytes,
    threshold: Threshold | None,
    reranker: Reranker[Any] | None = None,
    choose: Chooser = choice.largest,
    *,
    calibration: Calibration | None = None,
    default: Threshold | None = None,
    fmr: float | None = None,
) -> Verification:
    """Compare two sources by the cosine of their largest regions, or by a reranker's probability.

    choose: the region of `b`, the one in question. A threshold counts more than a calibration, and
    that more than `default`, or the encoder's own. fmr: the false match rate to decide at, in
    (0, 1), by the calibration. Raises Uncalibrated if there is nothing to decide by.
    """
    if reranker:
        calibration, default = None, reranker.threshold
    who = f"encoder {pipeline.encoder.fingerprint}"
    limit = limits(threshold, calibration, default or pipeline.threshold, who, fmr)
    left, one = _embed(pipeline, a, choice.largest)
    right, other = _embed(pipeline, b, choose)
    score = float(one.vector @ other.vector)
    probability = _probability(reranker, one, other) if reranker else None
    return Verification(_verdict(score, limit, calibration, probability), left, right)


def _probability(reranker: Reranker[Any], left: Found, right: Found) -> float:
    assert left.vector is not None
    assert right.vector is not None
    vectors = left.vector[None], right.vector[None]
    return float(judge(reranker, [left.crop], [right.crop], *vectors)[0])


def verify_identity(
    store: Store,
    gallery: Gallery,
    pipeline: Pipeline,
    identity: str,
    probe: Path | str | bytes,
    *,
    threshold: Threshold | None = None,
    fusion: Fusion | None = None,
    choose: Chooser = choice.largest,
    fmr: float | None = None,
) -> Verification:
    """Compare a source with an enrolled identity: its nearest sample, or the mean of all.

    fusion: None takes what the modality prefers. choose: the region of the source. fmr: the false
    match rate to decide at, in (0, 1), by the gallery's calibration.
    Raises StoreError if the identity owns nothing in the gallery.
    """
    galleries.require_space(gallery, pipeline.encoder.fingerprint)
    calibration = gallery.calibration
    limit = limits(threshold, calibration, gallery.threshold, f"gallery {gallery.name}", fmr)
    enrolled = _templates(store, gallery, identity)
    right, found = _embed(pipeline, probe, choose)
    score = (
        mean_score(enrolled, found.vector, own_mated(pipeline.encoder))
        if (fusion or own_fusion(pipeline.modality)) == "mean"
        else float((enrolled @ found.vector).max())
    )
    left = Side(identity, samples=len(enrolled))
    return Verification(_verdict(score, limit, calibration), left, right)


def _templates(store: Store, gallery: Gallery, identity: str) -> Vectors:
    row = store.connection.execute(
        "SELECT id FROM identities WHERE name = ?", (samples.checked_label(identity),)
    ).fetchone()
    vectors = templates.of_identities(store, gallery, [row[0]])[row[0]][1] if row else ()
    if not len(vectors):
        raise StoreError(
            f"{identity!r} has no sample in gallery {gallery.name!r}",
            hint=f"`siamkit list {gallery.name}` shows who is enrolled",
        )
    return vectors  # type: ignore[return-value]


def _embed(pipeline: Pipeline, source: Path | str | bytes, choose: Chooser) -> tuple[Side, Any]:
    """What is compared of a source, and its Found."""
    seen = 1

    def counted(all_of_it: Seen) -> Chosen:
        nonlocal seen
        seen = len(all_of_it.regions)
        return choose(all_of_it)

    done = batches.one(pipeline, pipeline.read(source), counted)
    found = done.found[0]
    return Side(done.name, found.region, found.quality, seen=seen), found


def _verdict(
    score: float,
    limit: Limits,
    calibration: Calibration | None,
    probability: float | None = None,
) -> Verdict:
    """probability: a reranker's, which then decides."""
    if probability is not None:
        return Verdict(limit.decide(probability), score, limit.same, probability)
    if calibration is not None:
        from siamkit import calibration as calibrated

        probability = calibrated.probability(calibration, score)
    below = limit.different if limit.different < limit.same.value else None
    return Verdict(limit.decide(score), score, limit.same, probability, below)
