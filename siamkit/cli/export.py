"""siamkit export"""

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
  siamkit export staff staff-backup/

\b
The folder holds gallery.json, samples.jsonl (one line per sample) and templates.npy ((n, dim)
float32, one row per line). `siamkit import` reads it back, on this machine or another.
"""
)
@click.argument("gallery")
@click.argument("folder", type=options.PATH)
@options.workspace
@options.as_json
def export(ws: sk.Workspace, gallery: str, folder: Path, as_json: bool) -> None:
    """Write a gallery to a new FOLDER of open formats."""
    with steps() as progress:
        count = ws.export(gallery, folder, progress=progress)
    print_outcome(
        as_json,
        {"gallery": gallery, "folder": str(folder), "samples": count},
        f"exported {count:,} samples of {gallery} to {folder}",
    )
