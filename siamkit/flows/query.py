"""Query (1:N): find the enrolled identities nearest to each region of a probe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from siamkit.embed import batches, region_choosers, rerankers
from siamkit.embed.batches import EmbeddedSource, Job
from siamkit.embed.pipeline import Pipeline
from siamkit.embed.region_choosers import Chooser
from siamkit.errors import BadInput, SiamkitError
from siamkit.flows import normalise, objections
from siamkit.flows.answer import Answer
from siamkit.flows.decide import (
    DEFAULT_RULE,
    DecisionRule,
    Limits,
    gallery_basis,
    identification_limits,
    of_references,
    reranked_limits,
    verification_limits,
)
from siamkit.flows.nearest import RESCORED, find_nearest
from siamkit.flows.second_opinion import SecondOpinion, judge_matches, open_second_opinion
from siamkit.protocols import Reranker, Source
from siamkit.stats.probe_scores import ProbeScores
from siamkit.stats.scoring import Fusion, fusion_of, mated_cosine_of
from siamkit.store import galleries, observations, templates
from siamkit.store.live_index import LiveIndex
from siamkit.types import (
    Calibration,
    Decision,
    Match,
    Vectors,
)

VERIFIED = 3  # matches that a second opinion is asked about: it loads all of their samples
FIRST = 2  # sources of the first batch, so that an answer is there soon


@dataclass(frozen=True, slots=True)
class Queried:
    """The outcome of one of many probes: an answer for each region, or an error."""

    source: str
    answers: list[Answer] = field(default_factory=list)
    error: SiamkitError | None = None


def query(
    live: LiveIndex,
    pipeline: Pipeline,
    probe: Source,
    *,
    k: int = 5,
    rule: DecisionRule = DEFAULT_RULE,
    fusion: Fusion | None = None,
    choose: Chooser = region_choosers.all_regions,
) -> list[Answer]:
    """Find the k nearest identities of each region of a probe: see `answer_regions`.

    Raises EncoderMismatch if the gallery holds vectors of another encoder, NothingFound if the
    detector finds nothing, and as `answer_regions` does.
    """
    answer = open_query(live, pipeline, k=k, rule=rule, fusion=fusion)
    return answer(batches.embed_one(pipeline, pipeline.read(probe), choose))


def query_many(
    live: LiveIndex,
    pipeline: Pipeline,
    probes: Iterable[Source],
    *,
    k: int = 5,
    rule: DecisionRule = DEFAULT_RULE,
    fusion: Fusion | None = None,
    choose: Chooser = region_choosers.all_regions,
) -> Iterator[Queried]:
    """Query with each probe, embedded in batches; yield its answers, or its error, in order."""
    answer = open_query(live, pipeline, k=k, rule=rule, fusion=fusion)
    for batch in batches.embed_all(pipeline, map(Job, probes), choose, first=FIRST):
        for source in batch:
            answers = [] if source.error else answer(source)
            yield Queried(source.name, answers, source.error)


def open_query(
    live: LiveIndex,
    pipeline: Pipeline,
    *,
    k: int = 5,
    rule: DecisionRule = DEFAULT_RULE,
    fusion: Fusion | None = None,
) -> Callable[[EmbeddedSource], list[Answer]]:
    """Return a function that answers for each region of an embedded source, as `query` does.

    It is `answer_regions`, heeding the modality's verifier and its objections. Raises
    EncoderMismatch if the gallery holds vectors of another encoder.
    """
    galleries.require_space(live.gallery, pipeline.encoder.fingerprint)
    reranker = rerankers.pick_reranker(pipeline, rule.reranker)
    count = max(k, RESCORED) if k > 0 and objections.opener(pipeline) else k
    usual = fusion_of(pipeline.modality)
    basis = gallery_basis(live.gallery, pipeline, usual)
    is_usual = fusion in (None, usual)
    second_opinion = open_second_opinion(pipeline, rule, basis) if is_usual else None
    if second_opinion and k > 0:
        count = max(count, VERIFIED)

    def answer(source: EmbeddedSource) -> list[Answer]:
        answers = answer_regions(
            live, pipeline, source, k=count, rule=rule, fusion=fusion, reranker=reranker
        )
        crops = [region.crop for region in source.regions]
        if second_opinion:
            ask = partial(_ask, second_opinion, live, pipeline, rule)
            answers = [ask(answer, crop) for answer, crop in zip(answers, crops, strict=True)]
        heeded = [
            _heed_objections(live, pipeline, answer, crop, k)
            for answer, crop in zip(answers, crops, strict=True)
        ]
        return [_advise(live, pipeline, answer) for answer in heeded]

    return answer


def _ask(
    second_opinion: SecondOpinion,
    live: LiveIndex,
    pipeline: Pipeline,
    rule: DecisionRule,
    answer: Answer,
    crop: Any,
) -> Answer:
    """Return an answer as a second opinion decides it.

    It is asked about the first match, and about the next ones that the score does not call
    different.
    """
    if objections.of_quality(answer.quality):
        return answer
    candidates = [
        match
        for rank, match in enumerate(answer.matches[:VERIFIED])
        if not rank or replace(answer, matches=[match]).decision != Decision.DIFFERENT
    ]
    judged = judge_matches(second_opinion, live, pipeline, crop, candidates)
    if judged is None:
        return answer
    first, opinion = judged
    limits = verification_limits(rule, opinion.basis)
    return replace(
        answer,
        matches=[*first, *(match for match in answer.matches if match not in candidates)],
        threshold=limits.same,
        different_below=limits.different if limits.different < limits.same.value else None,
        reranker=opinion.reranker,
    )


def _advise(live: LiveIndex, pipeline: Pipeline, answer: Answer) -> Answer:
    """Add the modality's advice to an answer whose score was inconclusive."""
    if answer.decision != Decision.INCONCLUSIVE or answer.objection:
        return answer
    references = count_samples(live, answer.matches[0].identity)
    return replace(answer, advice=objections.advise(pipeline, references))


