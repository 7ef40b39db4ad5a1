"""siamkit reembed"""

from __future__ import annotations

from pathlib import Path

import click

from siamkit.cli import options
from siamkit.cli.output import report, stderr
from siamkit.cli.progress import bar


@click.command(
    epilog="""\b
Examples:
  siamkit reembed staff                            with the encoder the gallery names
  siamkit reembed staff --encoder runs/best/       move to an encoder of your own

\b
The sources are read again from where they were enrolled. The gallery changes in one step at the
end: a run that fails or is broken off leaves it as it was.
"""
)
@click.argument("gallery")
@options.encoder
@click.option("--drop-missing", is_flag=True, help="Let samples go whose source is gone.")
@options.store
@options.as_json
def reembed(
    gallery: str, encoder: str | None, drop_missing: bool, store: Path, as_json: bool
) -> None:
    """Compute every template of a GALLERY anew, with another encoder."""
    from siamkit.flows.reembed import reembed as run
    from siamkit.host import registry
    from siamkit.models import names
    from siamkit.store import galleries

    with options.workspace(store) as ws:
        target = galleries.get(ws.store, gallery)
        plugin = registry.load("siamkit.modalities", target.space.modality)
        wanted = names.pin_encoder(plugin, encoder or target.encoder)
        pipeline = ws.pipeline(target.space.modality, encoder=wanted, detector=target.detector)
        with bar("embedding", None) as update:
            for state in run(ws.store, target, pipeline, encoder=wanted, drop_missing=drop_missing):
                update(state.done)
        for error in state.missing:
            stderr(f"dropped: {error}")
        kept, fingerprint = state.done - len(state.missing), pipeline.encoder.fingerprint
        report(
            as_json,
            {"gallery": gallery, "samples": kept, "fingerprint": fingerprint},
            f"{gallery}: {kept:,} samples embedded by {fingerprint}",
        )
