"""Verify (1:1): do two samples, or a sample and an enrolled identity, match?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from siamkit.embed import batches, region_choosers, rerankers
from siamkit.embed.batches import EmbeddedRegion
from siamkit.embed.pipeline import Pipeline
from siamkit.embed.region_choosers import Chooser
from siamkit.errors import StoreError
from siamkit.flows import normalise, objections
from siamkit.flows.decide import (
    DEFAULT_RULE,
    Basis,
    DecisionRule,
    Limits,
    encoder_basis,
    gallery_basis,
    of_references,
    reranked_limits,
    verification_limits,
)
from siamkit.protocols import Source
from siamkit.stats.scoring import Fusion, fusion_of, mated_cosine_of, mean_score
from siamkit.store import Gallery, Store, galleries, templates
from siamkit.store.labels import normalise_label
from siamkit.store.live_index import LiveIndex
from siamkit.types import Calibration, Decision, Objection, Quality, Region, Vectors, Verdict


@dataclass(frozen=True, slots=True)
class ComparedSide:
    """One side of a comparison: a region of a source, or an enrolled identity."""

    source: str  # or the identity's label
    region: Region | None = None
    quality: Quality | None = None
    samples: int = 1  # enrolled samples of an identity; 1 for a source
    region_count: int = 1  # regions detected in the source, of which one was compared


@dataclass(frozen=True, slots=True)
class Verification:
    """The answer to a 1:1 question, and the regions that were compared.

    It is true if the two are the same: `if ws.verify("faces", "a.jpg", "b.jpg"): …`.
    """

    verdict: Verdict
    left: ComparedSide
    right: ComparedSide
    advice: str = ""  # what makes an inconclusive comparison conclusive, if that is known

    def __bool__(self) -> bool:
        return bool(self.decision)

    @property
    def decision(self) -> Decision:
        """Are the two the same?"""
        return self.verdict.decision

    @property
    def score(self) -> float:
        """The cosine of the two, in [-1, 1]."""
        return self.verdict.score

    @property
    def probability(self) -> float | None:
        """That the two are the same; None if nothing measured it."""
        return self.verdict.probability


def verify_pair(
    pipeline: Pipeline,
    a: Source,
    b: Source,
    *,
    rule: DecisionRule = DEFAULT_RULE,
    basis: Basis | None = None,
    choose: Chooser = region_choosers.largest_region,
) -> Verification:
    """Compare two sources by the cosine of their largest regions, or by a reranker's probability.

    basis: a gallery's calibration and default threshold; None for the encoder's own. choose: the
    region of `b`, which is the one in question. Raises Uncalibrated without a threshold, BadInput
    for a rule with an FPIR.
    """
    rule.refuse("a verification", "fpir")
    reranker = rerankers.pick_reranker(pipeline, rule.reranker)
    basis = basis or encoder_basis(pipeline)
    basis = replace(basis, default=basis.default or pipeline.threshold)
    limits = reranked_limits(rule, reranker) if reranker else verification_limits(rule, basis)
    left, region_a = _embed(pipeline, a, region_choosers.largest_region)
    right, region_b = _embed(pipeline, b, choose)
    score = float(region_a.vector @ region_b.vector)
    if reranker:
        vectors = region_a.vector[None], region_b.vector[None]
        probabilities = rerankers.judge(reranker, [region_a.crop], [region_b.crop], *vectors)
        probability = float(probabilities[0])
        verdict = Verdict(limits.decide(probability), score, limits.same, probability)
    else:
        verdict = _verdict(score, limits, basis.calibration)
    objection = objections.of_quality(left.quality) or objections.of_quality(right.quality)
    object_to = objections.opener(pipeline)
    if objection is None and object_to and verdict.decision != Decision.DIFFERENT:
        objection = object_to(region_a.crop, region_b.crop)
    return _answer(pipeline, _heed(verdict, objection), left, right)


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim of identity: that a probe is of an identity enrolled in a gallery."""

    gallery: Gallery
    identity: str
    probe: Source


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
    """Compare a source with an enrolled identity: with its nearest sample, or the mean of all.

    open_index: opens the gallery's index, which S-norm needs. fusion: None for the modality's
    preference. choose: the region of the source to compare. Raises StoreError if the identity has
    no sample in the gallery, BadInput for a rule with an FPIR or a reranker.
    """
    rule.refuse("a verification of an identity", "fpir", "reranker")
    galleries.require_space(claim.gallery, pipeline.encoder.fingerprint)
    fusion = fusion or fusion_of(pipeline.modality)
    enrolled = _templates(store, claim.gallery, claim.identity)
    basis = gallery_basis(claim.gallery, pipeline, fusion)
    if fusion == "mean":
        basis = of_references(basis, len(enrolled))
    snorm = None
    if rule.threshold is None and basis.calibration and basis.calibration.normalised:
        snorm = normalise.open_snorm(open_index(), basis.calibration)
    if snorm:
        basis = replace(basis, calibration=snorm.calibration, default=None)
    tries = len(enrolled) if fusion == "best" else 1
    limits = verification_limits(rule, basis, tries)
    right, region = _embed(pipeline, claim.probe, choose)
    objection = objections.of_quality(region.quality)
    scores = enrolled @ region.vector
    score = float(scores.max())
    if fusion == "mean":
        score = mean_score(enrolled, region.vector, mated_cosine_of(pipeline.encoder))
    left = ComparedSide(claim.identity, samples=len(enrolled))
    if not snorm:
        verdict = _verdict(score, limits, basis.calibration, tries)
        return _answer(pipeline, _heed(verdict, objection), left, right)
    nearest = normalise.Candidate(claim.identity, enrolled[int(scores.argmax())], score)
    (normalised,) = normalise.normalise_candidates(open_index(), snorm, region.vector, [nearest])
    verdict = _verdict(score, limits, basis.calibration, normalised=normalised)
    return _answer(pipeline, _heed(verdict, objection), left, right)


