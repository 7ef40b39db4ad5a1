"""Dedupe against a gallery: is each new item one that is enrolled already?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from siamkit.embed import batches, region_choosers
from siamkit.embed.batches import EmbeddedSource, Job
from siamkit.embed.pipeline import Pipeline
from siamkit.flows.dedupe import Item
from siamkit.flows.grouping import MatchRule
from siamkit.flows.nearest import RERANKED, nearest
from siamkit.flows.rerank import reranked
from siamkit.store import galleries
from siamkit.store.live_index import LiveIndex
from siamkit.types import Match

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from siamkit.errors import SiamkitError


@dataclass(frozen=True, slots=True)
class Checked:
    """One new item and what is nearest to it among the enrolled."""

    item: Item
    match: Match | None
    duplicate: bool
    error: SiamkitError | None = None


def against(
    live: LiveIndex, pipeline: Pipeline, items: Iterable[Item], rule: MatchRule
) -> Iterator[Checked]:
    """The nearest enrolled identity of each item, and whether it is the same. In order.

    Raises EncoderMismatch if the gallery holds vectors of another encoder.
    """
    import numpy as np

    galleries.require_space(live.gallery, pipeline.encoder.fingerprint)
    jobs = (Job(item.source, text=isinstance(item.source, str), tag=item) for item in items)
    for batch in batches.embed_all(pipeline, jobs, region_choosers.largest_region):
        good = [done for done in batch if not done.error]
        crops = [done.regions[0].crop for done in good]
        vectors = np.stack([_vector(done) for done in good]) if good else None
        rows: Iterator[list[Match]] = iter(())
        if vectors is not None:
            found = nearest(live, vectors, RERANKED if rule.reranker else 1)
            if rule.reranker:
                found = reranked(live, pipeline, rule.reranker, crops, vectors, found)
            rows = iter(found)
        for done in batch:
            match = None if done.error else next(iter(next(rows)), None)
            yield Checked(done.job.tag, match, _is_same(match, rule), done.error)


def _vector(done: EmbeddedSource) -> NDArray[np.float32]:
    vector = done.regions[0].vector
    assert vector is not None
    return vector


def _is_same(match: Match | None, rule: MatchRule) -> bool:
    if match is None:
        return False
    sure = match.probability if rule.reranker else match.score
    return sure is not None and sure >= rule.threshold.value
