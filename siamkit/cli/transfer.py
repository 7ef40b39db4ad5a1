"""siamkit export | import"""

from __future__ import annotations

from pathlib import Path

import click

from siamkit.cli import options
from siamkit.cli.output import report


@click.command(
    epilog="""\b
Examples:
  siamkit export staff staff-backup/

\b
The folder holds gallery.json, samples.jsonl (a line a sample) and templates.npy ((n, dim)
float32, a row a line). `siamkit import` reads it back, on this machine or another.
"""
)
@click.argument("gallery")
@click.argument("folder", type=click.Path(path_type=Path))
@options.store
@options.as_json
def export(gallery: str, folder: Path, store: Path, as_json: bool) -> None:
    """Write a gallery to a new FOLDER of open formats."""
    from siamkit.flows.transfer import export_gallery
    from siamkit.store import galleries

    with options.workspace(store) as ws:
        count = export_gallery(ws.store, galleries.get(ws.store, gallery), folder)
    report(
        as_json,
        {"gallery": gallery, "folder": str(folder), "samples": count},
        f"exported {count:,} samples of {gallery} to {folder}",
    )


@click.command(
    "import",
    epilog="""\b
Examples:
  siamkit import staff-backup/
  siamkit import staff-backup/ --as-gallery staff2
""",
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--as-gallery", metavar="NAME", help="Into this gallery [default: as exported].")
@options.store
@options.as_json
def import_(folder: Path, as_gallery: str | None, store: Path, as_json: bool) -> None:
    """Read an exported FOLDER; what the gallery holds already is kept and counted."""
    from siamkit.flows.transfer import import_gallery, read_export

    exported = read_export(folder)  # before a store is made for it
    with options.workspace(store) as ws:
        ws.init()
        gallery, new, known = import_gallery(ws.store, exported, as_gallery)
    report(
        as_json,
        {"gallery": gallery.name, "new": new, "already": known},
        f"imported {new:,} samples into {gallery.name}; {known:,} were there already",
    )
