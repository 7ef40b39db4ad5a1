"""siamkit dedupe --against: find the items that a gallery already has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from siamkit.cli.dedupe_results import DedupeOutputs, fault_facts
from siamkit.cli.output import emit_json, one_line, print_faults, table
from siamkit.cli.progress import bar

if TYPE_CHECKING:
    from siamkit.flows.against import GalleryLookup
    from siamkit.flows.decide import DecisionRule
    from siamkit.flows.dedupe import Item
    from siamkit.types import Fault
    from siamkit.workspace import Workspace

TABLE = "siamkit_checked"  # in a database
SCHEMA = {
    "line": int,
    "id": str,
    "text": str,
    "duplicate": bool,
    "identity": str,
    "enrolled": str,
    "score": float,
    "probability": float,
}


def run(
    ws: Workspace,
    gallery: str,
    items: Iterable[Item],
    faults: list[Fault],
    rule: DecisionRule,
    source: str,
    outputs: DedupeOutputs,
) -> int:
    """Compare the items of a source with a gallery, print the outcome, return the exit code.

    faults: filled while the items are read.
    """
    from siamkit.io import table_write
    from siamkit.types import Fault

    rows = []
    with bar("comparing", None) as update:
        for done, lookup in enumerate(ws.against(gallery, items, rule=rule), 1):
            if lookup.error:
                faults.append(Fault(str(lookup.error), lookup.item.id, lookup.item.line))
            else:
                rows.append(_row(lookup))
            update(done)
    faults.sort(key=lambda fault: fault.line or 0)
    if outputs.output:
        table_write.write(outputs.output, SCHEMA, (list(row.values()) for row in rows), table=TABLE)
    print_faults(faults)
    if outputs.as_json:
        errors = fault_facts(faults)
        emit_json({"source": source, "gallery": gallery, "checked": rows, "errors": errors})
    else:
        _print(gallery, rows, list_rows=outputs.output is None)
    return 1 if faults else 0


def _row(lookup: GalleryLookup) -> dict[str, Any]:
    item, match = lookup.item, lookup.match
    cells: list[Any] = [item.line, item.id, item.shown, lookup.duplicate]
    if match:
        cells += [match.identity, match.source, match.score, match.probability]
    else:
        cells += [None] * 4
    return dict(zip(SCHEMA, cells, strict=True))


def _print(gallery: str, rows: list[dict[str, Any]], *, list_rows: bool) -> None:
    duplicates = [row for row in rows if row["duplicate"]]
    click.echo(f"{len(duplicates):,} of {len(rows):,} are in gallery {gallery} already")
    if list_rows:
        cells = [
            (
                row["line"],
                one_line(row["text"], 60),
                row["identity"],
                one_line(row["enrolled"], 60),
                row["score"],
                row["probability"],
            )
            for row in duplicates
        ]
        table(["line", "new", "identity", "enrolled", "score", "probability"], cells)
