"""siamkit galleries [create | list | delete]"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

import siamkit as sk
from siamkit.cli import checks, options
from siamkit.cli.output import emit_json, print_outcome, table
from siamkit.cli.spellings import Group


@click.group(
    cls=Group,
    invoke_without_command=True,
    epilog="""\b
Examples:
  siamkit galleries                                    the galleries of this store
  siamkit galleries create staff -m faces              with the modality's detector and encoder
  siamkit galleries create crops -m faces --detector none
  siamkit galleries delete staff
""",
)
@options.workspace
@options.as_json
@click.pass_context
def galleries(context: click.Context, ws: sk.Workspace, as_json: bool) -> None:
    """Create, list and delete galleries: named sets of templates of one encoder."""
    if context.invoked_subcommand is None:
        _print_all(ws, as_json)


@galleries.command()
@click.argument("name")
@click.option("-m", "--modality", required=True, metavar="NAME", help="faces, …")
@options.encoder
@options.detector
@options.index
@options.workspace
@options.as_json
def create(
    ws: sk.Workspace,
    name: str,
    modality: str,
    encoder: str | None,
    detector: str | None,
    index: str | None,
    as_json: bool,
) -> None:
    """Create a gallery, and the store if there is none."""
    detector = options.default_or_none(detector)
    gallery = ws.create_gallery(name, modality, encoder=encoder, detector=detector, index=index)
    sentence = f"created gallery {name} of {modality}, encoder {gallery.space.fingerprint}"
    print_outcome(as_json, _fields(ws, gallery), sentence)


@galleries.command("list")
@options.workspace
@options.as_json
def list_(ws: sk.Workspace, as_json: bool) -> None:
    """List the galleries of this store."""
    _print_all(ws, as_json)


@galleries.command()
@click.argument("name")
@options.yes
@options.workspace
@options.as_json
def delete(ws: sk.Workspace, name: str, yes: bool, as_json: bool) -> None:
    """Delete a gallery with all its samples, and identities that have no other samples."""
    identities, samples = ws.count(name)
    checks.confirm(f"Delete {name}: {identities} identities, {samples} samples?", yes)
    ws.delete_gallery(name)
    print_outcome(
        as_json,
        {"deleted": name, "identities": identities, "samples": samples},
        f"deleted gallery {name}: {identities} identities, {samples} samples",
    )


def _print_all(ws: sk.Workspace, as_json: bool) -> None:
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


def _fields(ws: sk.Workspace, gallery: sk.Gallery) -> dict[str, Any]:
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
