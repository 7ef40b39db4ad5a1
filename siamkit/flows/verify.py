"""Verify (1:1): do two samples, or a sample and an enrolled identity, belong together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit.embed import batches, region_choosers
from siamkit.embed.batches import EmbeddedRegion
from siamkit.embed.pipeline import DetectedSample, Pipeline
from siamkit.embed.region_choosers import Chooser, ChosenRegions
from siamkit.embed.rerankers import judge
from siamkit.errors import StoreError
from siamkit.flows import normalise
from siamkit.flows.decide import Limits, basis, limits
from siamkit.stats.scoring import Fusion, fusion_of, mated_cosine_of, mean_score
from siamkit.store import Gallery, Store, galleries, samples, templates
from siamkit.store.live_index import LiveIndex
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
    """The answer to a 1:1 question, and the regions that were compared for it."""

    verdict: Verdict
    left: Side
    right: Side


def verify_pair(
    pipeline: Pipeline,
    a: Path | str | bytes,
    b: Path | str | bytes,
    threshold: Threshold | None,
    reranker: Reranker[Any] | None = None,
    choose: Chooser = region_choosers.largest_region,
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
    left, one = _embed(pipeline, a, region_choosers.largest_region)
    right, other = _embed(pipeline, b, choose)
    score = float(one.vector @ other.vector)
    probability = _probability(reranker, one, other) if reranker else None
    verdict = (
        Verdict(limit.decide(probability), score, limit.same, probability)
        if probability is not None
        else _verdict(score, limit, calibration)
    )
    return Verification(verdict, left, right)


def _probability(reranker: Reranker[Any], left: EmbeddedRegion, right: EmbeddedRegion) -> float:
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
    index: Callable[[], LiveIndex],
    *,
    threshold: Threshold | None = None,
    fusion: Fusion | None = None,
    choose: Chooser = region_choosers.largest_region,
    fmr: float | None = None,
) -> Verification:
    """Compare a source with an enrolled identity: its nearest sample, or the mean of all.

    index: opens the gallery's, which a calibration with S-norm needs. fusion: None takes what the
    modality prefers. choose: the region of the source. fmr: the false match rate to decide at, in
    (0, 1), by the gallery's calibration. Raises StoreError if the identity owns nothing in the
    gallery.
    """
    galleries.require_space(gallery, pipeline.encoder.fingerprint)
    fusion = fusion or fusion_of(pipeline.modality)
    enrolled = _templates(store, gallery, identity)
    calibration, default = basis(gallery, pipeline, fusion)
    snorm = None
    if threshold is None and calibration and calibration.normalised:
        snorm = normalise.opened(index(), calibration)
    if snorm:
        calibration, default = snorm.calibration, None
    tries = len(enrolled) if fusion == "best" else 1
    limit = limits(threshold, calibration, default, f"gallery {gallery.name}", fmr, tries)
    right, found = _embed(pipeline, probe, choose)
    scores = enrolled @ found.vector
    score = (
        mean_score(enrolled, found.vector, mated_cosine_of(pipeline.encoder))
        if fusion == "mean"
        else float(scores.max())
    )
    left = Side(identity, samples=len(enrolled))
    if not snorm:
        return Verification(_verdict(score, limit, calibration, tries), left, right)
    nearest = normalise.Candidate(identity, enrolled[int(scores.argmax())], score)
    (relative,) = normalise.normalised(index(), snorm, found.vector, [nearest])
    return Verification(_verdict(score, limit, calibration, normalised=relative), left, right)


def _templates(store: Store, gallery: Gallery, identity: str) -> Vectors:
    vectors = templates.of_identity(store, gallery, samples.checked_label(identity))
    if not len(vectors):
        raise StoreError(
            f"{identity!r} has no sample in gallery {gallery.name!r}",
            hint=f"`siamkit list {gallery.name}` shows who is enrolled",
        )
    return vectors


def _embed(pipeline: Pipeline, source: Path | str | bytes, choose: Chooser) -> tuple[Side, Any]:
    """What is compared of a source, and its EmbeddedRegion."""
    seen = 1

    def counted(all_of_it: DetectedSample) -> ChosenRegions:
        nonlocal seen
        seen = len(all_of_it.regions)
        return choose(all_of_it)

    done = batches.embed_one(pipeline, pipeline.read(source), counted)
    found = done.regions[0]
    return Side(done.name, found.region, found.quality, seen=seen), found


def _verdict(
    score: float,
    limit: Limits,
    calibration: Calibration | None,
    tries: int = 1,
    normalised: float | None = None,
) -> Verdict:
    """tries: of how many scores this is the best. normalised: decides, where it is given."""
    decided = score if normalised is None else normalised
    below = limit.different if limit.different < limit.same.value else None
    if calibration is None:
        return Verdict(limit.decide(decided), score, limit.same, None, below)
    from siamkit.stats import calibration as calibrated

    llr = calibrated.llr_of_best(calibration, decided, tries)
    most = calibrated.llr_of_best(calibration, calibration.scores[-1], tries)
    chance = calibrated.sigmoid(llr)
    return Verdict(limit.decide(decided), score, limit.same, chance, below, normalised, llr, most)
