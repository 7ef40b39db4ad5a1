"""Rerank: a second opinion on the few identities that a search returned."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from siamkit.embed.pipeline import Pipeline
from siamkit.embed.rerankers import judge
from siamkit.errors import SiamkitError, UnknownName
from siamkit.flows.reembed import read_enrolled
from siamkit.protocols import Reranker
from siamkit.store import Store, samples, templates
from siamkit.store.live_index import LiveIndex
from siamkit.types import Match, Vectors

log = logging.getLogger("siamkit")


def rerank_matches(
    live: LiveIndex,
    pipeline: Pipeline,
    reranker: Reranker[Any],
    probes: Sequence[Any],
    vectors: Vectors,
    rows: Sequence[Sequence[Match]],
) -> list[list[Match]]:
    """Return the matches of each probe with probabilities, the likeliest first.

    probes: n cropped media; vectors: (n, dim); rows: the matches of each probe. A match whose
    source is gone cannot be judged: it comes last, without a probability, and a line is logged.
    """
    sample_ids = {match.sample_id for row in rows for match in row}
    enrolled = templates.of_samples(live.store, live.gallery, sample_ids)
    loaded = {i: load_enrolled(live.store, pipeline, i) for i in enrolled}
    media = {i: medium for i, medium in loaded.items() if medium is not None}
    if missing := len(sample_ids) - len(media):
        log.warning(
            f"{reranker.name} cannot judge {missing} enrolled samples whose sources are gone or"
            " changed; without --rerank the cosine decides"
        )
    pairs = [
        (row, rank, match.sample_id)
        for row, matches in enumerate(rows)
        for rank, match in enumerate(matches)
        if match.sample_id in media
    ]
    reranked = [list(row) for row in rows]
    if pairs:
        scores = judge(
            reranker,
            [probes[row] for row, _, _ in pairs],
            [media[sample] for _, _, sample in pairs],
            vectors[[row for row, _, _ in pairs]],
            np.stack([enrolled[sample] for _, _, sample in pairs]),
        )
        for (row, rank, _), score in zip(pairs, scores.tolist(), strict=True):
            reranked[row][rank] = replace(reranked[row][rank], probability=score)
    return [sorted(row, key=_likeliest_first) for row in reranked]


def _likeliest_first(match: Match) -> tuple[float, float]:
    return (1.0 if match.probability is None else -match.probability, -match.score)


def load_enrolled(store: Store, pipeline: Pipeline, sample_id: int) -> Any | None:
    """Decode and crop an enrolled sample again; None if its source is gone or has changed."""
    try:
        sample = samples.get(store, sample_id)
    except UnknownName:  # another process has forgotten it since the search
        return None
    try:
        content = read_enrolled(sample)
        return pipeline.crop(pipeline.load(content), sample.read_region(), content)
    except SiamkitError:
        return None
