"""siamkit embed"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import siamkit as sk
from siamkit.cli import checks, options
from siamkit.cli.output import print_outcome, stderr
from siamkit.cli.progress import steps
from siamkit.io.places import real

if TYPE_CHECKING:
    from siamkit.protocols import Source
    from siamkit.types import Fault


@click.command(
    epilog="""\b
Examples:
  siamkit embed -m faces *.jpg --output vectors.npy
  siamkit embed -m faces --from list.txt --output vectors.npy --largest
  siamkit embed -m faces crops/*.png --detector none --output vectors.npy
  siamkit embed -m questions --from faq.csv --column question --output vectors.npy
  siamkit embed -m faces --from list.txt --output vectors.npy --workers 4     processes

\b
vectors.npy is (n, dim) float32 with rows of norm 1. vectors.jsonl has one line per row:
{"source", "row", "region", "quality"}, or {"source", "error"} for a file that gave none.
Exit code 0 if there is any row; the number of errors is printed on stderr.
"""
)
@options.files
@click.option("-m", "--modality", required=True, metavar="NAME", help="faces, …")
@click.option(
    "--from",
    "origin",
    type=options.ORIGIN,
    metavar="LIST|-",
    help='A text file with one path per line, or JSON lines with "source" or "text".',
)
@options.text_columns(options.column, options.table)
@options.output(
    "Write the matrix here, and the .jsonl beside it.", metavar="FILE.npy", required=True
)
@click.option("--largest", is_flag=True, help="One row per file: its largest region.")
@options.encoder
@options.detector
@options.page
@options.workers
@options.workspace
@options.as_json
def embed(ws: sk.Workspace, output: Path, as_json: bool, **values: Any) -> int:
    """Write the vectors of FILES, or of a list, to a matrix for other programs."""
    request = EmbedRequest(**values)
    request.check(output)
    sources, faults = request.sources()
    for fault in faults:
        stderr(f"Error: {request.origin}, {fault}")
    choose = options.choose_regions(request.largest)
    with steps() as progress:
        embedded = ws.embed(
            request.modality,
            sources,
            output,
            encoder=request.encoder,
            detector=options.default_or_none(request.detector),
            choose=choose,
            progress=progress,
            workers=request.workers,
        )
    facts = {"output": str(output), **asdict(embedded), "errors": embedded.errors + len(faults)}
    print_outcome(as_json, facts, f"{embedded.rows:,} rows of {embedded.dim} to {output}")
    if embedded.errors:
        lines = output.with_suffix(".jsonl")
        stderr(f"{embedded.errors:,} of {embedded.sources:,} have no row: see {lines}")
    return 0 if embedded.rows else 1


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """Options of one `embed` command: what to embed, and by which encoder."""

    files: tuple[Path, ...]
    modality: str
    origin: str | None
    columns: sk.TextColumns
    largest: bool
    encoder: str | None
    detector: str | None
    workers: str | None

    def check(self, output: Path) -> None:
        """Raise UsageError for options that exclude each other, or an output that is an input."""
        if bool(self.files) == bool(self.origin):
            raise click.UsageError("Give either FILES or --from.")
        for path in [Path(self.origin)] if self.origin else self.files:
            if real(path) in (real(output), real(output.with_suffix(".jsonl"))):
                raise click.UsageError(f"{path} would be overwritten: give another --output.")

    def sources(self) -> tuple[Sequence[Source], Sequence[Fault]]:
        """Return the sources, and the rows of a table that hold no text."""
        if not self.origin:
            return self.files, []
        if self.columns.are_named:
            checks.require_text_modality(self.modality)
        sources, faults = sk.Workspace.read_sources(self.origin, self.columns)
        if any(isinstance(source, str) for source in sources):
            checks.require_text_modality(self.modality)
        return sources, faults
