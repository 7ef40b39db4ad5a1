"""Options that the commands share that answer about many probes: query and classify."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from siamkit.cli.probes import ProbeRequest

if TYPE_CHECKING:
    from siamkit.reports.answer_outputs import AnswerOutputs


@dataclass(frozen=True, slots=True)
class AnswerRequest(ProbeRequest):
    """Options that `query` and `classify` share: the probes, what to show, and what to save."""

    k: int
    detector: str | None
    largest: bool
    output: Path | None
    report: Path | None
    annotated: Path | None
    verbose: bool

    @property
    def outputs(self) -> AnswerOutputs:
        """The files to write."""
        from siamkit.reports.answer_outputs import AnswerOutputs

        return AnswerOutputs(self.output, self.report, self.annotated)
