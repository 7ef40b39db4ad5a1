"""The scores of one probe that the drift test compares: numbers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

ProbeKind: TypeAlias = Literal["known", "stranger", "query"]

REST_SAMPLES = 10  # samples of other identities whose mean is `rest`
BEST_SAMPLES = 20  # samples of the nearest identity whose mean is `best`, at most
SEARCH_DEPTH = 4 * REST_SAMPLES  # nearest samples of a query that are searched for them


@dataclass(frozen=True, slots=True)
class ProbeScores:
    """The scores of a query, or of a sample that stood in for one at calibration.

    kind: `known`, a sample whose identity has others in the gallery; `stranger`, a sample whose
    identity was left out. person: equal for reference rows of one identity, numbered from 0.
    """

    kind: ProbeKind
    best: float  # mean cosine of the samples of the nearest sample's identity
    rest: float | None  # mean cosine of the nearest samples of other identities; None: too few
    person: int | None = None


def scores_of_query(best: float, hits: Sequence[tuple[float, int]]) -> ProbeScores:
    """Return the scores to store for a query, from its nearest samples.

    best: the mean cosine of up to BEST_SAMPLES samples of the first identity. (The cosine of its
    nearest sample would rise with their number, and a sample that stands in for a query has one
    fewer.) hits: (cosine, identity id), best first.
    """
    others = [score for score, identity in hits if identity != hits[0][1]][:REST_SAMPLES]
    rest = sum(others) / REST_SAMPLES if len(others) == REST_SAMPLES else None
    return ProbeScores("query", best, rest)
