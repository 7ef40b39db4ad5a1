"""siamkit import"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

import siamkit as sk
from siamkit.cli import checks, options
from siamkit.cli.output import clear_progress, print_outcome
from siamkit.cli.progress import steps
from siamkit.io.sources import shorten

SHOWN = 20  # identities that a question names


@click.command(
    "import",
    epilog="""\b
Examples:
  siamkit import staff-backup/
  siamkit import staff-backup/ --as-gallery staff2
  siamkit import staff-backup/ --media photos/
  siamkit import more-staff/ --as-gallery staff --merge

\b
The folder is checked whole before anything is stored. Files that it names are read later, by
`reembed` or a report, only if they lie in the folder --media.
""",
)
@click.argument("folder", type=options.PATH)
@click.option("--as-gallery", metavar="NAME", help="Gallery to import into [default: as exported].")
@click.option(
    "--merge", is_flag=True, help="Add to a gallery that exists, which keeps its settings."
)
@click.option("--media", type=options.PATH, metavar="FOLDER", help="Where the samples' files are.")
@options.encoder
@options.yes
@options.workspace
@options.as_json
def import_(ws: sk.Workspace, folder: Path, yes: bool, as_json: bool, **values: Any) -> None:
    """Read an exported FOLDER into a new gallery."""

    def confirm(gains: Mapping[str, int]) -> None:
        if gains and not yes:
            _ask(gains)

    with steps() as progress:
        imported = ws.import_(folder, confirm=confirm, progress=progress, **values)
    print_outcome(
        as_json,
        {
            "gallery": imported.gallery,
            "new": imported.new,
            "already": imported.already,
            "gained": dict(imported.gained),
        },
        f"imported {imported.new:,} samples into {imported.gallery};"
        f" {imported.already:,} were already there",
    )


def _ask(gains: Mapping[str, int]) -> None:
    """Ask a person at a terminal; a script must give --yes."""
    clear_progress()
    counts = [f"{identity} ({count})" for identity, count in [*gains.items()][:SHOWN]]
    more = f" and {len(gains) - SHOWN:,} more" if len(gains) > SHOWN else ""
    listed = f"{shorten(', '.join(counts))}{more}"
    checks.require_consent(
        f"these identities would gain samples: {listed}",
        f"These identities gain samples: {listed}. Go on?",
        yes=False,
    )
