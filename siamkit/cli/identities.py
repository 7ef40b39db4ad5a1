"""siamkit list | show | rename | forget"""

from __future__ import annotations

import json
from pathlib import Path

import click

from siamkit.cli import options
from siamkit.cli.output import emit_json, report, table


@click.command(
    "list",
    epilog="""\b
Examples:
  siamkit list                 everybody, with the galleries they are in
  siamkit list staff --json    one gallery, for a program
""",
)
@click.argument("gallery", required=False)
@options.store
@options.as_json
def list_(gallery: str | None, store: Path, as_json: bool) -> None:
    """List the identities of the store, or of one GALLERY."""
    from siamkit.store import galleries, samples

    with options.workspace(store) as ws:
        only = galleries.get(ws.store, gallery) if gallery else None
        held = samples.holdings(ws.store, only)
    if as_json:
        emit_json(
            [
                {
                    "identity": h.identity,
                    "gallery": h.gallery,
                    "samples": h.samples,
                    "best_quality": h.quality,
                }
                for h in held
            ]
        )
    else:
        rows = [[h.identity, h.gallery, h.samples, h.quality] for h in held]
        table(["identity", "gallery", "samples", "best quality"], rows)


@click.command(epilog="\b\nExamples:\n  siamkit show alice\n  siamkit show alice --json")
@click.argument("label")
@options.store
@options.as_json
def show(label: str, store: Path, as_json: bool) -> None:
    """Show the samples that an identity owns, in every gallery."""
    from siamkit.store import samples

    with options.workspace(store) as ws:
        owned = samples.of_identity(ws.store, label)
    if as_json:
        emit_json(
            {
                "identity": label,
                "samples": [
                    {
                        "id": s.id,
                        "gallery": s.gallery,
                        "source": s.source,
                        "sha256": s.digest.hex(),
                        "region": json.loads(s.region),
                        "quality": s.quality,
                        "created": s.created,
                    }
                    for s in owned
                ],
            }
        )
        return
    rows = []
    for s in owned:
        where = json.loads(s.region).get("where")
        box = ",".join(f"{v:.0f}" for v in where) if where else "whole"
        rows.append([str(s.id), s.gallery, s.source, box, s.quality, s.created])
    table(["id", "gallery", "source", "region", "quality", "enrolled"], rows)


@click.command(epilog="\b\nExamples:\n  siamkit rename alice 'Alice Smith'")
@click.argument("old")
@click.argument("new")
@options.store
@options.as_json
def rename(old: str, new: str, store: Path, as_json: bool) -> None:
    """Give an identity another label."""
    from siamkit.store import samples

    with options.workspace(store) as ws:
        samples.rename(ws.store, old, new)
    now = samples.checked_label(new)
    report(as_json, {"old": old, "new": now}, f"{old} is now {now}")


@click.command(
    epilog="""\b
Examples:
  siamkit forget alice                    everything of alice, in every gallery
  siamkit forget alice --gallery staff    her samples in one gallery
  siamkit forget --sample 12              one sample (`siamkit show alice` lists them)
"""
)
@click.argument("label", required=False)
@click.option("--gallery", metavar="NAME", help="Only what is in this gallery.")
@click.option("--sample", type=int, metavar="ID", help="One sample instead of an identity.")
@options.yes
@options.store
@options.as_json
def forget(
    label: str | None,
    gallery: str | None,
    sample: int | None,
    yes: bool,
    store: Path,
    as_json: bool,
) -> None:
    """Delete an identity or a sample: from SQLite, from the index, and from freed disk pages."""
    if (label is None) == (sample is None) or (sample is not None and gallery):
        raise click.UsageError("Give either LABEL [--gallery NAME] or --sample ID.")
    from siamkit.flows.forget import forget as run
    from siamkit.store import samples

    with options.workspace(store) as ws:
        if sample is not None:
            options.confirm(f"Forget sample {sample}?", yes)
            run(ws.store, [samples.get(ws.store, sample)])
            report(as_json, {"forgot": sample, "samples": 1}, f"forgot sample {sample}")
        else:
            options.confirm(f"Forget {label}{f' in {gallery}' if gallery else ''}?", yes)
            count = ws.forget(str(label), gallery=gallery)
            counted = f"{count} {'sample' if count == 1 else 'samples'}"
            report(as_json, {"forgot": label, "samples": count}, f"forgot {label}: {counted}")
