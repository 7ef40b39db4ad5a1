"""Adaptive S-norm of what a probe scores, by the people of the gallery: see siamkit.stats.snorm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from siamkit.flows.nearest import search
from siamkit.store import galleries, templates
from siamkit.store.live_index import LiveIndex
from siamkit.types import Match

if TYPE_CHECKING:
    from siamkit.types import Calibration, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """Whom a probe is compared with: the nearest template of an identity."""

    identity: str
    template: Vectors  # (dim,)
    score: float  # its cosine to the probe


@dataclass(frozen=True, slots=True)
class Snorm:
    """By what a gallery decides."""

    calibration: Calibration  # of normalised scores
    size: int  # identities of a cohort


def opened(live: LiveIndex, calibration: Calibration | None) -> Snorm | None:
    """S-norm, if the gallery decides by it and is large enough."""
    from siamkit.stats import snorm

    if calibration is None or calibration.normalised is None:
        return None
    size = snorm.cohort_size(galleries.count(live.store, live.gallery)[0])
    return Snorm(calibration.normalised, size) if size else None


def matches(live: LiveIndex, by: Snorm, probe: Vectors, found: Sequence[Match]) -> list[Match]:
    """The matches of a (dim,) probe with their normalised scores, best first by these."""
    owned = templates.of_samples(live.store, live.gallery, [match.sample_id for match in found])
    there = [match for match in found if match.sample_id in owned]
    candidates = [Candidate(m.identity, owned[m.sample_id], m.score) for m in there]
    scores = normalised(live, by, probe, candidates)
    made = [replace(m, normalised=score) for m, score in zip(there, scores, strict=True)]
    return sorted(made, key=lambda match: -(match.normalised or 0.0))


def normalised(
    live: LiveIndex, by: Snorm, probe: Vectors, candidates: Sequence[Candidate]
) -> list[float]:
    """The normalised score of a (dim,) unit vector with each candidate.

    The claimed identity is in neither cohort. Whom the probe is of is not known, so if they are
    enrolled, others are compared with a cohort that holds them, and score lower for it.
    """
    import numpy as np

    from siamkit.stats import snorm

    if not candidates:
        return []
    vectors = np.stack([probe, *(one.template for one in candidates)])
    with live.store.read():
        (own, *others), _, _ = search(live, vectors, by.size + 1)

    def cohort(row: list[tuple[float, templates.Owner]], without: str) -> np.ndarray:
        return np.array([s for s, o in row if o.identity != without][: by.size], np.float32)

    return [
        snorm.normalise_score(one.score, cohort(own, one.identity), cohort(other, one.identity))
        for one, other in zip(candidates, others, strict=True)
    ]
