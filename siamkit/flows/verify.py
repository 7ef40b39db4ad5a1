"""Verify (1:1): do two samples, or a sample and an enrolled identity, match?

Of several regions in a sample, all are compared, and the best pair counts: the threshold accounts
for the number of pairs, as siamkit.stats.calibration.threshold_for_best describes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from siamkit.embed import batches, region_choosers, rerankers
from siamkit.embed.batches import EmbeddedRegion, EmbeddedSource
from siamkit.embed.pipeline import Pipeline
from siamkit.embed.region_choosers import Chooser
from siamkit.errors import UnknownName
from siamkit.flows import normalise, objections
from siamkit.flows.decide import (
    DEFAULT_RULE,
    Basis,
    DecisionRule,
    encoder_basis,
    gallery_basis,
    of_references,
    reranked_limits,
    verification_limits,
)
from siamkit.flows.second_opinion import (
    SecondOpinion,
    load_references,
    open_second_opinion,
)
from siamkit.flows.verdicts import heed, verdict_of_opinion, verdict_of_score
from siamkit.flows.verification import ComparedSide, Verification
from siamkit.protocols import Reranker, Source
from siamkit.stats.scoring import Fusion, fusion_of, mated_cosine_of, mean_score
from siamkit.store import Gallery, Store, galleries, templates
from siamkit.store.labels import nearest_of_gallery, normalise_label
from siamkit.store.live_index import LiveIndex
from siamkit.types import Decision, Vectors, Verdict

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class PairComparison:
    """Decide on pairs of embedded sources: see `open_comparison`."""

    pipeline: Pipeline
    rule: DecisionRule
    basis: Basis
    reranker: Reranker[Any] | None
    second_opinion: SecondOpinion | None

    def compare(self, a: EmbeddedSource, b: EmbeddedSource) -> Verification:
        """Compare the regions of two sources; the pair with the highest cosine decides."""
        rows, columns = _comparable(a), _comparable(b)
        left, right = _stack(a, rows), _stack(b, columns)
        scores = left @ right.T
        row, column = divmod(int(scores.argmax()), len(columns))
        score, tries = float(scores[row, column]), scores.size
        chosen = a.regions[rows[row]], b.regions[columns[column]]
        sides = _side(a, rows[row]), _side(b, columns[column])
        verdict = self._judge(chosen, score, tries)
        by_quality = (objections.of_quality(side.quality) for side in sides)
        objection = next(filter(None, by_quality), None)
        object_to = objections.opener(self.pipeline)
        if objection is None and object_to and verdict.decision != Decision.DIFFERENT:
            objection = object_to(chosen[0].crop, chosen[1].crop)
        return _answer(self.pipeline, heed(verdict, objection), *sides)

    def _judge(
        self, regions: tuple[EmbeddedRegion, EmbeddedRegion], score: float, tries: int
    ) -> Verdict:
        left, right = regions
        if self.second_opinion:
            opinion = self.second_opinion.judge(right.crop, [left.crop], score)
            return verdict_of_opinion(opinion, score, self.rule, tries)
        if self.reranker is None:
            limits = verification_limits(self.rule, self.basis, tries)
            return verdict_of_score(score, limits, self.basis.calibration, tries)
        vectors = left.vector[None], right.vector[None]
        judged = rerankers.judge(self.reranker, [left.crop], [right.crop], *vectors)
        probability = float(judged[0])
        limits = reranked_limits(self.rule, self.reranker)
        decision, name = limits.decide(probability), self.reranker.name
        return Verdict(decision, score, limits.same, probability, reranker=name)


def open_comparison(
    pipeline: Pipeline, rule: DecisionRule = DEFAULT_RULE, basis: Basis | None = None
) -> PairComparison:
    """Prepare to compare sources by the cosine of their regions, or by a reranker's probability.

    basis: a gallery's calibration and default threshold; None for the encoder's own. Raises
    Uncalibrated without a threshold, BadInput for a rule with an FPIR.
    """
    rule.refuse("a verification", "fpir")
    reranker = rerankers.pick_reranker(pipeline, rule.reranker)
    basis = basis or encoder_basis(pipeline)
    second_opinion = open_second_opinion(pipeline, rule, basis)
    basis = replace(basis, default=basis.default or pipeline.threshold)
    _ = reranked_limits(rule, reranker) if reranker else verification_limits(rule, basis)
    return PairComparison(pipeline, rule, basis, reranker, second_opinion)


def verify_pair(
    pipeline: Pipeline,
    a: Source,
    b: Source,
    *,
    rule: DecisionRule = DEFAULT_RULE,
    basis: Basis | None = None,
    choose: Chooser = region_choosers.all_regions,
    choose_a: Chooser = region_choosers.all_regions,
) -> Verification:
    """Compare two sources as `PairComparison` does. choose: the regions of `b`; choose_a: of `a`.

    Raises as `open_comparison` does, and the error of a source that cannot be embedded.
    """
    comparison = open_comparison(pipeline, rule, basis)
    left = batches.embed_one(pipeline, pipeline.read(a), choose_a)
    return comparison.compare(left, batches.embed_one(pipeline, pipeline.read(b), choose))


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim of identity: that probes are of an identity enrolled in a gallery."""

    gallery: Gallery
    identity: str


