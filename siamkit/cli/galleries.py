"""siamkit galleries [create | list | delete]"""

from __future__ import annotations

from typing import Any

import click

import siamkit as sk
from siamkit.cli import checks, options
from siamkit.cli.output import count_of, echo, print_outcome, print_rows
from siamkit.cli.provenance import describe_match
from siamkit.cli.spellings import Group


@click.group(
    cls=Group,
    invoke_without_command=True,
    epilog="""\b
Examples:
  siamkit galleries                                    the galleries of this store
  siamkit galleries create staff -m faces              with the modality's detector and encoder
  siamkit galleries create crops -m faces --detector none
  siamkit galleries delete staff --yes                 without asking
""",
)
@options.limit("galleries")
@options.verbose
@options.workspace
@options.as_json
@click.pass_context
def galleries(
    context: click.Context, ws: sk.Workspace, limit: int | None, verbose: bool, as_json: bool
) -> None:
    """Create, list and delete galleries: named sets of templates of one encoder."""
    if context.invoked_subcommand is None:
        _print_all(ws, limit, verbose, as_json)


@galleries.command(
    short_help="Create a gallery",
    epilog="""\b
Examples:
  siamkit galleries create staff -m faces
  siamkit galleries create faces                              named after its modality
  siamkit galleries create catalogue --encoder timm:resnet50  compared by any network of timm
  siamkit galleries create shelf -m images --detector proposals
  siamkit galleries create topics --encoder sentence-transformers:all-mpnet-base-v2
  siamkit galleries create staff -m faces --index pgvector --index-address postgresql://db/siamkit
""",
)
@click.argument("name")
@options.new_gallery
@options.workspace
@options.as_json
def create(ws: sk.Workspace, name: str, choice: options.NewGallery, as_json: bool) -> None:
    """Create a gallery, and the store if there is none.

    --encoder also takes another model, as ORIGIN:MODEL: it is exported once (which needs torch),
    checked, and used from then on.
    """
    create_gallery(ws, name, choice, as_json)


def create_gallery(ws: sk.Workspace, name: str, choice: options.NewGallery, as_json: bool) -> None:
    """Create a gallery, and print what it is. For `init GALLERY` too."""
    gallery = ws.create_gallery(
        name,
        choice.modality,
        encoder=choice.encoder,
        detector=options.default_or_none(choice.detector),
        index=choice.index,
        index_address=choice.index_address,
    )
    sentence = (
        f"created gallery {name} of {gallery.space.modality}, encoder {gallery.space.fingerprint}"
    )
    print_outcome(as_json, {"store": str(ws.root), **_fields(ws, gallery)}, sentence)


@galleries.command("list", short_help="List the galleries")
@options.limit("galleries")
@options.verbose
@options.workspace
@options.as_json
def list_(ws: sk.Workspace, limit: int | None, verbose: bool, as_json: bool) -> None:
    """List the galleries of this store, and from which score two samples count as the same.

    With -v also the detector, the index, and the encoder's fingerprint.
    """
    _print_all(ws, limit, verbose, as_json)


@galleries.command(short_help="Delete a gallery with all its samples")
@click.argument("name")
@options.yes
@options.workspace
@options.as_json
def delete(ws: sk.Workspace, name: str, yes: bool, as_json: bool) -> None:
    """Delete a gallery with all its samples, and identities that have no other samples."""
    identities, samples = ws.count(name)
    held = f"{count_of(identities, 'identity', 'identities')}, {count_of(samples, 'sample')}"
    checks.require_consent(
        f"this would delete gallery {name}: {held}", f"Delete {name}: {held}?", yes
    )
    ws.delete_gallery(name)
    print_outcome(
        as_json,
        {"deleted": name, "identities": identities, "samples": samples},
        f"deleted gallery {name}: {held}",
    )


def _print_all(ws: sk.Workspace, limit: int | None, verbose: bool, as_json: bool) -> None:
    listed = ws.galleries()
    rows = [_fields(ws, gallery) for gallery in listed]
    columns = ["name", "modality", "identities", "samples"]
    columns += ["detector", "index", "fingerprint"] if verbose else []
    samples = count_of(sum(row["samples"] for row in rows), "sample")
    total = f"{count_of(len(rows), 'gallery', 'galleries')}, {samples}"
    print_rows(as_json, rows, columns, limit=limit, total=total)
    if not as_json:
        for gallery in listed[:limit]:
            echo(f"{gallery.name}: {describe_match(gallery.threshold)}")


def _fields(ws: sk.Workspace, gallery: sk.Gallery) -> dict[str, Any]:
    identities, samples = ws.count(gallery.name)
    facts = gallery.to_dict()
    counted = {"identities": identities, "samples": samples}
    return {"name": facts["name"], "modality": facts["modality"], **counted, **facts}
