"""The identities that are nearest to a vector, however many templates each of them owns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from siamkit.stats import probe_scores
from siamkit.stats.probe_scores import ProbeScores
from siamkit.stats.scoring import Fusion, mean_score
from siamkit.store import templates
from siamkit.store.live_index import LiveIndex
from siamkit.store.templates import Owner
from siamkit.types import Match

if TYPE_CHECKING:
    from siamkit.types import Hits, Vectors

RERANKED = 10  # identities that a second look, by a reranker or by means, is taken at, at least
CANDIDATES = 4  # templates fetched per identity wanted, before any search is widened


def nearest(
    live: LiveIndex,
    vectors: Vectors,
    k: int,
    fusion: Fusion = "best",
    mated: float | None = None,
    seen: list[ProbeScores] | None = None,
) -> list[list[Match]]:
    """The k nearest identities to each of (n, dim) unit vectors, best first.

    mated: see siamkit.stats.scoring.mean_score. seen: takes what is kept of the scores, to tell
    drift by.

    The search is widened until k identities are found or the gallery is exhausted, since one
    identity may own all of the nearest templates. By their means RERANKED identities are
    compared, however small k is: the nearest template need not be that of the best mean.
    """
    compared = max(k, RERANKED) if fusion == "mean" else k
    with live.store.read():
        rows, hits, owners = search(
            live, vectors, compared, 0 if seen is None else probe_scores.SEARCH_DEPTH
        )
        if seen is not None:
            seen += _observed(live, vectors, hits, owners)
        if fusion == "mean":
            rows = [_by_mean(live, v, row, mated) for v, row in zip(vectors, rows, strict=True)]
    live.save_if_due()
    return [
        [Match(o.identity, score, o.sample_id, o.source) for score, o in row[:k]] for row in rows
    ]


def search(
    live: LiveIndex, vectors: Vectors, identities: int, least: int = 0
) -> tuple[list[list[tuple[float, Owner]]], Hits, dict[int, Owner]]:
    """Of each of (n, dim) vectors the best template of so many identities at least, best first.

    least: templates to look at. Also what the index found, and whose that is. The caller holds a
    read transaction.
    """
    live.catch_up()
    wanted = max(1, min(max(CANDIDATES * identities, least), len(live.index)))
    while True:
        hits = live.index.search(vectors, wanted)
        owners = templates.owners(live.store, set(hits.ids[hits.ids >= 0].tolist()))
        rows = [
            _best_per_identity(ids.tolist(), scores.tolist(), owners)
            for ids, scores in zip(hits.ids, hits.scores, strict=True)
        ]
        if wanted >= len(live.index) or all(len(row) >= identities for row in rows):
            return rows, hits, owners
        wanted = min(wanted * 4, len(live.index))


def _observed(
    live: LiveIndex, vectors: Vectors, hits: Hits, owners: dict[int, Owner]
) -> Iterator[ProbeScores]:
    """What is kept of each vector's scores."""
    for vector, ids, scores in zip(vectors, hits.ids.tolist(), hits.scores.tolist(), strict=True):
        pairs = zip(ids, scores, strict=True)
        found = [(score, owners[i].identity_id) for i, score in pairs if i in owners]
        if found:
            own = templates.oldest_of(
                live.store, live.gallery, found[0][1], probe_scores.BEST_SAMPLES
            )
            yield probe_scores.scores_of_query(float((own @ vector).mean()), found)


def _best_per_identity(
    ids: list[int], scores: list[float], owners: dict[int, Owner]
) -> list[tuple[float, Owner]]:
    best: dict[int, tuple[float, Owner]] = {}
    for template, score in zip(ids, scores, strict=True):
        owner = owners.get(template)
        if owner is not None and owner.identity_id not in best:  # hits come best first
            best[owner.identity_id] = (score, owner)
    return list(best.values())


def _by_mean(
    live: LiveIndex, vector: Vectors, row: list[tuple[float, Owner]], mated: float | None
) -> list[tuple[float, Owner]]:
    owned = templates.of_identities(live.store, live.gallery, [o.identity_id for _, o in row])
    rescored = [(mean_score(owned[o.identity_id][1], vector, mated), o) for _, o in row]
    return sorted(rescored, key=lambda pair: -pair[0])