@dataclass(frozen=True, slots=True, eq=False)
class ClaimComparison:
    """Decide whether embedded sources are of an enrolled identity: see `open_claim`."""

    store: Store
    pipeline: Pipeline
    claim: Claim
    rule: DecisionRule
    basis: Basis
    fusion: Fusion
    enrolled: Vectors
    second_opinion: SecondOpinion | None
    references: Sequence[Any]  # cropped, for the second opinion; as far as their files are there
    open_index: Callable[[], LiveIndex]

    def compare(self, probe: EmbeddedSource) -> Verification:
        """Compare an identity with the regions of a source, of which the most similar counts."""
        rows = _comparable(probe)
        scores = self.enrolled @ _stack(probe, rows).T  # (samples, regions)
        if self.fusion == "mean":
            mated = mated_cosine_of(self.pipeline.encoder)
            vectors = [probe.regions[row].vector for row in rows]
            of_regions = [mean_score(self.enrolled, vector, mated) for vector in vectors]
        else:
            of_regions = scores.max(axis=0).tolist()
        best = max(range(len(rows)), key=of_regions.__getitem__)
        score, region = float(of_regions[best]), probe.regions[rows[best]]
        tries = len(rows) * (len(self.enrolled) if self.fusion == "best" else 1)
        verdict = self._judge(score, tries, region, int(scores[:, best].argmax()))
        left = ComparedSide(self.claim.identity, samples=len(self.enrolled))
        right = _side(probe, rows[best])
        objection = objections.of_quality(right.quality)
        if objection is None and verdict.decision != Decision.DIFFERENT:
            objection = objections.of_claim(
                self.store, self.pipeline, self.claim.gallery, self.claim.identity, region
            )
        return _answer(self.pipeline, heed(verdict, objection), left, right)

    def _judge(self, score: float, tries: int, region: EmbeddedRegion, nearest: int) -> Verdict:
        if self.second_opinion and self.references:
            opinion = self.second_opinion.judge(region.crop, self.references, score)
            return verdict_of_opinion(opinion, score, self.rule, tries)
        snorm = None
        calibration = self.basis.calibration
        if self.rule.threshold is None and calibration and calibration.normalised:
            snorm = normalise.open_snorm(self.open_index(), calibration)
        if not snorm:
            limits = verification_limits(self.rule, self.basis, tries)
            return verdict_of_score(score, limits, self.basis.calibration, tries)
        limits = verification_limits(
            self.rule, replace(self.basis, calibration=snorm.calibration, default=None), tries
        )
        candidate = normalise.Candidate(self.claim.identity, self.enrolled[nearest], score)
        (normalised,) = normalise.normalise_candidates(
            self.open_index(), snorm, region.vector, [candidate]
        )
        return verdict_of_score(score, limits, snorm.calibration, normalised=normalised)


def open_claim(
    store: Store,
    pipeline: Pipeline,
    claim: Claim,
    open_index: Callable[[], LiveIndex],
    *,
    rule: DecisionRule = DEFAULT_RULE,
    fusion: Fusion | None = None,
) -> ClaimComparison:
    """Prepare to compare sources with an identity: with its nearest sample, or the mean of all.

    open_index: opens the gallery's index, which S-norm needs. fusion: None for the modality's
    preference. Raises UnknownName if the identity has no sample in the gallery, BadInput for a rule
    with an FPIR or a reranker, Uncalibrated without a threshold.
    """
    rule.refuse("a verification of an identity", "fpir", "reranker")
    galleries.require_space(claim.gallery, pipeline.encoder.fingerprint)
    fusion = fusion or fusion_of(pipeline.modality)
    enrolled = _templates(store, claim.gallery, claim.identity)
    basis = gallery_basis(claim.gallery, pipeline, fusion)
    references: list[Any] = []
    second_opinion = None
    if fusion == fusion_of(pipeline.modality):
        second_opinion = open_second_opinion(pipeline, rule, basis)
    if second_opinion:
        references = load_references(store, pipeline, claim.gallery, claim.identity)
        if not references:
            second_opinion.warn_of_loss(claim.identity)
    if fusion == "mean":
        basis = of_references(basis, len(enrolled))
    verification_limits(rule, basis)
    return ClaimComparison(
        store,
        pipeline,
        claim,
        rule,
        basis,
        fusion,
        enrolled,
        second_opinion,
        references,
        open_index,
    )


def _comparable(source: EmbeddedSource) -> list[int]:
    """Return the rows of the regions that a decision can be made on; all if there is none."""
    rows = range(len(source.regions))
    fit = [row for row in rows if objections.of_quality(source.regions[row].quality) is None]
    return fit or list(rows)


def _stack(source: EmbeddedSource, rows: list[int]) -> np.ndarray:
    import numpy as np

    return np.stack([source.regions[row].vector for row in rows])


def _side(source: EmbeddedSource, row: int) -> ComparedSide:
    region, count = source.regions[row], source.region_count
    number = row + 1 if len(source.regions) == count else None
    return ComparedSide(
        source.name, region.region, region.quality, region_count=count, number=number
    )


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
        near = nearest_of_gallery(store, gallery, identity)
        raise UnknownName(
            f"{identity!r} has no sample in gallery {gallery.name!r}",
            hint=f"did you mean {near!r}?" if near else f"`siamkit list {gallery.name}` shows all",
        )
    return vectors
