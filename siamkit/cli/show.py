"""siamkit show"""

from __future__ import annotations

import click

import siamkit as sk
from siamkit.cli import options
from siamkit.cli.output import count_of, echo, emit_json, print_rows
from siamkit.cli.provenance import describe_match


@click.command(epilog="\b\nExamples:\n  siamkit show alice\n  siamkit show alice --limit 10 --json")
@click.argument("label")
@options.limit("samples")
@options.workspace
@options.as_json
def show(ws: sk.Workspace, label: str, limit: int | None, as_json: bool) -> None:
    """Show the samples of an identity, in every gallery, and what counts as a match there."""
    samples = ws.identity(label)
    for sample in samples:
        sample.read_region()  # may raise
    if as_json:
        emit_json({"identity": label, "samples": [sample.to_dict() for sample in samples[:limit]]})
        return
    rows = [
        {
            "id": str(sample.id),
            "gallery": sample.gallery,
            "source": sample.source,
            "region": _place(sample),
            "quality": sample.quality,
            "enrolled": sample.created[:10],
        }
        for sample in samples
    ]
    names = {sample.gallery for sample in samples}
    total = f"{count_of(len(rows), 'sample')}, {count_of(len(names), 'gallery', 'galleries')}"
    print_rows(False, rows, [*rows[0]], limit=limit, total=total)
    for gallery in ws.galleries():
        if gallery.name in names:
            nouns = ws.nouns(gallery.space.modality)
            echo(f"{gallery.name}: {describe_match(gallery.threshold, nouns)}")


def _place(sample: sk.Sample) -> str:
    """Describe the box or span of a sample's region."""
    where = sample.read_region().where
    return ",".join(f"{value:.0f}" for value in where) if where else "whole"
