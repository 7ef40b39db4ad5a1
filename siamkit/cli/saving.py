"""Files that commands write about the answers to many probes: -o, --report, --save-annotated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import siamkit as sk
from siamkit.cli import checks
from siamkit.cli.output import stderr
from siamkit.errors import SiamkitError
from siamkit.io.picture_write import PICTURES

if TYPE_CHECKING:
    from siamkit.cli.probes import Outcome, Probes
    from siamkit.embed.pipeline import Pipeline
    from siamkit.reports.answer_outputs import AnswerOutputs
    from siamkit.reports.answer_rows import AnswerRow
    from siamkit.reports.answers import AnswerFiles


@dataclass(frozen=True, slots=True)
class Saving:
    """Files about the answers of one command."""

    files: AnswerFiles
    outputs: AnswerOutputs
    pipeline: Pipeline

    def load(self, outcome: Outcome) -> tuple[Outcome, Any | None]:
        """Decode a probe's picture once more, if it is needed; one that is gone is an error."""
        is_picture = self.pipeline.modality.kind == "image"
        if outcome.error or not (is_picture and self.outputs.needs_picture):
            return outcome, None
        try:
            return outcome, self.pipeline.load(self.pipeline.read(outcome.source))
        except SiamkitError as error:
            return replace(outcome, answers=[], error=error), None

    def add(self, outcome: Outcome, rows: list[AnswerRow], medium: Any | None) -> None:
        """Add the answers about one probe, or its error. medium: see `load`."""
        if outcome.error:
            self.files.add_error(str(outcome.source), outcome.error)
        else:
            self.files.add(outcome.source, outcome.stem, rows, medium)

    def finish(self) -> None:
        """Write what is not written yet, and say where."""
        self.files.finish()
        for path in self.outputs.paths:
            stderr(f"saved {path}")


def open_saving(
    ws: sk.Workspace, gallery: str, probes: Probes, outputs: AnswerOutputs, title: str
) -> Saving | None:
    """Prepare the files; None if there is none.

    Raises UsageError for those that cannot work, or that would replace what is read.
    """
    if not outputs.paths:
        return None
    checks.require_outputs(outputs.output, outputs.report, probes.files)
    modality = ws.modality_of(gallery)
    if outputs.annotated:
        _check_annotated(outputs.annotated, probes, ws.kind(modality))
        targets = (outputs.picture_of(stem, several=probes.is_batch) for stem in probes.stems)
        checks.require_no_source("--save-annotated", filter(None, targets), probes.files)
    from siamkit.reports.answers import AnswerFiles

    ws.count(gallery)  # raises StoreError: `gallery` would create it
    opened, nouns = ws.gallery(gallery), ws.nouns(modality)
    pipeline, live = ws.pipeline_of(opened), ws.index(opened)
    noun = f"{probes.noun}s"
    files = AnswerFiles(outputs, title, nouns, live, pipeline, noun, several=probes.is_batch)
    return Saving(files, outputs, pipeline)


def _check_annotated(annotated: Path, probes: Probes, kind: str) -> None:
    if kind != "image":
        raise click.UsageError("--save-annotated needs pictures.")
    if probes.is_batch:
        if annotated.suffix.lower() in PICTURES:
            raise click.UsageError("--save-annotated takes a folder for several FILES.")
        return
    if annotated.suffix.lower() not in PICTURES:
        names = ", ".join(PICTURES)
        raise click.UsageError(f"--save-annotated takes a name that ends in {names}.")
    checks.require_writable("--save-annotated", annotated)
