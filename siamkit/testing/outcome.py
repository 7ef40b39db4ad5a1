"""What comes of a check: it passes, it fails, or it cannot be run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from siamkit.errors import MissingWeights


class Failure(AssertionError):
    """A broken rule: what was wanted, what came, and what mends it."""

    def __init__(self, wanted: str, got: str, fix: str) -> None:
        told = f"wanted {wanted}; got {got}; fix: {fix}"
        super().__init__(" ".join(told.split()))  # on one line, whatever was raised


class NotRun(Exception):
    """A check that has nothing to look at: weights are absent, or what it needs has failed."""


def lacking(check: str) -> NotRun:
    """For a check that needs another one, which fails."""
    return NotRun(f"needs {check}, which fails")


@dataclass(frozen=True, slots=True)
class Result:
    """One check on one plugin."""

    plugin: str
    check: str  # without 'check_'
    state: Literal["ok", "failed", "skipped"]
    message: str = ""  # of a failure: wanted, got, fix; of a skip: the reason

    def __str__(self) -> str:
        return f"{self.plugin}: {self.check}: {self.message or self.state}"


def unavailable(error: MissingWeights) -> str:
    """What is not installed, and what would install it."""
    return f"{error} ({error.hint})" if error.hint else str(error)
