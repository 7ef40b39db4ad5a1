"""siamkit rename"""

from __future__ import annotations

import click

import siamkit as sk
from siamkit.cli import options
from siamkit.cli.output import print_outcome


@click.command(epilog="\b\nExamples:\n  siamkit rename alice 'Alice Smith'")
@click.argument("old")
@click.argument("new")
@options.workspace
@options.as_json
def rename(ws: sk.Workspace, old: str, new: str, as_json: bool) -> None:
    """Give an identity another label. `siamkit merge` makes two identities one."""
    label = ws.rename(old, new)
    print_outcome(as_json, {"old": old, "new": label}, f"renamed {old} to {label}")
