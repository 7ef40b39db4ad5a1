"""siamkit dedupe --against: find the items that a gallery already has."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from siamkit.cli.dedupe_results import REGION, item_faults, left_out_facts, print_items
from siamkit.cli.options import Outputs
from siamkit.cli.output import echo, emit_json, one_line, table
from siamkit.cli.progress import bar

if TYPE_CHECKING:
    from siamkit.flows.against import GalleryLookup
    from siamkit.types import Fault

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


def show(
    items: Iterable[GalleryLookup], faults: list[Fault], gallery: str, source: str, outputs: Outputs
) -> int:
    """Compare items with a gallery while they are read, print the outcome, return the exit code.

    faults: filled meanwhile with the rows that hold no item.
    """
    from siamkit.io import table_write
    from siamkit.types import Fault

    rows = []
    left_out: list[Fault] = []
    with bar("comparing", None) as update:
        for done, lookup in enumerate(items, 1):
            if lookup.error:
                faults.append(Fault(str(lookup.error), lookup.item.id, lookup.item.line))
            elif lookup.left_out:
                left_out.append(Fault(lookup.left_out, lookup.item.id, lookup.item.line))
            else:
                rows.append(_row(lookup))
            update(done)
    faults.sort(key=lambda fault: fault.line or 0)
    if outputs.output:
        schema = SCHEMA | REGION if any("region" in row for row in rows) else SCHEMA
        cells = ([row.get(column) for column in schema] for row in rows)
        table_write.write(outputs.output, schema, cells, table=TABLE, raw=outputs.raw)
    print_items(faults, left_out, source)
    if outputs.as_json:
        facts = {"source": source, "gallery": gallery, "checked": rows}
        emit_json({**facts, "left_out": left_out_facts(left_out), "errors": item_faults(faults)})
    else:
        _print(gallery, rows, list_rows=outputs.output is None)
    return 1 if faults else 0


def _row(lookup: GalleryLookup) -> dict[str, Any]:
    """Return an item and its match by the columns of SCHEMA."""
    item, match = lookup.item, lookup.match
    cells = [item.line, item.id, item.shown, lookup.duplicate]
    if match:
        cells += [match.identity, match.source, match.score, match.probability]
    row = dict(zip_longest(SCHEMA, cells))
    return {**row, "region": item.place} if item.place else row


def _print(gallery: str, rows: list[dict[str, Any]], *, list_rows: bool) -> None:
    duplicates = [row for row in rows if row["duplicate"]]
    echo(f"{len(duplicates):,} of {len(rows):,} are in gallery {gallery} already")
    if not list_rows:
        return
    cells = []
    for row in duplicates:
        named = f"{row['text']} {row.get('region', '')}".rstrip()
        text, enrolled = one_line(named, 60), one_line(row["enrolled"], 60)
        cells.append(
            [row["line"], text, row["identity"], enrolled, row["score"], row["probability"]]
        )
    table(["line", "new", "identity", "enrolled", "score", "probability"], cells)
