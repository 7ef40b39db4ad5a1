"""Read a table of pairs to verify: the columns a and b, and perhaps label."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput
from siamkit.io.table_read import open_table
from siamkit.io.table_record import list_columns, parse_each
from siamkit.io.table_values import as_name, as_text
from siamkit.types import Fault

A, B, LABEL = "a", "b", "label"
LABELS = {"1": True, "0": False, "1.0": True, "0.0": False, "true": True, "false": False}
LABELS |= {"same": True, "different": False}


@dataclass(frozen=True, slots=True)
class ListedPair:
    """One row: two samples, and what was stated about them, if anything was."""

    a: Path | str
    b: Path | str
    label: str = ""
    is_mated: bool | None = None  # by the label; None without one that says so


def read_pairs(path: Path, *, text: bool) -> tuple[list[ListedPair], list[Fault]]:
    """Read the pairs of a table, and a fault for each row that cannot be used.

    text: samples are texts, not paths relative to the table. A label is 1 or same, 0 or different;
    another one is copied. Raises BadInput for a table without the columns a and b, or of which
    nothing can be used.
    """
    with open_table(path, plain=".csv") as table:
        if table.has_header and not (table.find(A) and table.find(B)):
            raise BadInput(
                f"{table.name} has the columns {list_columns(table.columns)}",
                hint="its first line must name a and b, and may name label",
            )
        parse = partial(_parse, base=None if text else path.parent)
        return parse_each(table.read(A, B, LABEL), parse, table.name, "write one pair per line")


def _parse(values: dict[str, Any], base: Path | None) -> ListedPair:
    a, b = (as_name(values[column], column) for column in (A, B))
    label = "" if values[LABEL] is None else as_text(values[LABEL])[0]
    is_mated = LABELS.get(label.strip().lower())
    if base is None:
        return ListedPair(a, b, label, is_mated)
    return ListedPair(base / a, base / b, label, is_mated)
