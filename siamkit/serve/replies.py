"""Answers as clients get them: the JSON of `to_dict`, as types for the schema and the page."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from siamkit.serve.failures import Failure


class Status(TypedDict):
    """State of the server."""

    status: str


class GalleryFacts(TypedDict):
    """A gallery with what it holds."""

    name: str


class JobFacts(TypedDict):
    """Long work, and how far it is. Times are seconds since 1970, in UTC."""

    id: str
    kind: str
    state: Literal["queued", "running", "cancelling", "done", "failed", "cancelled", "interrupted"]
    created: float
    started: float | None
    finished: float | None
    step: str
    done: int
    total: int
    error: Failure | None
    files: list[str]


Unspecified = dict[str, Any]
