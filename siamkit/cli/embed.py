"""siamkit embed"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from siamkit.cli import options
from siamkit.cli.output import emit_json, stderr
from siamkit.cli.progress import bar

if TYPE_CHECKING:
    from siamkit.io.table_read import TextRow


@click.command(
    epilog="""\b
Examples:
  siamkit embed -m faces *.jpg --output vectors.npy
  siamkit embed -m faces --from list.txt --output vectors.npy --largest
  siamkit embed -m faces crops/*.png --detector none --output vectors.npy
  siamkit embed -m questions --from faq.csv --column question --output vectors.npy

\b
vectors.npy is (n, dim) float32 with rows of norm 1. vectors.jsonl has a line a row:
{"source", "row", "region", "quality"}, or {"source", "error"} for a file that gave none.
Exit code 0 if any row came; the count of errors is printed on stderr.
"""
)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("-m", "--modality", required=True, metavar="NAME", help="faces, …")
@click.option(
    "--from",
    "origin",
    metavar="LIST|-",
    help='A text file with a path a line, or JSON lines with "source" or "text".',
)
@options.column
@options.table
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE.npy",
    help="Where the matrix goes; the .jsonl goes beside it.",
)
@click.option("--largest", is_flag=True, help="One row a file: its largest region.")
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
    """Write the vectors of FILES, or of a list, to a matrix that other programs read."""
    if bool(files) == bool(origin):
        raise click.UsageError("Give either FILES or --from.")
    from siamkit.embed import region_choosers
    from siamkit.embed.batches import Job
    from siamkit.embed.manifests import read_jobs, read_labelled_texts
    from siamkit.flows.embed import PARTIAL, Embedded
    from siamkit.flows.embed import embed as run
    from siamkit.io.table_read import TextColumns

    made = {output.resolve(), output.with_suffix(".jsonl").resolve()}
    for path in [*files, *([Path(origin)] if origin else [])]:
        if path.resolve() in made:
            raise click.UsageError(f"{path} would be written over: give another --output.")
    todo = [Job(file) for file in files]
    bad: list[TextRow] = []
    if origin and (column or table_name):
        options.check_texts(modality)
        good, bad = read_labelled_texts(origin, sys.stdin, TextColumns(column, None, table_name))
        todo = [Job(text, text=True) for _, text in good]
    elif origin:
        todo = read_jobs(origin, sys.stdin)
    for row in bad:
        stderr(f"Error: {origin}, line {row.line}: {row.error}")
    state = Embedded(0, 0, 0)
    with options.workspace(store) as ws, bar("embedding", len(todo)) as update:
        pipeline = ws.pipeline(
            modality, encoder=encoder, detector=options.default_or_none(detector)
        )
        choose = region_choosers.largest_region if largest else region_choosers.all_regions
        results = run(pipeline, todo, choose, output)
        try:
            for state in results:
                update(state.sources)
        except KeyboardInterrupt:
            results.close()
            stderr(f"\n{state.rows:,} rows so far, in {output.with_suffix(PARTIAL)}")
            raise
    if as_json:
        emit_json(
            {
                "output": str(output),
                "rows": state.rows,
                "sources": state.sources,
                "errors": state.errors + len(bad),
                "dim": pipeline.encoder.dim,
                "fingerprint": pipeline.encoder.fingerprint,
            }
        )
    else:
        click.echo(f"{state.rows:,} rows of {pipeline.encoder.dim} to {output}")
    if state.errors:
        stderr(
            f"{state.errors:,} of {state.sources:,} gave no row: see {output.with_suffix('.jsonl')}"
        )
    return 0 if state.rows else 1
