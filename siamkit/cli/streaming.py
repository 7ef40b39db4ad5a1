"""Print rows as they come: as a table, or as one JSON document with a row per line.

No more than BLOCK rows are in memory, and the first are printed before the last are read.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeAlias

from siamkit.cli.layout import column_widths, display_width, lay_out_row, terminal_width
from siamkit.cli.output import cell, clear_progress, echo_as_is
from siamkit.io.printable import json_text, printable

BLOCK = 1_000  # rows printed at once; the first block sets the widths of the columns
Row: TypeAlias = Mapping[str, Any]


def stream_table(
    rows: Iterable[Row], columns: Sequence[str], characters: Iterable[int] | None = None
) -> None:
    """Print these columns of rows below their names, as wide as the first block needs.

    On a terminal, longer cells further below are folded; in a file or a pipe they push the rest of
    their line to the right.
    characters: widths of the columns, so that each row is printed as soon as it is there.
    """
    head = [column.replace("_", " ") for column in columns]
    width, widths, is_right = terminal_width(), [0], [False]
    for number, block in enumerate(_blocks(rows, BLOCK if characters is None else 1)):
        text = [[printable(cell(row.get(column))) for column in columns] for row in block]
        if number == 0:
            is_right = [
                all(isinstance(row.get(column), int | float | None) for row in block)
                for column in columns
            ]
            expected = [["x" * size for size in characters]] if characters else text
            widths = column_widths(head, expected, is_right, width)
            text.insert(0, head)
        clear_progress()
        lines: list[str] = []
        for cells in text:
            sizes = widths if width else [*map(max, widths, map(display_width, cells))]
            lines += lay_out_row(cells, sizes, is_right)
        echo_as_is("\n".join(lines))


def stream_json(rows: Iterable[Row], about: Row | None = None, key: str = "") -> None:
    """Print rows as a JSON array, one row per line; with `about`, as its last value, by `key`."""
    ascii_only = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    start, end = "[", "]"
    if about is not None:
        whole = json_text({**about, key: []}, ascii_only=ascii_only)
        start, end = whole[:-2], "]}"
    for block in _blocks(rows):
        lines = ",\n".join(json_text(row, ascii_only=ascii_only) for row in block)
        echo_as_is(f"{start}\n{lines}", end="")
        start = ","
    echo_as_is(f"\n{end}" if start == "," else f"{start}{end}")


def _blocks(rows: Iterable[Row], size: int = BLOCK) -> Iterator[list[Row]]:
    iterator = iter(rows)
    return iter(lambda: [*islice(iterator, size)], [])
