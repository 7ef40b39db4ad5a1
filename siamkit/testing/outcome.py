"""The outcome of a check: it passes, it fails, or it cannot run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from siamkit.errors import MissingWeights


class Failure(AssertionError):
    """A broken rule: what the rule wants, what the plugin gave, and how to fix it."""

    def __init__(self, wanted: str, got: str, fix: str) -> None:
        message = f"wanted {wanted}; got {got}; fix: {fix}"
        super().__init__(" ".join(message.split()))  # on one line, whatever was raised


class NotRun(Exception):
    """A check that cannot run: nothing to check, no weights, or a check it needs has failed."""


def needs_failed(check: str) -> NotRun:
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


def missing(error: MissingWeights) -> str:
    """Say what is not installed, and what would install it."""
    return f"{error} ({error.hint})" if error.hint else str(error)
