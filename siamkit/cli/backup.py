"""siamkit backup"""

from __future__ import annotations

from pathlib import Path

import click

import siamkit as sk
from siamkit.cli import options
from siamkit.cli.output import print_outcome
from siamkit.cli.progress import steps


@click.command(
    epilog="""\b
Examples:
  siamkit backup people-2026-07-01.db

\b
Restore it into a new folder, never over a store's own files:
  mkdir -m 700 restored
  install -m 600 people-2026-07-01.db restored/store.db
  siamkit doctor --store restored
Indexes are rebuilt, and the copies of files that came over HTTP are files again. What was
forgotten since the backup was made is back: forget it again.
"""
)
@click.argument("file", type=options.PATH)
@options.workspace
@options.as_json
def backup(ws: sk.Workspace, file: Path, as_json: bool) -> None:
    """Copy the whole store to a new FILE, as of now, while others go on using it."""
    with steps() as progress:
        copied = ws.backup(file, progress=progress)
    print_outcome(
        as_json,
        {
            "file": str(file),
            "galleries": copied.galleries,
            "samples": copied.samples,
            "bytes": copied.bytes,
        },
        f"{file}: {copied.samples:,} samples in galleries: {copied.galleries:,},"
        f" {copied.bytes:,} bytes",
    )
