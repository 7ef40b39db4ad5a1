"""siamkit init"""

from __future__ import annotations

from pathlib import Path

import click

from siamkit.cli import options
from siamkit.cli.output import report


@click.command(
    epilog="""\b
Examples:
  siamkit init                                     make ./.siamkit
  siamkit init --store /srv/people                 make a store elsewhere
  siamkit init catalogue -m images                 and a gallery: pictures of products, say
  siamkit init catalogue --encoder timm:resnet50   compared by any network of timm
  siamkit init topics --encoder sentence-transformers:all-mpnet-base-v2
"""
)
@click.argument("gallery", required=False)
@options.modality
@options.encoder
@options.store
@options.as_json
def init(
    gallery: str | None, modality: str | None, encoder: str | None, store: Path, as_json: bool
) -> None:
    """Make a store, and a GALLERY in it if one is named.

    --encoder takes another model, too: it is exported once (which needs torch), checked, and
    compared with from then on. Where there is a store already, it stays as it is.
    """
    if not gallery:
        if modality or encoder:
            raise click.UsageError("--modality and --encoder are about a GALLERY: name one.")
        with options.workspace(store) as ws:
            created = ws.init()
            report(
                as_json,
                {"store": str(store), "created": created},
                f"made the store {store}" if created else f"{store} is a store already",
            )
        return
    from siamkit.host import registry
    from siamkit.models import pick_modality

    if not modality and not encoder:
        if gallery not in {plugin.name for plugin in registry.found("siamkit.modalities")}:
            raise click.UsageError(f"Say what {gallery} holds: --modality NAME, or --encoder.")
        modality = gallery
    with options.workspace(store) as ws:
        if modality is None:
            modality = pick_modality.for_encoder(encoder) if encoder else ws.modality_of(gallery)
        made = ws.create_gallery(gallery, modality, encoder=encoder)
        report(
            as_json,
            {
                "store": str(store),
                "gallery": made.name,
                "modality": modality,
                "encoder": made.encoder,
                "fingerprint": made.space.fingerprint,
            },
            f"made gallery {made.name} of {modality}, encoder {made.space.fingerprint}",
        )
