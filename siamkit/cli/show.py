"""siamkit show"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from shlex import quote
from typing import Any

import click

import siamkit as sk
from siamkit.cli import options
from siamkit.cli.output import count_of, echo
from siamkit.cli.provenance import describe_match
from siamkit.cli.streaming import stream_json, stream_table
from siamkit.io.commands import suggest

COLUMNS = ["id", "gallery", "source", "region", "quality", "enrolled"]


@click.command(
    epilog="""\b
Examples:
  siamkit show alice
  siamkit show alice --limit 10 --json
  siamkit show alice --limit 10 --after 1   the next ones, behind sample 1
"""
)
@click.argument("label")
@options.limit("samples")
@options.after("ID", "Show only samples behind this one.")
@options.workspace
@options.as_json
def show(ws: sk.Workspace, label: str, limit: int | None, after: int | None, as_json: bool) -> None:
    """Show the samples of an identity, in every gallery, and what counts as a match there."""
    samples = ws.stream_identity(label, after=after or 0)
    first = islice(samples, limit)
    if as_json:
        stream_json((sample.to_dict() for sample in first), {"identity": label}, "samples")
        return
    counts: dict[str, int] = {}
    last = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal last
        for sample in first:
            last, name = sample.id, sample.gallery
            counts[name] = counts.get(name, 0) + 1
            yield {
                "id": str(sample.id),
                "gallery": name,
                "source": sample.source,
                "region": _place(sample),
                "quality": sample.quality,
                "enrolled": sample.created[:10],
            }

    stream_table(rows(), COLUMNS)
    if limit is not None and next(samples, None):
        start = " ".join([suggest("show", label), *map(quote, options.given_store())])
        echo(f"… and more: {start} --limit {limit} --after {last}")
    else:
        galleries = count_of(len(counts), "gallery", "galleries")
        echo(f"{count_of(sum(counts.values()), 'sample')}, {galleries}")
    for gallery in ws.galleries():
        if gallery.name in counts:
            nouns = ws.nouns(gallery.space.modality)
            echo(f"{gallery.name}: {describe_match(gallery.threshold, nouns)}")


def _place(sample: sk.Sample) -> str:
    """Describe the box or span of a sample's region."""
    where = sample.read_region().where
    return ",".join(f"{value:.0f}" for value in where) if where else "whole"
