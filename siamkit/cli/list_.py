"""siamkit list"""

from __future__ import annotations

import click

import siamkit as sk
from siamkit.cli import options
from siamkit.cli.output import print_rows


@click.command(
    "list",
    epilog="""\b
Examples:
  siamkit list                 every identity, with the galleries it is in
  siamkit list staff --json    one gallery, for a program
""",
)
@click.argument("gallery", required=False)
@options.workspace
@options.as_json
def list_(ws: sk.Workspace, gallery: str | None, as_json: bool) -> None:
    """List the identities of the store, or of one GALLERY."""
    rows = [
        {
            "identity": holding.identity,
            "gallery": holding.gallery,
            "samples": holding.samples,
            "best_quality": holding.quality,
        }
        for holding in ws.identities(gallery)
    ]
    print_rows(as_json, rows, ["identity", "gallery", "samples", "best_quality"])
