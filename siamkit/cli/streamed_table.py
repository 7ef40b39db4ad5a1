"""A table whose rows are printed as they come, below one head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from siamkit.cli.layout import fit_widths, one_row, terminal_width
from siamkit.cli.output import cell, clear_progress, echo
from siamkit.io.printable import printable


class StreamedTable:
    """A table that fits the terminal, though its rows are not known when it begins."""

    def __init__(self, columns: Sequence[tuple[str, int]], numbers: Sequence[str]) -> None:
        """columns: each head, and the characters of its cells. numbers: heads to align right."""
        self.head = [head for head, _ in columns]
        self.is_right = [head in numbers for head in self.head]
        widths = [max(width, len(head)) for head, width in columns]
        self.widths = fit_widths(self.head, widths, self.is_right, terminal_width())
        self.has_begun = False

    def add(self, row: Sequence[Any]) -> None:
        """Print a row, before the first one the head."""
        clear_progress()
        if not self.has_begun:
            self.has_begun = True
            echo(one_row(self.head, self.widths, self.is_right))
        echo(one_row([printable(cell(value)) for value in row], self.widths, self.is_right))