def _answer(
    pipeline: Pipeline, verdict: Verdict, left: ComparedSide, right: ComparedSide
) -> Verification:
    """Return the answer, with the modality's advice if a score was inconclusive."""
    is_inconclusive = verdict.decision == Decision.INCONCLUSIVE and verdict.objection is None
    advice = objections.advise(pipeline, left.samples) if is_inconclusive else ""
    return Verification(verdict, left, right, advice)


def _templates(store: Store, gallery: Gallery, identity: str) -> Vectors:
    vectors = templates.of_label(store, gallery, normalise_label(identity))
    if not len(vectors):
        raise StoreError(
            f"{identity!r} has no sample in gallery {gallery.name!r}",
            hint=f"`siamkit list {gallery.name}` shows who is enrolled",
        )
    return vectors


def _embed(
    pipeline: Pipeline, source: Source, choose: Chooser
) -> tuple[ComparedSide, EmbeddedRegion]:
    embedded = batches.embed_one(pipeline, pipeline.read(source), choose)
    region, count = embedded.regions[0], embedded.region_count
    side = ComparedSide(embedded.name, region.region, region.quality, region_count=count)
    return side, region


def _heed(verdict: Verdict, objection: Objection | None) -> Verdict:
    """Let an objection decide, if there is one: then no probability follows from the score."""
    if objection is None:
        return verdict
    decision = objection.decision
    return replace(verdict, decision=decision, probability=None, llr=None, objection=objection)


def _verdict(
    score: float,
    limits: Limits,
    calibration: Calibration | None,
    tries: int = 1,
    normalised: float | None = None,
) -> Verdict:
    """Decide on a cosine, the best of `tries` scores, or on its normalised score if given."""
    deciding = score if normalised is None else normalised
    decision = limits.decide(deciding)
    below = limits.different if limits.different < limits.same.value else None
    if calibration is None:
        return Verdict(decision, score, limits.same, None, below)
    from siamkit.stats.calibration import llr_of_best, sigmoid

    llr = llr_of_best(calibration, deciding, tries)
    highest_llr = llr_of_best(calibration, calibration.scores[-1], tries)
    return Verdict(decision, score, limits.same, sigmoid(llr), below, normalised, llr, highest_llr)