def _heed_objections(
    live: LiveIndex, pipeline: Pipeline, answer: Answer, crop: Any, k: int
) -> Answer:
    """Return an answer with its best k matches, those first that meet no objection."""

    def is_same(match: Match) -> bool:
        return replace(answer, quality=None, matches=[match]).decision != Decision.DIFFERENT

    matches = objections.pass_over(live, pipeline, crop, answer.matches, is_same)
    return replace(answer, matches=matches[:k])


def answer_regions(
    live: LiveIndex,
    pipeline: Pipeline,
    source: EmbeddedSource,
    *,
    k: int = 5,
    rule: DecisionRule = DEFAULT_RULE,
    fusion: Fusion | None = None,
    reranker: Reranker[Any] | None = None,
) -> list[Answer]:
    """Find the k nearest identities of each embedded region of a source.

    fusion: score an identity by its nearest sample (`best`) or by the mean of all (`mean`, see
    siamkit.stats.scoring.mean_score); None: as the modality prefers. reranker: the one that `rule`
    names; it compares RESCORED identities, and its probability decides. Raises Uncalibrated if the
    rate of `rule` needs a calibration that the gallery lacks. The caller has checked the space.
    """
    import numpy as np

    if k < 1:
        raise BadInput(f"k must be at least 1, not {k}")
    vectors = np.stack([region.vector for region in source.regions])
    fusion = fusion or fusion_of(pipeline.modality)
    basis = gallery_basis(live.gallery, pipeline, fusion)
    snorm = None
    if rule.threshold is None and reranker is None:
        snorm = normalise.open_snorm(live, basis.calibration)
    count = max(k, RESCORED) if reranker or snorm else k
    rows = _search(live, pipeline, vectors, count, fusion)
    limits: Limits | None
    if reranker:
        from siamkit.flows.rerank import rerank_matches

        limits = reranked_limits(rule, reranker)
        crops = [region.crop for region in source.regions]
        rows = rerank_matches(live, pipeline, reranker, crops, vectors, rows)
    else:
        if snorm:
            basis = replace(basis, calibration=snorm.calibration, default=None)
            rows = [
                normalise.normalise_matches(live, snorm, vector, row)
                for vector, row in zip(vectors, rows, strict=True)
            ]
        size = search_size(live, fusion, basis.calibration)
        limits = identification_limits(rule, basis, size)
        rows = _add_probabilities(rows, basis.calibration, size)
    name = reranker.name if reranker else None
    answers = []
    for region, matches in zip(source.regions, rows, strict=True):
        if fusion == "mean" and matches and basis.calibration and basis.calibration.of_means:
            of_best = of_references(basis, count_samples(live, matches[0].identity))
            limits = limits if reranker else identification_limits(rule, of_best, 0)
        threshold = limits.same if limits else None
        below = limits.different if limits and limits.different < limits.same.value else None
        quality = region.quality
        answer = Answer(source.name, region.region, quality, matches[:k], threshold, name, below)
        answers.append(answer)
    return answers


def count_samples(live: LiveIndex, identity: str) -> int:
    """Count the templates of an identity."""
    return len(templates.of_label(live.store, live.gallery, identity))


def _search(
    live: LiveIndex, pipeline: Pipeline, vectors: Vectors, count: int, fusion: Fusion
) -> list[list[Match]]:
    """Find `count` identities for each vector, and record the scores used to detect drift."""
    drift_scores: list[ProbeScores] | None = None
    if observations.will_record(live.store, live.gallery):
        drift_scores = []
    mated_cosine = mated_cosine_of(pipeline.encoder)
    rows = find_nearest(live, vectors, count, fusion, mated_cosine, drift_scores)
    if drift_scores:
        observations.record(live.store, live.gallery, drift_scores)
    return rows


def search_size(live: LiveIndex, fusion: Fusion, calibration: Calibration | None) -> int:
    """Count what a probe is compared with: the more there is, the higher its best score.

    That is templates if single samples are scored; identities if means are, or if the calibration
    was measured on whole identities.
    """
    if fusion == "best" and not (calibration and calibration.fusion):
        return len(live)
    return galleries.count(live.store, live.gallery)[0]


def _add_probabilities(
    rows: list[list[Match]], calibration: Calibration | None, size: int
) -> list[list[Match]]:
    """Add probabilities if the calibration has an FPIR model, which a search of many needs."""
    if calibration is None or calibration.fpir_model is None or not size:
        return rows
    from siamkit.stats.calibration import probability_among

    def probability(match: Match) -> float:
        score = match.score if match.normalised is None else match.normalised
        return probability_among(calibration, score, size)

    return [[replace(match, probability=probability(match)) for match in row] for row in rows]
