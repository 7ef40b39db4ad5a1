"""Verify (1:1): do two samples, or a sample and an enrolled identity, belong together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit.embed import batches, region_choosers, rerankers
from siamkit.embed.batches import EmbeddedRegion
from siamkit.embed.pipeline import DetectedSample, Pipeline
from siamkit.embed.region_choosers import Chooser, ChosenRegions
from siamkit.errors import StoreError
from siamkit.flows import normalise
from siamkit.flows.decide import (
    DEFAULT_RULE,
    Basis,
    DecisionRule,
    Limits,
    encoder_basis,
    gallery_basis,
    reranked_limits,
    verification_limits,
)
from siamkit.stats.scoring import Fusion, fusion_of, mated_cosine_of, mean_score
from siamkit.store import Gallery, Store, galleries, samples, templates
from siamkit.store.live_index import LiveIndex
from siamkit.types import Calibration, Quality, Region, Verdict

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
    *,
    rule: DecisionRule = DEFAULT_RULE,
    basis: Basis | None = None,
    choose: Chooser = region_choosers.largest_region,
) -> Verification:
    """Compare two sources by the cosine of their largest regions, or by a reranker's probability.

    basis: what their scores are judged by; None: what the encoder brings. choose: the region of
    `b`, the one in question. Raises Uncalibrated if there is nothing to decide by, BadInput for a
    rule with an FPIR.
    """
    rule.refuse("a verification", "fpir")
    reranker = rerankers.pick_reranker(pipeline, rule.reranker)
    basis = basis or encoder_basis(pipeline)
    basis = replace(basis, default=basis.default or pipeline.threshold)
    limits = reranked_limits(rule, reranker) if reranker else verification_limits(rule, basis)
    left, left_region = _embed(pipeline, a, region_choosers.largest_region)
    right, right_region = _embed(pipeline, b, choose)
    score = float(left_region.vector @ right_region.vector)
    if reranker:
        probability = _probability(reranker, left_region, right_region)
        verdict = Verdict(limits.decide(probability), score, limits.same, probability)
    else:
        verdict = _verdict(score, limits, basis.calibration)
    return Verification(verdict, left, right)


def _probability(reranker: Reranker[Any], left: EmbeddedRegion, right: EmbeddedRegion) -> float:
    assert left.vector is not None
    assert right.vector is not None
    vectors = left.vector[None], right.vector[None]
    return float(rerankers.judge(reranker, [left.crop], [right.crop], *vectors)[0])


@dataclass(frozen=True, slots=True)
class Claim:
    """The claim that a source is of an identity of a gallery."""

    gallery: Gallery
    identity: str
    probe: Path | str | bytes


def verify_claim(
    store: Store,
    pipeline: Pipeline,
    claim: Claim,
    open_index: Callable[[], LiveIndex],
    *,
    rule: DecisionRule = DEFAULT_RULE,
    fusion: Fusion | None = None,
    choose: Chooser = region_choosers.largest_region,
) -> Verification:
    """Compare a source with an enrolled identity: its nearest sample, or the mean of all.

    open_index: opens the index of the gallery, which a calibration with S-norm needs. fusion: None
    takes what the modality prefers. choose: the region of the source. Raises StoreError if the
    identity owns nothing in the gallery, BadInput for a rule with an FPIR or a reranker.
    """
    rule.refuse("a verification of an identity", "fpir", "reranker")
    galleries.require_space(claim.gallery, pipeline.encoder.fingerprint)
    fusion = fusion or fusion_of(pipeline.modality)
    enrolled = _templates(store, claim.gallery, claim.identity)
    basis = gallery_basis(claim.gallery, pipeline, fusion)
    snorm = None
    if rule.threshold is None and basis.calibration and basis.calibration.normalised:
        snorm = normalise.opened(open_index(), basis.calibration)
    if snorm:
        basis = replace(basis, calibration=snorm.calibration, default=None)
    tries = len(enrolled) if fusion == "best" else 1
    limits = verification_limits(rule, basis, tries)
    right, region = _embed(pipeline, claim.probe, choose)
    scores = enrolled @ region.vector
    score = (
        mean_score(enrolled, region.vector, mated_cosine_of(pipeline.encoder))
        if fusion == "mean"
        else float(scores.max())
    )
    left = Side(claim.identity, samples=len(enrolled))
    if not snorm:
        return Verification(_verdict(score, limits, basis.calibration, tries), left, right)
    nearest = normalise.Candidate(claim.identity, enrolled[int(scores.argmax())], score)
    (normalised,) = normalise.normalised(open_index(), snorm, region.vector, [nearest])
    verdict = _verdict(score, limits, basis.calibration, normalised=normalised)
    return Verification(verdict, left, right)


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
    limits: Limits,
    calibration: Calibration | None,
    tries: int = 1,
    normalised: float | None = None,
) -> Verdict:
    """tries: of how many scores this is the best. normalised: decides, where it is given."""
    decided = score if normalised is None else normalised
    below = limits.different if limits.different < limits.same.value else None
    if calibration is None:
        return Verdict(limits.decide(decided), score, limits.same, None, below)
    from siamkit.stats import calibration as calibrated

    llr = calibrated.llr_of_best(calibration, decided, tries)
    most = calibrated.llr_of_best(calibration, calibration.scores[-1], tries)
    chance = calibrated.sigmoid(llr)
    return Verdict(limits.decide(decided), score, limits.same, chance, below, normalised, llr, most)
