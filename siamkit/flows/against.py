"""Dedupe against a gallery: is an item already enrolled?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from siamkit.embed import batches, region_choosers
from siamkit.embed.batches import EmbeddedRegion, Job
from siamkit.embed.pipeline import Pipeline
from siamkit.embed.rerankers import pick_reranker
from siamkit.errors import SiamkitError, Uncalibrated
from siamkit.flows import objections
from siamkit.flows.decide import (
    DecisionRule,
    gallery_basis,
    identification_limits,
    reranked_limits,
)
from siamkit.flows.dedupe_items import Item, why_left_out
from siamkit.flows.nearest import RESCORED, find_nearest
from siamkit.flows.query import search_size
from siamkit.flows.rerank import rerank_matches
from siamkit.protocols import Reranker
from siamkit.store import galleries
from siamkit.store.live_index import LiveIndex
from siamkit.types import Match, Threshold

MOST_FPIR = 0.5  # for a number of false matches that most items may have


@dataclass(frozen=True, slots=True)
class GalleryLookup:
    """One new item, or one region of it, and the enrolled identity nearest to it."""

    item: Item
    match: Match | None
    duplicate: bool
    error: SiamkitError | None = None
    left_out: str = ""  # why no comparison tells anything about it


def against(
    live: LiveIndex, pipeline: Pipeline, items: Iterable[Item], rule: DecisionRule
) -> Iterator[GalleryLookup]:
    """Find the nearest enrolled identity of each item's regions, and whether it is the same.

    In order. An item is compared with the whole gallery, so by default the threshold is that of a
    query, for a gallery of its size. Raises EncoderMismatch if the gallery holds vectors of another
    encoder, and as `identification_limits` does.
    """
    galleries.require_space(live.gallery, pipeline.encoder.fingerprint)
    if rule.expected_false is not None:
        items = list(items)
        rule = DecisionRule(fpir=min(rule.expected_false / max(len(items), 1), MOST_FPIR))
    reranker = pick_reranker(pipeline, rule.reranker)
    threshold = _threshold(live, pipeline, rule, reranker)
    jobs = (Job(item.source, item) for item in items)
    for batch in batches.embed_all(pipeline, jobs, region_choosers.all_regions):
        regions = [region for source in batch for region in source.regions]
        matches = iter(_match(live, pipeline, regions, threshold, reranker))
        for source in batch:
            if source.error:
                yield GalleryLookup(source.job.tag, None, False, source.error)
            for region in source.regions:
                match, reason = next(matches), why_left_out(region.quality)
                is_same = not reason and _is_same(match, threshold, reranker)
                part = region.region if region.region.where else None
                item = replace(source.job.tag, region=part)
                yield GalleryLookup(item, match, is_same, left_out=reason)


def _threshold(
    live: LiveIndex, pipeline: Pipeline, rule: DecisionRule, reranker: Reranker[Any] | None
) -> Threshold:
    if reranker:
        return reranked_limits(rule, reranker).same
    basis = gallery_basis(live.gallery, pipeline, "best")
    size = search_size(live, "best", basis.calibration)
    limits = identification_limits(rule, basis, size)
    if limits is None:
        raise Uncalibrated(
            f"{basis.owner} has no default threshold", hint="give one: `--threshold 0.9`"
        )
    return limits.same


def _match(
    live: LiveIndex,
    pipeline: Pipeline,
    regions: Sequence[EmbeddedRegion],
    threshold: Threshold,
    reranker: Reranker[Any] | None,
) -> list[Match | None]:
    import numpy as np

    if not regions:
        return []
    vectors = np.stack([region.vector for region in regions])
    is_judged = reranker or objections.opener(pipeline)
    rows = find_nearest(live, vectors, RESCORED if is_judged else 1)
    if reranker:
        crops = [region.crop for region in regions]
        rows = rerank_matches(live, pipeline, reranker, crops, vectors, rows)

    def is_same(match: Match) -> bool:
        return _is_same(match, threshold, reranker)

    judged = [
        objections.pass_over(live, pipeline, region.crop, row, is_same)
        for region, row in zip(regions, rows, strict=True)
    ]
    return [row[0] if row else None for row in judged]


def _is_same(match: Match | None, threshold: Threshold, reranker: Reranker[Any] | None) -> bool:
    if match is None or match.objection:
        return False
    score = match.probability if reranker else match.score
    return score is not None and score >= threshold.value
