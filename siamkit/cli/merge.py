"""siamkit merge"""

from __future__ import annotations

from dataclasses import asdict

import click

import siamkit as sk
from siamkit.cli import options
from siamkit.cli.output import print_outcome
from siamkit.io.commands import suggest


@click.command(
    epilog="""\b
Examples:
  siamkit merge 'A. Smith' 'Alice Smith'    all samples of A. Smith become Alice Smith's
  siamkit merge --undo 'A. Smith'           give them back
  siamkit merge --undo                      undo the last merger

\b
It happens in one transaction. What both identities have, the same content and region, is kept once,
and is given back too. Undoing leaves alone what was enrolled or forgotten since.
"""
)
@click.argument("old", required=False)
@click.argument("new", required=False)
@click.option("--undo", is_flag=True, help="Give the samples of OLD, or of the last, back to it.")
@options.workspace
@options.as_json
def merge(ws: sk.Workspace, old: str | None, new: str | None, undo: bool, as_json: bool) -> None:
    """Give all samples of identity OLD to identity NEW, in every gallery."""
    if undo and new is None:
        merger = ws.undo_merge(old)
        sentence = f"gave back to {merger.new}, from {merger.old}: {_count(merger)}"
        print_outcome(as_json, asdict(merger), sentence)
        return
    if undo or old is None or new is None:
        raise click.UsageError("Give OLD and NEW, or --undo with at most OLD.")
    merger = ws.merge(old, new)
    print_outcome(
        as_json,
        asdict(merger),
        f"merged {merger.old} into {merger.new}: {_count(merger)}",
        f"undo: {suggest('merge --undo', merger.old)}",
    )


def _count(merger: sk.Merger) -> str:
    samples = f"{merger.samples:,} {'sample' if merger.samples == 1 else 'samples'}"
    return f"{samples}, and {merger.copies:,} that both have" if merger.copies else samples
