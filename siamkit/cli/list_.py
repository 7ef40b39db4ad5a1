"""siamkit list"""

from __future__ import annotations

import click

import siamkit as sk
from siamkit.cli import options
from siamkit.cli.output import count_of, print_rows


@click.command(
    "list",
    epilog="""\b
Examples:
  siamkit list                 every identity, with the galleries it is in
  siamkit list --limit 20      the first twenty
  siamkit list staff --json    one gallery, for a program
""",
)
@click.argument("gallery", required=False)
@options.limit("rows")
@options.workspace
@options.as_json
def list_(ws: sk.Workspace, gallery: str | None, limit: int | None, as_json: bool) -> None:
    """List the identities of the store, or of one GALLERY."""
    holdings = ws.identities(gallery)
    rows = [
        {
            "identity": holding.identity,
            "gallery": holding.gallery,
            "samples": holding.samples,
            "best_quality": holding.quality,
        }
        for holding in holdings
    ]
    identities = count_of(len({h.identity for h in holdings}), "identity", "identities")
    samples = count_of(sum(h.samples for h in holdings), "sample")
    galleries = count_of(len({h.gallery for h in holdings}), "gallery", "galleries")
    total = f"{identities}, {samples}" + ("" if gallery else f", {galleries}")
    columns = ["identity", "gallery", "samples", "best_quality"]
    print_rows(as_json, rows, columns, limit=limit, total=total)
