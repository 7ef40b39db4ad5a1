"""Rerank: a second opinion on the few that a search has found."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from siamkit.embed.pipeline import Pipeline
from siamkit.embed.rerankers import judge
from siamkit.errors import SiamkitError
from siamkit.flows.reembed import read_enrolled
from siamkit.protocols import Reranker
from siamkit.sdk import regions
from siamkit.store import samples, templates
from siamkit.store.live_index import LiveIndex
from siamkit.types import Match

if TYPE_CHECKING:
    from siamkit.types import Vectors

log = logging.getLogger("siamkit")


def reranked(
    live: LiveIndex,
    pipeline: Pipeline,
    reranker: Reranker[Any],
    probes: Sequence[Any],
    vectors: Vectors,
    found: Sequence[Sequence[Match]],
) -> list[list[Match]]:
    """The matches of each probe with probabilities, the likeliest first.

    probes: n cropped media; vectors: (n, dim). A match whose source is gone cannot be looked at
    again: it comes last, without a probability, and a line is logged.
    """
    wanted = {match.sample_id for row in found for match in row}
    enrolled = templates.of_samples(live.store, live.gallery, wanted)
    media = {i: medium for i in enrolled if (medium := _medium(live, pipeline, i)) is not None}
    asked = [
        (row, place, match.sample_id)
        for row, matches in enumerate(found)
        for place, match in enumerate(matches)
        if match.sample_id in media
    ]
    if gone := len(wanted) - len(media):
        log.warning(
            f"{gone} enrolled sources are gone or changed, so {reranker.name} cannot judge them;"
            " without --rerank the cosine decides"
        )
    out = [list(row) for row in found]
    if asked:
        scores = judge(
            reranker,
            [probes[row] for row, _, _ in asked],
            [media[sample] for _, _, sample in asked],
            vectors[[row for row, _, _ in asked]],
            np.stack([enrolled[sample] for _, _, sample in asked]),
        )
        for (row, place, _), score in zip(asked, scores.tolist(), strict=True):
            out[row][place] = replace(out[row][place], probability=score)
    return [sorted(row, key=_likeliest_first) for row in out]


def _likeliest_first(match: Match) -> tuple[float, float]:
    return (1.0 if match.probability is None else -match.probability, -match.score)


def _medium(live: LiveIndex, pipeline: Pipeline, sample_id: int) -> Any | None:
    """What was enrolled, decoded again; None if it is gone or has changed."""
    sample = samples.get(live.store, sample_id)
    try:
        content = read_enrolled(sample)
        return pipeline.crop(pipeline.load(content), regions.from_json(sample.region), content)
    except SiamkitError:
        return None
