"""siamkit list"""

from __future__ import annotations

from pathlib import Path

import click

from siamkit.cli import options
from siamkit.cli.output import emit_json, table


@click.command(
    "list",
    epilog="""\b
Examples:
  siamkit list                 every identity, with the galleries it is in
  siamkit list staff --json    one gallery, for a program
""",
)
@click.argument("gallery", required=False)
@options.store
@options.as_json
def list_(gallery: str | None, store: Path, as_json: bool) -> None:
    """List the identities of the store, or of one GALLERY."""
    with options.workspace(store) as ws:
        holdings = ws.identities(gallery)
    if as_json:
        emit_json(
            [
                {
                    "identity": holding.identity,
                    "gallery": holding.gallery,
                    "samples": holding.samples,
                    "best_quality": holding.quality,
                }
                for holding in holdings
            ]
        )
    else:
        rows = [[h.identity, h.gallery, h.samples, h.quality] for h in holdings]
        table(["identity", "gallery", "samples", "best quality"], rows)
