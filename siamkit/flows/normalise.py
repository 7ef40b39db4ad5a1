"""Adaptive S-norm of a probe's scores, by cohorts of the gallery: see siamkit.stats.snorm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from siamkit.flows.nearest import search_identities
from siamkit.store import galleries, templates
from siamkit.store.live_index import LiveIndex
from siamkit.types import Calibration, Match, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """An identity that a probe is compared with, by its nearest template."""

    identity: str
    template: Vectors  # (dim,)
    score: float  # its cosine to the probe


@dataclass(frozen=True, slots=True)
class Snorm:
    """The calibration and cohort size of a gallery that decides by S-norm."""

    calibration: Calibration  # of normalised scores
    cohort_size: int  # identities


def open_snorm(live: LiveIndex, calibration: Calibration | None) -> Snorm | None:
    """Return the gallery's S-norm; None if it decides by cosines or is too small for a cohort."""
    from siamkit.stats import snorm

    if calibration is None or calibration.normalised is None:
        return None
    size = snorm.cohort_size(galleries.count(live.store, live.gallery)[0])
    return Snorm(calibration.normalised, size) if size else None


def normalise_matches(
    live: LiveIndex, snorm: Snorm, probe: Vectors, matches: Sequence[Match]
) -> list[Match]:
    """Return the matches of a (dim,) probe with normalised scores, best first by these.

    A match whose sample was deleted meanwhile is dropped.
    """
    owned = templates.of_samples(live.store, live.gallery, [match.sample_id for match in matches])
    matches = [match for match in matches if match.sample_id in owned]
    candidates = [Candidate(m.identity, owned[m.sample_id], m.score) for m in matches]
    scores = normalise_candidates(live, snorm, probe, candidates)
    ranked = sorted(zip(scores, matches, strict=True), key=lambda pair: -pair[0])
    return [replace(match, normalised=score) for score, match in ranked]


def normalise_candidates(
    live: LiveIndex, snorm: Snorm, probe: Vectors, candidates: Sequence[Candidate]
) -> list[float]:
    """Return the normalised score of a (dim,) unit vector with each candidate.

    Neither cohort holds the candidate itself. The true identity of the probe is unknown, so if it
    is enrolled, other candidates are compared with a cohort that holds it, and score lower.
    """
    import numpy as np

    from siamkit.stats.snorm import normalise_score

    if not candidates:
        return []
    vectors = np.stack([probe, *(candidate.template for candidate in candidates)])
    search = search_identities(live, vectors, snorm.cohort_size + 1)
    probe_row, *candidate_rows = search.rows

    def cohort(row: list[tuple[float, templates.Owner]], without: str) -> np.ndarray:
        scores = [score for score, owner in row if owner.identity != without]
        return np.array(scores[: snorm.cohort_size], np.float32)

    return [
        normalise_score(c.score, cohort(probe_row, c.identity), cohort(row, c.identity))
        for c, row in zip(candidates, candidate_rows, strict=True)
    ]
