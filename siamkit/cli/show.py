"""siamkit show"""

from __future__ import annotations

import json
from typing import Any

import click

import siamkit as sk
from siamkit.cli import options
from siamkit.cli.output import emit_json, table


@click.command(epilog="\b\nExamples:\n  siamkit show alice\n  siamkit show alice --json")
@click.argument("label")
@options.workspace
@options.as_json
def show(ws: sk.Workspace, label: str, as_json: bool) -> None:
    """Show the samples of an identity, in every gallery."""
    samples = ws.identity(label)
    for sample in samples:
        sample.read_region()  # may raise
    if as_json:
        emit_json({"identity": label, "samples": [_facts(sample) for sample in samples]})
    else:
        rows = [[str(s.id), s.gallery, s.source, _place(s), s.quality, s.created] for s in samples]
        table(["id", "gallery", "source", "region", "quality", "enrolled"], rows)


def _facts(sample: sk.Sample) -> dict[str, Any]:
    return {
        "id": sample.id,
        "gallery": sample.gallery,
        "source": sample.source,
        "sha256": sample.digest.hex(),
        "region": json.loads(sample.region),
        "quality": sample.quality,
        "created": sample.created,
    }


def _place(sample: sk.Sample) -> str:
    """Describe the box or span of a sample's region."""
    where = sample.read_region().where
    return ",".join(f"{value:.0f}" for value in where) if where else "whole"
