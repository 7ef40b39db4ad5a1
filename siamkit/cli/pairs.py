"""Two samples side by side, for `verify` and `explain`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

import siamkit as sk
from siamkit.cli import checks, options
from siamkit.cli.output import one_line, stderr

if TYPE_CHECKING:
    from siamkit.embed.pipeline import Pipeline
    from siamkit.embed.region_choosers import Chooser
    from siamkit.flows.explain import ExplainedSample
    from siamkit.flows.verification import ComparedSide
    from siamkit.types import Box


def split_arguments(
    arguments: Sequence[str], texts: Sequence[str], models: options.ModelChoice
) -> tuple[str, list[Path | str]]:
    """Return the gallery, "" with a modality or without arguments, and the FILES and texts."""
    gallery, *files = ("", *arguments) if models.modality else (arguments or ("",))
    for file in files:
        options.refuse_empty(file)
    return gallery, [*map(Path, files), *texts]


def check_options(models: options.ModelChoice, box: Box | None, texts: Sequence[str]) -> None:
    """Raise UsageError for options that exclude each other."""
    if not models.modality and models.encoder:
        raise click.UsageError("--encoder needs -m; a gallery has its own.")
    if box and texts:
        raise click.UsageError("--box is a region of a picture; it cannot be combined with --text.")


def open_system(
    ws: sk.Workspace, gallery: str, models: options.ModelChoice, texts: Sequence[str]
) -> str | Pipeline:
    """Return the gallery, or the pipeline of -m. Raises UsageError for texts where it has files."""
    if texts:
        checks.require_text_modality(models.modality or ws.modality_of(gallery))
    if not models.modality:
        return gallery
    detector = options.default_or_none(models.detector)
    return ws.pipeline(models.modality, encoder=models.encoder, detector=detector)


def choose_region(box: Box | None) -> Chooser:
    """Return the chooser of the region at --box, or of the largest."""
    return sk.region_choosers.within_box(box) if box else sk.region_choosers.largest_region


def note_regions(
    left: ComparedSide | ExplainedSample,
    right: ComparedSide | ExplainedSample,
    box: Box | None,
    result: str,
) -> None:
    """Print on stderr which regions were compared, and what may make the result unreliable."""
    for sample in (left, right):
        name = one_line(sample.source, 100)
        if sample.region_count > 1 and sample.region and (box is None or sample is left):
            place = sk.region_choosers.describe_region(sample.region)
            count = f"{sample.region_count} found"
            stderr(f"Note: {name}: {count}, and the largest was compared: {place}")
        for problem in sample.quality.problems if sample.quality else ():
            stderr(f"Note: {name}: {problem}; the {result} may be unreliable")
