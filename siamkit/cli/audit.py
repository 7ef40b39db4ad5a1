"""siamkit audit"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

import siamkit as sk
from siamkit.cli import options
from siamkit.cli.output import echo, emit_json, print_outcome, stderr, table
from siamkit.cli.progress import steps
from siamkit.io.places import here

FINDINGS_SHOWN = 50
TABLE = "siamkit_audit"  # in a database
SCHEMA = {
    "kind": str,
    "identity": str,
    "sample_id": int,
    "source": str,
    "other": str,
    "other_sample_id": int,
    "value": float,
    "limit": float,
    "found": str,
    "todo": str,
}


@click.command(
    epilog="""\b
Examples:
  siamkit audit staff                        what is probably wrong, worst first
  siamkit audit staff --limit 10             the ten worst findings
  siamkit audit staff -o review.csv          all findings, to work through
  siamkit audit staff --drift                do queries score as they did at calibration?

\b
Findings, worst first: copy (one content under two labels), label (closer to another identity than
to its own), twins (two labels as alike as one), outlier (unlike its own identity's samples),
quality (low), burst (nearly identical samples). Nothing is changed: look at each finding before
you act on it. Exit code 0, with or without findings.
"""
)
@click.argument("gallery")
@click.option(
    "--limit",
    type=options.POSITIVE,
    metavar="N",
    help=f"Findings to show [default: {FINDINGS_SHOWN} on the screen, all in a file or JSON].",
)
@options.output("Write one row per finding: .csv, .jsonl, .parquet or .db.")
@click.option(
    "--drift",
    "show_drift",
    is_flag=True,
    help="Compare the scores of recent queries with those at calibration instead.",
)
@options.raw
@options.workspace
@options.as_json
def audit(
    ws: sk.Workspace,
    gallery: str,
    limit: int | None,
    output: Path | None,
    show_drift: bool,
    raw: bool,
    as_json: bool,
) -> None:
    """List what is probably wrong in GALLERY: labels, duplicates, low quality, little variety.

    Only the templates in the store are read; no encoder is opened.
    """
    if show_drift and (limit or output):
        raise click.UsageError("--drift can be combined only with --json.")
    if show_drift:
        _drift(ws, gallery, as_json)
        return
    from siamkit.io import table_write

    if output:
        table_write.check(output, SCHEMA, table=TABLE)
    with steps() as progress:
        findings = ws.audit(gallery, progress=progress)
    rows = [_row(finding) for finding in findings[:limit]]
    if output:
        cells = (list(row.values()) for row in rows)
        table_write.write(output, SCHEMA, cells, table=TABLE, raw=raw)
    if as_json:
        emit_json({"gallery": gallery, "total": len(findings), "findings": rows})
    else:
        _print(gallery, findings, 0 if output else limit or FINDINGS_SHOWN)
    if output:
        stderr(f"saved {output}")


def _row(finding: sk.Finding) -> dict[str, Any]:
    """Return a finding by the columns of SCHEMA."""
    return dict(zip(SCHEMA, asdict(finding).values(), strict=True))


def _print(gallery: str, findings: list[sk.Finding], limit: int) -> None:
    if not findings:
        echo(f"{gallery}: no findings")
        return
    counts = Counter(finding.kind for finding in findings)
    listed = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    echo(f"{gallery}: {len(findings)} findings ({listed})")
    if not limit:
        return
    folder = here()
    rows = [
        [
            finding.kind,
            _on_one_line(finding.identity),
            str(finding.sample_id),
            _on_one_line(finding.source.removeprefix(folder)),
            _on_one_line(finding.description),
            _on_one_line(finding.advice),
        ]
        for finding in findings[:limit]
    ]
    table(["kind", "identity", "sample", "source", "found", "what to do"], rows)
    if limit < len(findings):
        echo(f"… and {len(findings) - limit} more: --limit N, or -o FILE")


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _drift(ws: sk.Workspace, gallery: str, as_json: bool) -> None:
    from siamkit.reports.drift_text import describe_drift

    drift = ws.drift(gallery)
    lines = list(describe_drift(gallery, drift))
    print_outcome(as_json, {"gallery": gallery, **asdict(drift), "text": lines}, *lines)
