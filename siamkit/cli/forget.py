"""siamkit forget"""

from __future__ import annotations

import click

import siamkit as sk
from siamkit.cli import checks, options
from siamkit.cli.output import print_outcome


@click.command(
    epilog="""\b
Examples:
  siamkit forget alice                    every sample of alice, in every gallery
  siamkit forget alice --gallery staff    her samples in one gallery
  siamkit forget --sample 12              one sample (`siamkit show alice` lists them)
"""
)
@click.argument("label", required=False)
@click.option("--gallery", metavar="NAME", help="Forget the samples of this gallery only.")
@click.option("--sample", type=int, metavar="ID", help="Forget one sample, not an identity.")
@options.yes
@options.workspace
@options.as_json
def forget(
    ws: sk.Workspace,
    label: str | None,
    gallery: str | None,
    sample: int | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Delete an identity or a sample: from SQLite, from the index, and from freed disk pages.

    It asks first at a terminal; a script is not asked.
    """
    if (label is None) == (sample is None) or (sample is not None and gallery):
        raise click.UsageError("Give either LABEL [--gallery NAME] or --sample ID.")
    if sample is not None:
        checks.confirm(f"Forget sample {sample}?", yes)
        ws.forget_sample(sample)
        print_outcome(as_json, {"forgot": sample, "samples": 1}, f"forgot sample {sample}")
    else:
        checks.confirm(f"Forget {label}{f' in {gallery}' if gallery else ''}?", yes)
        count = ws.forget(str(label), gallery=gallery)
        counted = f"{count} {'sample' if count == 1 else 'samples'}"
        print_outcome(as_json, {"forgot": label, "samples": count}, f"forgot {label}: {counted}")
