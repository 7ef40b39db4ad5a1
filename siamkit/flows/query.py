"""Query (1:N): who or what in a gallery is nearest to each region of a probe."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit.embed import batches, region_choosers, rerankers
from siamkit.embed.batches import EmbeddedSource
from siamkit.embed.pipeline import Pipeline
from siamkit.embed.region_choosers import Chooser
from siamkit.errors import BadInput
from siamkit.flows import normalise
from siamkit.flows.decide import (
    DEFAULT_RULE,
    Decision,
    DecisionRule,
    Limits,
    gallery_basis,
    identification_limits,
    reranked_limits,
)
from siamkit.flows.nearest import RERANKED, nearest
from siamkit.stats.probe_scores import ProbeScores
from siamkit.stats.scoring import Fusion, fusion_of, mated_cosine_of
from siamkit.store import galleries, observations
from siamkit.store.live_index import LiveIndex
from siamkit.types import Match, Quality, Region, Threshold

if TYPE_CHECKING:
    from siamkit.protocols import Reranker
    from siamkit.types import Calibration


@dataclass(frozen=True, slots=True)
class Answer:
    """One region of a probe and its nearest identities, best first.

    `identity` is the first match's if its score reaches the threshold, else None: unknown. Where
    a reranker was asked it is its probability that must, and in a gallery that is calibrated with
    S-norm the normalised score. `decision` says the same of the first match, and where it lies
    between the two limits, that none can tell.
    """

    source: str
    region: Region
    quality: Quality | None
    matches: list[Match]
    threshold: Threshold | None
    reranker: str | None = None  # whose probability the threshold is on
    different_below: float | None = None  # the score below which a match is called different

    @property
    def decision(self) -> Decision:
        best = self.matches[0] if self.matches else None
        if best is None or self.threshold is None:
            return "different"
        below = self.threshold.value if self.different_below is None else self.different_below
        score = best.score if best.normalised is None else best.normalised
        sure = best.probability if self.reranker else score
        if sure is None:  # the reranker could not look at it again
            return "can't tell"
        return Limits(self.threshold, below).decide(sure)

    @property
    def identity(self) -> str | None:
        return self.matches[0].identity if self.decision == "same" else None


def query(
    live: LiveIndex,
    pipeline: Pipeline,
    probe: Path | str | bytes,
    *,
    k: int = 5,
    rule: DecisionRule = DEFAULT_RULE,
    fusion: Fusion | None = None,
    choose: Chooser = region_choosers.all_regions,
) -> list[Answer]:
    """The k nearest identities of each region of a probe: see `answers`.

    Raises NothingFound if the detector saw nothing, and as `answers` does.
    """
    galleries.require_space(live.gallery, pipeline.encoder.fingerprint)
    reranker = rerankers.pick_reranker(pipeline, rule.reranker)
    done = batches.embed_one(pipeline, pipeline.read(probe), choose)
    return answers(live, pipeline, done, k=k, rule=rule, fusion=fusion, reranker=reranker)


def answers(
    live: LiveIndex,
    pipeline: Pipeline,
    done: EmbeddedSource,
    *,
    k: int = 5,
    rule: DecisionRule = DEFAULT_RULE,
    fusion: Fusion | None = None,
    reranker: Reranker[Any] | None = None,
) -> list[Answer]:
    """The k nearest identities of each region that was found and embedded.

    An identity with several samples is scored by its nearest one (`best`), or by the mean of
    all (`mean`, see siamkit.stats.scoring.mean_score); None: as the modality does. A reranker, the
    one that `rule` names, looks at RERANKED identities, and its probability decides. Raises
    EncoderMismatch if the gallery holds vectors of another encoder, Uncalibrated if the gallery has
    no threshold for the rate of `rule`.
    """
    import numpy as np

    if k < 1:
        raise BadInput(f"k is {k}", hint="ask for 1 match at least")
    galleries.require_space(live.gallery, pipeline.encoder.fingerprint)
    vectors = np.stack([item.vector for item in done.regions if item.vector is not None])
    fusion = fusion or fusion_of(pipeline.modality)
    basis = gallery_basis(live.gallery, pipeline, fusion)
    snorm = None
    if rule.threshold is None and reranker is None:
        snorm = normalise.opened(live, basis.calibration)
    wanted = max(k, RERANKED) if reranker or snorm else k
    seen: list[ProbeScores] | None = (
        [] if observations.will_record(live.store, live.gallery) else None
    )
    found = nearest(live, vectors, wanted, fusion, mated_cosine_of(pipeline.encoder), seen)
    if seen:
        observations.record(live.store, live.gallery, seen)
    name = reranker.name if reranker else None
    limit: Limits | None
    if reranker:
        from siamkit.flows.rerank import reranked

        limit = reranked_limits(rule, reranker)
        crops = [item.crop for item in done.regions]
        found = reranked(live, pipeline, reranker, crops, vectors, found)
    else:
        if snorm:
            basis = replace(basis, calibration=snorm.calibration, default=None)
            found = [
                normalise.matches(live, snorm, vector, row)
                for vector, row in zip(vectors, found, strict=True)
            ]
        calibration = basis.calibration
        size = crowd(live, fusion, calibration)
        limit = identification_limits(rule, basis, size)
        # A calibration that knows no fpir_model cannot say how likely one of many is.
        if calibration and calibration.fpir_model and size:
            found = [[_probable(calibration, match, size) for match in row] for row in found]
    same = limit.same if limit else None
    below = limit.different if limit and limit.different < limit.same.value else None
    return [
        Answer(done.name, item.region, item.quality, matches[:k], same, name, below)
        for item, matches in zip(done.regions, found, strict=True)
    ]


def crowd(live: LiveIndex, fusion: Fusion, calibration: Calibration | None) -> int:
    """With how many a probe is compared, of which the best counts.

    Scores of single samples rise with the number of templates; means, and what a calibration
    measured of whole identities, with that of identities.
    """
    if fusion == "best" and not (calibration and calibration.fusion):
        return len(live.index)
    return galleries.count(live.store, live.gallery)[0]


def _probable(calibration: Calibration, match: Match, size: int) -> Match:
    from siamkit.stats.calibration import probability_among

    score = match.score if match.normalised is None else match.normalised
    return replace(match, probability=probability_among(calibration, score, size))
