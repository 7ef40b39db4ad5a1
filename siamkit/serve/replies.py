"""Answers as clients get them: the JSON of `to_dict`, as types for the schema and the page."""

from __future__ import annotations

from typing import Any, TypedDict


class Status(TypedDict):
    """State of the server."""

    status: str


class GalleryFacts(TypedDict):
    """A gallery with what it holds."""

    name: str


Unspecified = dict[str, Any]
