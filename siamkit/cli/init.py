"""siamkit init"""

from __future__ import annotations

from pathlib import Path

import click

from siamkit.cli import options
from siamkit.cli.output import report


@click.command(
    epilog="""\b
Examples:
  siamkit init                       make ./.siamkit
  siamkit init --store /srv/people   make a store elsewhere
"""
)
@options.store
@options.as_json
def init(store: Path, as_json: bool) -> None:
    """Make a store. Where there is one already, nothing happens."""
    with options.workspace(store) as ws:
        created = ws.init()
        report(
            as_json,
            {"store": str(store), "created": created},
            f"made the store {store}" if created else f"{store} is a store already",
        )
