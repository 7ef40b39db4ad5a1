"""siamkit index [stats | rebuild]"""

from __future__ import annotations

import click

import siamkit as sk
from siamkit.cli import options
from siamkit.cli.output import count_of, echo, emit_json, print_rows
from siamkit.cli.progress import steps
from siamkit.cli.spellings import Group


@click.group(
    cls=Group,
    epilog="""\b
Examples:
  siamkit index stats            structure, size and recall, one line per gallery
  siamkit index rebuild staff    delete the saved index, fill it from the store and build it
  siamkit index rebuild staff --index faiss    with another backend, from now on
  siamkit index rebuild staff --index pgvector --index-address postgresql://db/siamkit

The index is a cache of the store: it may be deleted at any moment.
""",
)
def index() -> None:
    """Inspect or rebuild the index that queries use."""


@index.command(
    short_help="Show structure, size and recall of indexes",
    epilog="\b\nExamples:\n  siamkit index stats --json",
)
@click.argument("gallery", required=False)
@options.workspace
@options.as_json
def stats(ws: sk.Workspace, gallery: str | None, as_json: bool) -> None:
    """Show the structure, size and measured recall of each gallery's index, or of one."""
    rows = [{"gallery": name, **ws.index_stats(name)} for name in _names(ws, gallery)]
    columns = ["index", "structure", "exact", "recall", "templates", "since_saved", "bytes"]
    print_rows(as_json, rows, ["gallery", *columns])


@index.command(
    short_help="Rebuild indexes from the store",
    epilog="\b\nExamples:\n  siamkit index rebuild\n  siamkit index rebuild staff",
)
@click.argument("gallery", required=False)
@click.option("--index", metavar="NAME", help="Change to another index backend.")
@options.index_address
@click.option(
    "--new-id",
    is_flag=True,
    help="Take another id on servers first: for a copied store, which has that of the other one.",
)
@options.workspace
@options.as_json
def rebuild(
    ws: sk.Workspace,
    gallery: str | None,
    index: str | None,
    index_address: str | None,
    new_id: bool,
    as_json: bool,
) -> None:
    """Rebuild the index of each gallery, or of one, from the store."""
    if new_id:
        ws.renew_id()
    rows = []
    for name in _names(ws, gallery):
        with steps() as progress:
            index_stats = ws.rebuild_index(
                name, index=index, index_address=index_address, progress=progress
            )
        rows.append({"gallery": name, **index_stats})
        if not as_json:
            templates, structure = index_stats["templates"], index_stats["structure"]
            echo(f"{name}: {count_of(int(templates), 'template')}, {structure}")
    if as_json:
        emit_json(rows)


def _names(ws: sk.Workspace, gallery: str | None) -> list[str]:
    return [gallery] if gallery else [g.name for g in ws.galleries()]
