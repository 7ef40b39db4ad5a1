"""Answers about samples as clients get them, for the schema: see siamkit.serve.replies."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from siamkit.serve.replies import Objection, Region, SourceError, Threshold
from siamkit.types import Decision


class Match(TypedDict):
    """A nearest identity, with its nearest sample."""

    identity: str
    score: float
    sample_id: int
    source: str
    probability: float | None
    normalised: float | None
    objection: Objection | None


class QueriedRegion(TypedDict):
    """The answer about one region: an identity, or none, and the nearest ones."""

    region: Region
    quality: float | None
    identity: str | None
    decision: Decision
    objection: Objection | None
    advice: str
    decided_by: str
    reranker: str | None
    threshold: Threshold | None
    different_below: float | None
    matches: list[Match]


class QueriedSample(TypedDict):
    """The answers about one sample, region by region, and what decided on the first."""

    source: str
    decided_by: str
    reranker: str | None
    threshold: Threshold | None
    different_below: float | None
    regions: list[QueriedRegion]


class Queried(TypedDict):
    """The answers about each sample."""

    gallery: str
    probes: list[QueriedSample | SourceError]


class ComparedSide(TypedDict):
    """One side of a comparison, and which of its regions was compared."""

    source: str
    samples: int
    seen: int
    number: int | None
    region: Region | None
    quality: float | None
    problems: list[str]


class Verified(TypedDict):
    """Are the two the same? `llr` is the natural log-likelihood ratio."""

    decision: Decision
    score: float
    normalised: float | None
    llr: float | None
    probability: float | None
    decided_by: str
    reranker: str | None
    threshold: Threshold
    different_below: float | None
    objection: Objection | None
    advice: str
    left: ComparedSide
    right: ComparedSide


class ClassMatch(TypedDict):
    """A class, and how likely it is."""

    identity: str
    probability: float
    score: float


ClassifiedRegion = TypedDict(
    "ClassifiedRegion",
    {
        "region": Region,
        "quality": float | None,
        "class": NotRequired[str | None],
        "tags": NotRequired[list[str]],
        "decision": Decision | None,
        "objection": Objection | None,
        "classes": list[ClassMatch],
    },
)


class ClassifiedSample(TypedDict):
    """The classes of one sample, region by region."""

    source: str
    threshold: Threshold | None
    different_below: float | None
    regions: list[ClassifiedRegion]


class Classified(TypedDict):
    """The classes of each sample, and where their probabilities come from."""

    gallery: str
    probabilities: str
    probes: list[ClassifiedSample | SourceError]


class Sighting(TypedDict):
    """A place in a picture that shows something enrolled."""

    identity: str
    region: Region
    score: float
    probability: float | None
    fpir: float | None
    sample_id: int
    source: str


class SearchedPicture(TypedDict):
    """Places in a picture that show something enrolled."""

    source: str
    decision: Decision
    width: int
    height: int
    sightings: list[Sighting]
    nearest: Sighting | None


class Searched(TypedDict):
    """Places in each picture that show something enrolled."""

    gallery: str
    threshold: Threshold | None
    pictures: list[SearchedPicture | SourceError]


# --- without a gallery ---


class Part(TypedDict):
    """A part of a sample, and what the score loses without it."""

    where: list[float]
    text: NotRequired[str]
    heard: NotRequired[list[float]]
    contribution: float


class ExplainedSample(TypedDict):
    """One of two samples, part by part."""

    source: str
    seen: int
    region: Region
    problems: list[str]
    parts: list[Part]


class Explained(TypedDict):
    """The decision about two samples, and the areas or words that it rests on."""

    decision: Decision | None
    probability: float | None
    score: float
    decided_by: str | None
    reranker: str | None
    threshold: Threshold | None
    different_below: float | None
    left: ExplainedSample
    right: ExplainedSample


class DetectedSample(TypedDict):
    """The regions of one picture (width, height in px) or sound (seconds)."""

    source: str
    width: NotRequired[int]
    height: NotRequired[int]
    seconds: NotRequired[float]
    regions: list[Region]


class Detected(TypedDict):
    """The regions of each sample."""

    detector: str
    sources: list[DetectedSample | SourceError]


class EmbeddedRegion(TypedDict):
    """The region that a row of the vectors is of."""

    item: int
    source: str
    region: Region
    quality: float | None


class Embedded(TypedDict):
    """Vectors of norm 1, a row per region; `errors` by the number of the sample, from 0."""

    fingerprint: str
    vectors: list[list[float]]
    regions: list[EmbeddedRegion]
    errors: dict[str, str]
