"""The outcome of a check of `siamkit doctor`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Checkup:
    """The outcome of one check; `hint` is the remedy if it failed."""

    check: str
    ok: bool
    detail: str
    hint: str = ""
