"""siamkit index [stats | rebuild]"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from siamkit.cli import options
from siamkit.cli.output import emit_json, table

if TYPE_CHECKING:
    from siamkit.store import Gallery, Store


@click.group(
    epilog="""\b
Examples:
  siamkit index stats            structure, size and recall, a line a gallery
  siamkit index rebuild staff    throw the saved index away and make it anew

The index is a cache of the store: it may be deleted at any moment.
"""
)
def index() -> None:
    """Look at, or remake, the index that queries use."""


@index.command(epilog="\b\nExamples:\n  siamkit index stats --json")
@click.argument("gallery", required=False)
@options.store
@options.as_json
def stats(gallery: str | None, store: Path, as_json: bool) -> None:
    """Structure, size and measured recall of the index of each gallery, or of one."""
    with options.workspace(store) as ws:
        facts = [
            {"gallery": g.name, **ws.index(g).index.describe()} for g in _wanted(ws.store, gallery)
        ]
    if as_json:
        emit_json(facts)
    else:
        columns = ["gallery", "structure", "exact", "recall", "templates", "since_saved", "bytes"]
        table(columns, [[f[c] for c in columns] for f in facts])


@index.command(epilog="\b\nExamples:\n  siamkit index rebuild\n  siamkit index rebuild staff")
@click.argument("gallery", required=False)
@options.store
@options.as_json
def rebuild(gallery: str | None, store: Path, as_json: bool) -> None:
    """Make the index of each gallery, or of one, anew from the store."""
    from siamkit.store import live_index

    facts = []
    with options.workspace(store) as ws:
        for target in _wanted(ws.store, gallery):
            made = live_index.rebuild(ws.store, target).index.describe()
            facts.append({"gallery": target.name, **made})
            if not as_json:
                click.echo(f"{target.name}: {made['templates']:,} templates, {made['structure']}")
    if as_json:
        emit_json(facts)


def _wanted(store: Store, name: str | None) -> list[Gallery]:
    from siamkit.store import galleries

    return [galleries.get(store, name)] if name else galleries.list_all(store)
