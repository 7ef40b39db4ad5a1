"""siamkit galleries [create | list | delete]"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from siamkit.cli import options
from siamkit.cli.output import emit_json, print_outcome, table

if TYPE_CHECKING:
    from siamkit.store import Gallery
    from siamkit.workspace import Workspace


@click.group(
    invoke_without_command=True,
    epilog="""\b
Examples:
  siamkit galleries                                    the galleries of this store
  siamkit galleries create staff -m faces              with the modality's detector and encoder
  siamkit galleries create crops -m faces --detector none
  siamkit galleries delete staff
""",
)
@options.store
@options.as_json
@click.pass_context
def galleries(context: click.Context, store: Path, as_json: bool) -> None:
    """Create, list and delete galleries: named sets of templates of one encoder."""
    if context.invoked_subcommand is None:
        show_all(store, as_json)


@galleries.command()
@click.argument("name")
@click.option("-m", "--modality", required=True, metavar="NAME", help="faces, …")
@options.encoder
@options.detector
@options.index
@options.store
@options.as_json
def create(
    name: str,
    modality: str,
    encoder: str | None,
    detector: str | None,
    index: str | None,
    store: Path,
    as_json: bool,
) -> None:
    """Create a gallery, and the store if there is none."""
    with options.workspace(store) as ws:
        gallery = ws.create_gallery(
            name,
            modality,
            encoder=encoder,
            detector=options.default_or_none(detector),
            index=index,
        )
        print_outcome(
            as_json,
            _fields(ws, gallery),
            f"created gallery {name} of {modality}, encoder {gallery.space.fingerprint}",
        )


@galleries.command("list")
@options.store
@options.as_json
def list_(store: Path, as_json: bool) -> None:
    """List the galleries of this store."""
    show_all(store, as_json)


@galleries.command()
@click.argument("name")
@options.yes
@options.store
@options.as_json
def delete(name: str, yes: bool, store: Path, as_json: bool) -> None:
    """Delete a gallery with all its samples, and identities that have no other samples."""
    with options.workspace(store) as ws:
        identities, samples = ws.count(name)
        options.confirm(f"Delete {name}: {identities} identities, {samples} samples?", yes)
        ws.delete_gallery(name)
        print_outcome(
            as_json,
            {"deleted": name, "identities": identities, "samples": samples},
            f"deleted gallery {name}: {identities} identities, {samples} samples",
        )


def show_all(store: Path, as_json: bool) -> None:
    with options.workspace(store) as ws:
        rows = [_fields(ws, gallery) for gallery in ws.galleries()]
    if as_json:
        emit_json(rows)
        return
    columns = ["name", "modality", "identities", "samples", "detector", "index", "fingerprint"]
    cells = [
        [*(row[c] for c in columns), row["threshold"]["value"] if row["threshold"] else None]
        for row in rows
    ]
    table([*columns, "threshold"], cells)


def _fields(ws: Workspace, gallery: Gallery) -> dict[str, Any]:
    identities, samples = ws.count(gallery.name)
    return {
        "name": gallery.name,
        "modality": gallery.space.modality,
        "identities": identities,
        "samples": samples,
        "detector": gallery.detector,
        "encoder": gallery.encoder,
        "index": gallery.index,
        "fingerprint": gallery.space.fingerprint,
        "dim": gallery.space.dim,
        "threshold": asdict(gallery.threshold) if gallery.threshold else None,
        "created": gallery.created,
    }
