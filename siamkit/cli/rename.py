"""siamkit rename"""

from __future__ import annotations

from pathlib import Path

import click

from siamkit.cli import options
from siamkit.cli.output import print_outcome


@click.command(epilog="\b\nExamples:\n  siamkit rename alice 'Alice Smith'")
@click.argument("old")
@click.argument("new")
@options.store
@options.as_json
def rename(old: str, new: str, store: Path, as_json: bool) -> None:
    """Give an identity another label."""
    with options.workspace(store) as ws:
        label = ws.rename(old, new)
    print_outcome(as_json, {"old": old, "new": label}, f"renamed {old} to {label}")
