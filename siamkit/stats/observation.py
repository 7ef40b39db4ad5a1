"""One probe's scores, as drift is told from them: numbers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["known", "stranger", "query"]

NEAR = 10  # samples of other identities whose mean is `rest`
OWN = 20  # samples of the nearest identity whose mean is `best`, at most
SEEN = 4 * NEAR  # nearest samples of a query that are looked at for them


@dataclass(frozen=True, slots=True)
class Observation:
    """The scores of one probe: of a query, or of a sample that stood in for one at calibration.

    kind: `known`, a sample whose identity has others in the gallery; `stranger`, a sample whose
    identity was left out. person: which rows of a reference are of one identity, numbered from 0.
    """

    kind: Kind
    best: float  # mean cosine of the samples of the nearest sample's identity
    rest: float | None  # mean cosine of the nearest samples of other identities; None: too few
    person: int | None = None


def of_query(best: float, found: Sequence[tuple[float, int]]) -> Observation:
    """What is kept of a query, by its nearest samples, best first: (cosine, identity id).

    best: the mean cosine of up to OWN samples of the first identity. The cosine of the nearest
    one would rise with their number, and a sample that stands in for a query has one fewer.
    """
    rest = [score for score, identity in found if identity != found[0][1]][:NEAR]
    return Observation("query", best, sum(rest) / NEAR if len(rest) == NEAR else None)
