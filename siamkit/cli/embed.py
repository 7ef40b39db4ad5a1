"""siamkit embed"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from siamkit.cli import options
from siamkit.cli.output import emit_json, stderr
from siamkit.cli.progress import bar

if TYPE_CHECKING:
    from siamkit.protocols import Source


@click.command(
    epilog="""\b
Examples:
  siamkit embed -m faces *.jpg --output vectors.npy
  siamkit embed -m faces --from list.txt --output vectors.npy --largest
  siamkit embed -m faces crops/*.png --detector none --output vectors.npy
  siamkit embed -m questions --from faq.csv --column question --output vectors.npy

\b
vectors.npy is (n, dim) float32 with rows of norm 1. vectors.jsonl has one line per row:
{"source", "row", "region", "quality"}, or {"source", "error"} for a file that gave none.
Exit code 0 if there is any row; the number of errors is printed on stderr.
"""
)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("-m", "--modality", required=True, metavar="NAME", help="faces, …")
@click.option(
    "--from",
    "origin",
    metavar="LIST|-",
    help='A text file with one path per line, or JSON lines with "source" or "text".',
)
@options.column
@options.table
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE.npy",
    help="Write the matrix here, and the .jsonl beside it.",
)
@click.option("--largest", is_flag=True, help="One row per file: its largest region.")
@options.encoder
@options.detector
@options.store
@options.as_json
def embed(
    files: tuple[Path, ...],
    modality: str,
    origin: str | None,
    column: str | None,
    table_name: str | None,
    output: Path,
    largest: bool,
    encoder: str | None,
    detector: str | None,
    store: Path,
    as_json: bool,
) -> int:
    """Write the vectors of FILES, or of a list, to a matrix for other programs."""
    if bool(files) == bool(origin):
        raise click.UsageError("Give either FILES or --from.")
    inputs = [Path(origin)] if origin else files
    for path in inputs:
        if path.resolve() in (output.resolve(), output.with_suffix(".jsonl").resolve()):
            raise click.UsageError(f"{path} would be overwritten: give another --output.")
    from siamkit import TextColumns, Workspace, region_choosers

    sources: Sequence[Source] = files
    unusable: list[str] = []
    if origin:
        columns = TextColumns(column, None, table_name) if column or table_name else None
        if columns:
            options.check_texts(modality)
        sources, unusable = Workspace.read_sources(origin, columns)
    for message in unusable:
        stderr(f"Error: {message}")
    with options.workspace(store) as ws, bar("embedding", len(sources)) as update:
        embedded = ws.embed(
            modality,
            sources,
            output,
            encoder=encoder,
            detector=options.default_or_none(detector),
            choose=region_choosers.largest_region if largest else region_choosers.all_regions,
            progress=lambda state: update(state.sources),
        )
    if as_json:
        errors = embedded.errors + len(unusable)
        emit_json({"output": str(output), **asdict(embedded), "errors": errors})
    else:
        click.echo(f"{embedded.rows:,} rows of {embedded.dim} to {output}")
    if embedded.errors:
        lines = output.with_suffix(".jsonl")
        stderr(f"{embedded.errors:,} of {embedded.sources:,} gave no row: see {lines}")
    return 0 if embedded.rows else 1
