"""siamkit reembed"""

from __future__ import annotations

import click

import siamkit as sk
from siamkit.cli import options
from siamkit.cli.output import print_outcome, stderr
from siamkit.cli.progress import steps


@click.command(
    epilog="""\b
Examples:
  siamkit reembed staff                            with the gallery's own encoder
  siamkit reembed staff --encoder runs/best/       move to an encoder of your own
  siamkit reembed staff --encoder default          back to that of the modality

\b
The sources are read again from where they were enrolled. The gallery changes in one step at the
end: a run that fails or is interrupted leaves it as it was.
"""
)
@click.argument("gallery")
@options.encoder
@click.option("--drop-missing", is_flag=True, help="Drop samples whose source is gone.")
@options.workspace
@options.as_json
def reembed(
    ws: sk.Workspace, gallery: str, encoder: str | None, drop_missing: bool, as_json: bool
) -> None:
    """Recompute every template of a GALLERY, with its encoder or another."""
    with steps() as progress:
        reembedded = ws.reembed(
            gallery, encoder=encoder, drop_missing=drop_missing, progress=progress
        )
    for error in reembedded.dropped:
        stderr(f"dropped: {error}")
    count, fingerprint = reembedded.samples, reembedded.fingerprint
    print_outcome(
        as_json,
        {"gallery": gallery, "samples": count, "fingerprint": fingerprint},
        f"{gallery}: {count:,} samples embedded by {fingerprint}",
    )
