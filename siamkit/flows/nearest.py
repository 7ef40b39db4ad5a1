"""Find the identities nearest to a vector, however many templates each of them owns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from siamkit.stats import probe_scores
from siamkit.stats.probe_scores import ProbeScores
from siamkit.stats.scoring import Fusion, mean_score
from siamkit.store import templates
from siamkit.store.live_index import LiveIndex
from siamkit.store.templates import Owner
from siamkit.types import Hits, Match, Vectors

RESCORED = 10  # identities, at least, that a reranker, S-norm or scoring by means compares again
CANDIDATES = 4  # templates fetched per identity before a search is widened


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """The result of searching the index for (n, dim) vectors."""

    rows: list[list[tuple[float, Owner]]]  # per vector, the best template of each identity
    hits: Hits  # (n, m) templates as the index returned them
    owners: dict[int, Owner]  # by template id


def find_nearest(
    live: LiveIndex,
    vectors: Vectors,
    k: int,
    fusion: Fusion = "best",
    mated_cosine: float | None = None,
    drift_scores: list[ProbeScores] | None = None,
) -> list[list[Match]]:
    """Find the k identities nearest to each of (n, dim) unit vectors, best first.

    The search is widened until it has k identities or the gallery is exhausted, since one identity
    may own all of the nearest templates. Scoring by means compares at least RESCORED identities,
    because the nearest template may not belong to the best mean.

    mated_cosine: see siamkit.stats.scoring.mean_score. drift_scores: receives the scores to store
    for detecting drift.
    """
    compared = max(k, RESCORED) if fusion == "mean" else k
    depth = 0 if drift_scores is None else probe_scores.SEARCH_DEPTH
    with live.current():
        search = search_identities(live, vectors, compared, depth)
        rows = search.rows
        if drift_scores is not None:
            drift_scores += _scores_of_queries(live, vectors, search)
        if fusion == "mean":
            rows = [
                _rank_by_mean(live, v, row, mated_cosine)
                for v, row in zip(vectors, rows, strict=True)
            ]
    live.save_if_due()
    return [
        [Match(o.identity, score, o.sample_id, o.source) for score, o in row[:k]] for row in rows
    ]


def search_identities(live: LiveIndex, vectors: Vectors, identities: int, depth: int = 0) -> Search:
    """Search until each of (n, dim) vectors has the best templates of `identities` identities.

    depth: templates to fetch at least.
    """
    with live.current() as index:
        count = max(1, min(max(CANDIDATES * identities, depth), len(index)))
        while True:
            hits, owners = live.search_owned(vectors, count)
            rows = [
                _best_per_identity(ids.tolist(), scores.tolist(), owners)
                for ids, scores in zip(hits.ids, hits.scores, strict=True)
            ]
            if count >= len(live) or all(len(row) >= identities for row in rows):
                return Search(rows, hits, owners)
            count = min(count * 4, len(live))


def _scores_of_queries(live: LiveIndex, vectors: Vectors, search: Search) -> Iterator[ProbeScores]:
    hits = zip(vectors, search.hits.ids.tolist(), search.hits.scores.tolist(), strict=True)
    for vector, ids, scores in hits:
        pairs = zip(ids, scores, strict=True)
        scored = [(score, search.owners[i].identity_id) for i, score in pairs if i in search.owners]
        if scored:
            nearest = templates.of_identity(
                live.store, live.gallery, scored[0][1], probe_scores.BEST_SAMPLES
            )
            yield probe_scores.scores_of_query(float((nearest @ vector).mean()), scored)


def _best_per_identity(
    ids: list[int], scores: list[float], owners: dict[int, Owner]
) -> list[tuple[float, Owner]]:
    best: dict[int, tuple[float, Owner]] = {}
    for template, score in zip(ids, scores, strict=True):
        owner = owners.get(template)
        if owner is not None and owner.identity_id not in best:  # hits come best first
            best[owner.identity_id] = (score, owner)
    return list(best.values())


def _rank_by_mean(
    live: LiveIndex, vector: Vectors, row: list[tuple[float, Owner]], mated_cosine: float | None
) -> list[tuple[float, Owner]]:
    with live.store.read():
        enrolled = [templates.of_identity(live.store, live.gallery, o.identity_id) for _, o in row]
    owners = [owner for _, owner in row]
    scores = [mean_score(vectors, vector, mated_cosine) for vectors in enrolled]
    return sorted(zip(scores, owners, strict=True), key=lambda pair: -pair[0])
