"""Query (1:N): who or what in a gallery is nearest to each region of a probe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siamkit import batches, choice
from siamkit.choice import Chooser
from siamkit.decisions import Decision, Limits, limits, limits_among
from siamkit.errors import BadInput
from siamkit.pipeline import Pipeline
from siamkit.scoring import Fusion, mean_score, own_fusion, own_mated
from siamkit.search import LiveIndex
from siamkit.store import galleries, observations, templates
from siamkit.store.observations import Observation
from siamkit.store.templates import Owner
from siamkit.types import Match, Quality, Region, Threshold

if TYPE_CHECKING:
    from siamkit.protocols import Reranker
    from siamkit.types import Calibration, Hits, Vectors

RERANKED = 10  # identities that a second look, by a reranker or by means, is taken at, at least
CANDIDATES = 4  # templates fetched per identity wanted, before any search is widened


@dataclass(frozen=True, slots=True)
class Answer:
    """One region of a probe and its nearest identities, best first.

    `identity` is the first match's if its score, or its probability where a reranker was asked,
    reaches the threshold, else None: unknown. `decision` says the same of the first match, and
    where it lies between the two limits, that none can tell.
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
        sure = best.probability if self.reranker else best.score
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
    threshold: Threshold | None = None,
    fusion: Fusion | None = None,
    choose: Chooser = choice.everything,
    reranker: Reranker[Any] | None = None,
    fmr: float | None = None,
    fpir: float | None = None,
) -> list[Answer]:
    """The k nearest identities of each region of a probe.

    An identity with several samples is scored by its nearest one (`best`), or by the mean of
    all (`mean`, see siamkit.scoring.mean_score); None: as the modality does. A reranker looks at
    RERANKED identities, and the threshold is on its probability. fmr, fpir: the false match rate,
    or the false positive identification rate among so many, to decide at, in (0, 1); without
    either and without a threshold it is the calibration's FPIR. Raises NothingFound if the
    detector saw nothing, EncoderMismatch if the gallery holds vectors of another encoder.
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
    name = reranker.name if reranker else None
    calibration = None if reranker else live.gallery.calibration
    who, own = f"gallery {live.gallery.name}", live.gallery.threshold
    limit: Limits | None
    if reranker:
        from siamkit.flows.rerank import reranked

        limit = limits(threshold, None, reranker.threshold, who)
        crops = [item.crop for item in done.found]
        found = [row[:k] for row in reranked(live, pipeline, reranker, crops, vectors, found)]
    else:
        size = crowd(live, fusion)
        limit = limits_among(threshold, calibration, own, who, size, fmr=fmr, fpir=fpir)
        if calibration and size:
            found = [[_probable(calibration, match, size) for match in row] for row in found]
    same = limit.same if limit else None
    below = limit.different if limit and limit.different < limit.same.value else None
    return [
        Answer(done.name, item.region, item.quality, matches, same, name, below)
        for item, matches in zip(done.found, found, strict=True)
    ]


def crowd(live: LiveIndex, fusion: Fusion) -> int:
    """With how many a probe is compared, of which the best counts.

    Scores of single samples rise with the number of templates; means, and what a calibration
    measured of whole identities, with that of identities.
    """
    calibration = live.gallery.calibration
    if fusion == "best" and not (calibration and calibration.per == "identity"):
        return len(live.index)
    return galleries.count(live.store, live.gallery)[0]


def _probable(calibration: Calibration, match: Match, size: int) -> Match:
    from siamkit.calibration import probability_among

    return replace(match, probability=probability_among(calibration, match.score, size))


def nearest(
    live: LiveIndex,
    vectors: Vectors,
    k: int,
    fusion: Fusion = "best",
    mated: float | None = None,
    seen: list[Observation] | None = None,
) -> list[list[Match]]:
    """The k nearest identities to each of (n, dim) unit vectors, best first.

    mated: see siamkit.scoring.mean_score. seen: takes what is kept of the scores, to tell drift by.

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
