"""siamkit import"""

from __future__ import annotations

from pathlib import Path

import click

import siamkit as sk
from siamkit.cli import options
from siamkit.cli.output import print_outcome


@click.command(
    "import",
    epilog="""\b
Examples:
  siamkit import staff-backup/
  siamkit import staff-backup/ --as-gallery staff2
""",
)
@click.argument("folder", type=options.PATH)
@click.option("--as-gallery", metavar="NAME", help="Gallery to import into [default: as exported].")
@options.workspace
@options.as_json
def import_(ws: sk.Workspace, folder: Path, as_gallery: str | None, as_json: bool) -> None:
    """Read an exported FOLDER. Samples that the gallery already holds are kept and counted."""
    imported = ws.import_(folder, as_gallery=as_gallery)
    print_outcome(
        as_json,
        {"gallery": imported.gallery, "new": imported.new, "already": imported.already},
        f"imported {imported.new:,} samples into {imported.gallery};"
        f" {imported.already:,} were already there",
    )
