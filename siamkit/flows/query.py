"""Query (1:N): who or what in a gallery is nearest to each region of a probe."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from siamkit import batches, choice
from siamkit.choice import Chooser
from siamkit.errors import BadInput
from siamkit.pipeline import Pipeline
from siamkit.search import LiveIndex
from siamkit.store import galleries, observations, templates
from siamkit.store.observations import Observation
from siamkit.store.templates import Owner
from siamkit.types import Match, Quality, Region, Threshold

if TYPE_CHECKING:
    from siamkit.protocols import Reranker
    from siamkit.types import Hits, Vectors

Fusion: TypeAlias = Literal["best", "mean"]
RERANKED = 10  # identities that a second look, by a reranker or by means, is taken at, at least
CANDIDATES = 4  # templates fetched per identity wanted, before any search is widened


@dataclass(frozen=True, slots=True)
class Answer:
    """One region of a probe and its nearest identities, best first.

    `identity` is the first match's if its score, or its probability where a reranker was asked,
    reaches the threshold, else None: unknown.
    """

    source: str
    region: Region
    quality: Quality | None
    matches: list[Match]
    threshold: Threshold | None
    reranker: str | None = None  # whose probability the threshold is on

    @property
    def identity(self) -> str | None:
        best = self.matches[0] if self.matches else None
        if best is None or self.threshold is None:
            return None
        sure = best.probability if self.reranker else best.score
        return best.identity if sure is not None and sure >= self.threshold.value else None


def query(
    live: LiveIndex,
    pipeline: Pipeline,
    probe: Path | str | bytes,
    *,
    k: int = 5,
    threshold: Threshold | None = None,
    fusion: Fusion | None = None,
    choose: Chooser = choice.everything,
    reranker: Reranker[Any] | None = None,
) -> list[Answer]:
    """The k nearest identities of each region of a probe.

    An identity with several samples is scored by its nearest one (`best`), or by the mean of
    all (`mean`, see mean_score); None: as the modality does. A reranker looks at RERANKED
    identities, and the threshold is on its probability. Raises NothingFound if the detector saw
    nothing, EncoderMismatch if the gallery holds vectors of another encoder.
    """
    import numpy as np

    if k < 1:
        raise BadInput(f"k is {k}", hint="ask for 1 match at least")
    galleries.require_space(live.gallery, pipeline.encoder.fingerprint)
    done = batches.one(pipeline, pipeline.read(probe), choose)
    vectors = np.stack([item.vector for item in done.found if item.vector is not None])
    fusion = fusion or own_fusion(pipeline.modality)
    wanted = max(k, RERANKED) if reranker else k
    seen: list[Observation] | None = [] if observations.wanted(live.store, live.gallery) else None
    found = nearest(live, vectors, wanted, fusion, own_mated(pipeline.encoder), seen)
    if seen:
        observations.record(live.store, live.gallery, seen)
    limit = threshold or live.gallery.threshold
    name = reranker.name if reranker else None
    if reranker:
        from siamkit.flows.rerank import reranked

        limit = threshold or reranker.threshold
        crops = [item.crop for item in done.found]
        found = [row[:k] for row in reranked(live, pipeline, reranker, crops, vectors, found)]
    return [
        Answer(done.name, item.region, item.quality, matches, limit, name)
        for item, matches in zip(done.found, found, strict=True)
    ]


def nearest(
    live: LiveIndex,
    vectors: Vectors,
    k: int,
    fusion: Fusion = "best",
    mated: float | None = None,
    seen: list[Observation] | None = None,
) -> list[list[Match]]:
    """The k nearest identities to each of (n, dim) unit vectors, best first.

    mated: see mean_score. seen: takes what is kept of the scores, to tell drift by.

    The search is widened until k identities are found or the gallery is exhausted, since one
    identity may own all of the nearest templates. By their means RERANKED identities are
    compared, however small k is: the nearest template need not be that of the best mean.
    """
    compared = max(k, RERANKED) if fusion == "mean" else k
    with live.store.read():
        live.catch_up()
        least = 0 if seen is None else observations.SEEN
        wanted = max(1, min(max(CANDIDATES * compared, least), len(live.index)))
        while True:
            hits = live.index.search(vectors, wanted)
            owners = templates.owners(live.store, set(hits.ids[hits.ids >= 0].tolist()))
            rows = [
                _best_per_identity(ids.tolist(), scores.tolist(), owners)
                for ids, scores in zip(hits.ids, hits.scores, strict=True)
            ]
            if wanted >= len(live.index) or all(len(row) >= compared for row in rows):
                break
            wanted = min(wanted * 4, len(live.index))
        if seen is not None:
            seen += _observed(live, vectors, hits, owners)
        if fusion == "mean":
            rows = [_by_mean(live, v, row, mated) for v, row in zip(vectors, rows, strict=True)]
    live.save_if_due()
    return [
        [Match(o.identity, score, o.sample_id, o.source) for score, o in row[:k]] for row in rows
    ]


def _observed(
    live: LiveIndex, vectors: Vectors, hits: Hits, owners: dict[int, Owner]
) -> Iterator[Observation]:
    """What is kept of each vector's scores."""
    for vector, ids, scores in zip(vectors, hits.ids.tolist(), hits.scores.tolist(), strict=True):
        pairs = zip(ids, scores, strict=True)
        found = [(score, owners[i].identity_id) for i, score in pairs if i in owners]
        if found:
            own = templates.first_of(live.store, live.gallery, found[0][1], observations.OWN)
            yield observations.of_query(float((own @ vector).mean()), found)


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


def own_fusion(modality: Any) -> Fusion:
    """How a modality scores an identity with several samples: `best` unless it says otherwise."""
    own: Fusion = getattr(modality, "fusion", "best")
    return own


def own_mated(encoder: Any) -> float | None:
    """The mean cosine of mated pairs that an encoder states; strangers' need not."""
    mated: float | None = getattr(encoder, "mated", None)
    return mated


def mean_score(enrolled: Vectors, probe: Vectors, mated: float | None = None) -> float:
    """Cosine of a (dim,) probe to the mean of (n, dim) unit templates, times its usual length.

    The mean of n unit vectors is √(1/n + (1 − 1/n) c) long, if c is the mean cosine of each two. A
    cosine divides by that length, so it rises with n, and a threshold for one template would let
    more through. The length at c = `mated`, the encoder's mean cosine of mated pairs, undoes that:
    what remains is that alike templates ask for more. None leaves the cosine as it is.
    """
    import numpy as np

    count, mean = len(enrolled), enrolled.mean(axis=0)
    usual = 1.0 if mated is None else math.sqrt(1 / count + (1 - 1 / count) * mated)
    return usual * float(mean @ probe / max(float(np.linalg.norm(mean)), 1e-12))
