"""Dedupe against a gallery: is an item already enrolled?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from siamkit.embed import batches, region_choosers
from siamkit.embed.batches import Job
from siamkit.embed.pipeline import Pipeline
from siamkit.errors import SiamkitError
from siamkit.flows.dedupe import Item
from siamkit.flows.grouping import MatchRule
from siamkit.flows.nearest import RESCORED, find_nearest
from siamkit.flows.rerank import rerank_matches
from siamkit.store import galleries
from siamkit.store.live_index import LiveIndex
from siamkit.types import Match


@dataclass(frozen=True, slots=True)
class GalleryLookup:
    """One new item and the enrolled identity nearest to it."""

    item: Item
    match: Match | None
    duplicate: bool
    error: SiamkitError | None = None


def against(
    live: LiveIndex, pipeline: Pipeline, items: Iterable[Item], rule: MatchRule
) -> Iterator[GalleryLookup]:
    """Find the nearest enrolled identity of each item, and whether it is the same. In order.

    Raises EncoderMismatch if the gallery holds vectors of another encoder.
    """
    import numpy as np

    galleries.require_space(live.gallery, pipeline.encoder.fingerprint)
    jobs = (Job(item.source, item) for item in items)
    for batch in batches.embed_all(pipeline, jobs, region_choosers.largest_region):
        embedded = [source for source in batch if not source.error]
        rows: list[list[Match]] = []
        if embedded:
            vectors = np.stack([source.regions[0].vector for source in embedded])
            rows = find_nearest(live, vectors, RESCORED if rule.reranker else 1)
            if rule.reranker:
                crops = [source.regions[0].crop for source in embedded]
                rows = rerank_matches(live, pipeline, rule.reranker, crops, vectors, rows)
        matches = iter(rows)
        for source in batch:
            match = None if source.error else next(iter(next(matches)), None)
            yield GalleryLookup(source.job.tag, match, _is_same(match, rule), source.error)


def _is_same(match: Match | None, rule: MatchRule) -> bool:
    if match is None:
        return False
    score = match.probability if rule.reranker else match.score
    return score is not None and score >= rule.threshold.value
