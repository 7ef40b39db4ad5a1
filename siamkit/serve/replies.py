"""Answers as clients get them, for the schema: the JSON that `to_dict` and `--json` give.

A TypedDict here names every key of an answer; a test compares answers with them.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

from siamkit.serve.failures import Failure
from siamkit.types import Decision

Anything: TypeAlias = dict[str, Any]
Where: TypeAlias = list[float]  # left, top, right, bottom in px, or start and stop in s


class Status(TypedDict):
    """State of the server."""

    status: str


# --- what is shared ---


class Threshold(TypedDict):
    """A score from which two count as the same, and the rate that it is set for."""

    value: float
    fmr: float | None
    source: str
    fpir: float | None


class Objection(TypedDict):
    """Why no score decides."""

    decision: Decision
    reason: str


class Region(TypedDict):
    """The part of a sample that was compared; without `where`, all of it."""

    where: NotRequired[Where]
    score: float
    landmarks: NotRequired[list[list[float]]]
    parts: NotRequired[list[list[float]]]
    label: NotRequired[str]
    mask: NotRequired[Anything]


class SourceError(TypedDict):
    """A sample of several that could not be used."""

    source: str
    error: str
    hint: str


# --- galleries ---


class Gallery(TypedDict):
    """A gallery, and what it holds."""

    name: str
    modality: str
    identities: int
    samples: int
    detector: str | None
    encoder: str | None
    index: str
    fingerprint: str
    dim: int
    threshold: Threshold | None
    created: str


class DeletedGallery(TypedDict):
    """A deleted gallery, and the number of identities and samples deleted with it."""

    deleted: str
    identities: int
    samples: int


# --- identities and samples ---


class EnrolledSample(TypedDict):
    """Outcome of enrolling one sample; `error`, `hint` and `code` if it failed."""

    label: str
    source: str
    status: Literal["enrolled", "already", "failed"]
    sample_ids: list[int]
    warnings: list[str]
    error: NotRequired[str]
    hint: NotRequired[str]
    code: NotRequired[str]


class Enrolled(TypedDict):
    """Outcome of an enrolment, sample by sample."""

    gallery: str
    results: list[EnrolledSample]


class Identity(TypedDict):
    """An identity in a gallery, and the sample that stands for it."""

    identity: str
    gallery: str
    samples: int
    best_quality: float | None
    sample_id: int


class Identities(TypedDict):
    """A page of identities, by label; `next` is the cursor of the next one."""

    gallery: str
    identities: list[Identity]
    next: str | None


class Renamed(TypedDict):
    """An identity's labels, before and after."""

    old: str
    new: str


class Merger(TypedDict):
    """Samples that went from one identity to another; `number` undoes it."""

    old: str
    new: str
    samples: int
    copies: int
    number: int


class Forgotten(TypedDict):
    """An identity that was deleted, and how many samples it had."""

    forgot: str
    samples: int


class ForgottenSample(TypedDict):
    """A sample that was deleted."""

    forgot: int
    samples: int


class Sample(TypedDict):
    """An enrolled sample."""

    id: int
    gallery: str
    source: str
    sha256: str
    region: Region
    quality: float | None
    created: str
    identity: str


class Samples(TypedDict):
    """A page of samples, oldest first; `next` is the cursor of the next one."""

    gallery: str
    samples: list[Sample]
    next: str | None


# --- measurements and jobs ---


class Fault(TypedDict):
    """A sample that could not be used."""

    where: str
    reason: str


class Calibrated(TypedDict):
    """The calibration of a gallery; the other keys are those of a calibration file."""

    gallery: str
    decides_by: str
    threshold: Threshold
    different_below: float
    faults: list[Fault]


class Finding(TypedDict):
    """Something in a gallery to look at, and what to do about it."""

    kind: Literal["copy", "label", "twins", "outlier", "quality", "burst"]
    identity: str
    sample_id: int
    source: str
    other: str | None
    other_sample_id: int | None
    value: float
    limit: float
    description: str
    advice: str


class Audited(TypedDict):
    """Probable mistakes in a gallery, worst first."""

    gallery: str
    total: int
    findings: list[Finding]


class Job(TypedDict):
    """Long work. Times are seconds since 1970, UTC; `total` is 0 if unknown; `owner` is a token."""

    id: str
    kind: str
    state: Literal["queued", "running", "cancelling", "done", "failed", "cancelled", "interrupted"]
    created: float
    owner: str
    started: float | None
    finished: float | None
    step: str
    done: int
    total: int
    error: Failure | None
    files: list[str]


OPEN: tuple[Any, ...] = (Calibrated,)  # may have keys that are not named here
