"""siamkit audit"""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from siamkit.cli import options
from siamkit.cli.output import cut, emit_json, stderr, table
from siamkit.cli.progress import steps

if TYPE_CHECKING:
    from siamkit.flows.audit import Finding

SHOWN = 50
SCHEMA = {
    "kind": str, "identity": str, "sample_id": int, "source": str, "other": str,
    "other_sample_id": int, "value": float, "limit": float, "found": str, "todo": str,
}  # fmt: skip


@click.command(
    epilog="""\b
Examples:
  siamkit audit staff                        what is probably wrong, worst first
  siamkit audit staff --limit 10             the ten worst
  siamkit audit staff -o review.csv          all of it, to work through
  siamkit audit staff --drift                do queries score as they did at calibration?

\b
Findings, worst first: copy (one content under two labels), label (nearer to another identity than
to its own), twins (two labels as alike as one), outlier (unlike its own identity's samples),
quality (low), burst (samples that are nearly the same). They are for people to look at: nothing
is changed. Exit code 0, whatever is found.
"""
)
@click.argument("gallery")
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N",
    help=f"Findings to show [default: {SHOWN} on the screen, all in a file or JSON].",
)  # fmt: skip
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), metavar="FILE",
    help="Write a row a finding: .csv, .jsonl, .parquet or .db.",
)  # fmt: skip
@click.option(
    "--drift", "drifted", is_flag=True,
    help="Compare the scores of recent queries with those at calibration instead.",
)  # fmt: skip
@options.store
@options.as_json
def audit(
    gallery: str,
    limit: int | None,
    output: Path | None,
    drifted: bool,
    store: Path,
    as_json: bool,
) -> None:
    """What is probably wrong in GALLERY? Labels, doubles, low quality, too little variety.

    It reads the templates in the store alone; no encoder is opened.
    """
    if drifted and (limit or output):
        raise click.UsageError("--drift goes with --json alone.")
    if drifted:
        _drift(gallery, store, as_json)
        return
    if output:
        from siamkit.io import table_write

        table_write.check(output, SCHEMA, table="siamkit_audit")
    with options.workspace(store) as ws, steps() as progress:
        found = ws.audit(gallery, progress=progress)
    chosen = found[:limit]
    if output:
        table_write.write(output, SCHEMA, map(_row, chosen), table="siamkit_audit")
    if as_json:
        emit_json(
            {"gallery": gallery, "total": len(found), "findings": [asdict(f) for f in chosen]}
        )
    else:
        _print(gallery, found, [] if output else chosen[: limit or SHOWN])
    if output:
        stderr(f"saved {output}")


def _row(finding: Finding) -> list[Any]:
    return [getattr(finding, name) for name in SCHEMA]


def _print(gallery: str, found: list[Finding], shown: list[Finding]) -> None:
    counts = {
        kind: sum(f.kind == kind for f in found) for kind in dict.fromkeys(f.kind for f in found)
    }
    listed = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    click.echo(f"{gallery}: {len(found)} to look at ({listed})" if found else f"{gallery}: nothing")
    if not shown:
        return
    here = os.path.join(os.getcwd(), "")
    rows = [
        [f.kind, cut(f.identity, 40), str(f.sample_id), cut(f.source.removeprefix(here), 60),
         cut(f.found, 160), cut(f.todo, 200)]
        for f in shown
    ]  # fmt: skip
    table(["kind", "identity", "sample", "source", "found", "what to do"], rows)
    if len(shown) < len(found):
        click.echo(f"… and {len(found) - len(shown)} more: --limit N, or -o FILE")


def _drift(gallery: str, store: Path, as_json: bool) -> None:
    from siamkit.flows.drift import sentences

    with options.workspace(store) as ws:
        found = ws.drift(gallery)
    if as_json:
        emit_json({"gallery": gallery, **asdict(found), "text": list(sentences(gallery, found))})
        return
    for line in sentences(gallery, found):
        click.echo(line)
