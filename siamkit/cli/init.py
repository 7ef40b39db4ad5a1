"""siamkit init"""

from __future__ import annotations

import click

import siamkit as sk
from siamkit.cli import options
from siamkit.cli.output import print_outcome


@click.command(
    epilog="""\b
Examples:
  siamkit init                                     create ./.siamkit
  siamkit init --store /srv/people                 create a store elsewhere
  siamkit init catalogue -m images                 and a gallery in it, say of product pictures
  siamkit init catalogue --encoder timm:resnet50   compared by any network of timm
  siamkit init shelf -m images --detector proposals
  siamkit init topics --encoder sentence-transformers:all-mpnet-base-v2
"""
)
@click.argument("gallery", required=False)
@options.modality
@options.encoder
@options.detector
@options.index
@options.workspace
@options.as_json
def init(
    ws: sk.Workspace,
    gallery: str | None,
    modality: str | None,
    encoder: str | None,
    detector: str | None,
    index: str | None,
    as_json: bool,
) -> None:
    """Create a store, and a GALLERY in it if you name one.

    --encoder also takes another model, as ORIGIN:MODEL: it is exported once (which needs torch),
    checked, and used from then on. An existing store is left as it is.
    """
    if not gallery:
        if modality or encoder or detector or index:
            raise click.UsageError(
                "--modality, --encoder, --detector, --index: name the GALLERY to create."
            )
        created = ws.init()
        sentence = f"created the store {ws.root}" if created else f"{ws.root} already is a store"
        print_outcome(as_json, {"store": str(ws.root), "created": created}, sentence)
        return
    detector = options.default_or_none(detector)
    target = ws.create_gallery(gallery, modality, encoder=encoder, detector=detector, index=index)
    print_outcome(
        as_json,
        {
            "store": str(ws.root),
            "gallery": target.name,
            "modality": target.space.modality,
            "encoder": target.encoder,
            "detector": target.detector,
            "index": target.index,
            "fingerprint": target.space.fingerprint,
        },
        f"created gallery {target.name} of {target.space.modality},"
        f" encoder {target.space.fingerprint}",
    )
