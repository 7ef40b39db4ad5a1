"""siamkit init"""

from __future__ import annotations

import click

import siamkit as sk
from siamkit.cli import options
from siamkit.cli.galleries import create_gallery
from siamkit.cli.output import print_outcome


@click.command(
    epilog="""\b
Examples:
  siamkit init                            create ./.siamkit
  siamkit init --store archive            create a store elsewhere
  siamkit init catalogue -m images        and a gallery in it, say of product pictures

\b
`siamkit init GALLERY` is `siamkit galleries create GALLERY`, with the same options.
"""
)
@click.argument("gallery", required=False)
@options.new_gallery
@options.workspace
@options.as_json
def init(ws: sk.Workspace, gallery: str | None, choice: options.NewGallery, as_json: bool) -> None:
    """Create a store, and a GALLERY in it if you name one.

    An existing store is left as it is.
    """
    if gallery:
        create_gallery(ws, gallery, choice, as_json)
        return
    if choice != options.NewGallery():
        raise click.UsageError(
            "--modality, --encoder, --detector, --index, --index-address:"
            " name the GALLERY to create."
        )
    created = ws.init()
    sentence = f"created the store {ws.root}" if created else f"{ws.root} already is a store"
    print_outcome(as_json, {"store": str(ws.root), "created": created}, sentence)
