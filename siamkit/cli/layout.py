"""Lay a table out in lines that fit a terminal: prose is wrapped, paths lose their middle."""

from __future__ import annotations

import sys
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from shutil import get_terminal_size

MIN_WIDTH = 10  # characters that a column keeps on the narrowest terminal
GAP = "  "


def terminal_width() -> int | None:
    """Return the columns of the terminal that stdout is; None for a file or a pipe."""
    return get_terminal_size().columns if sys.stdout.isatty() else None


def lay_out(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    is_right: Sequence[bool],
    width: int | None,
) -> Iterator[str]:
    """Yield the lines of a table at most `width` characters wide; None: as wide as its content.

    is_right: columns to align right, of numbers, which are never cut.
    """
    widths = column_widths(head, rows, is_right, width)
    for line in [head, *rows]:
        yield from lay_out_row(line, widths, is_right)


def column_widths(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    is_right: Sequence[bool],
    width: int | None,
) -> list[int]:
    """Return the widths of the columns of a table; see `lay_out`."""
    widest = [max(map(display_width, column)) for column in zip(head, *rows, strict=True)]
    return fit_widths(head, widest, is_right, width)


def lay_out_row(
    row: Sequence[str], widths: Sequence[int], is_right: Sequence[bool]
) -> Iterator[str]:
    """Yield the lines of one row of a table."""
    cells = [_fold(text, size) for text, size in zip(row, widths, strict=True)]
    for parts in zip_longest(*cells, fillvalue=""):
        yield GAP.join(map(_pad, parts, widths, is_right)).rstrip()


def fit_widths(
    head: Sequence[str], widths: Sequence[int], is_right: Sequence[bool], width: int | None
) -> list[int]:
    """Return the widths of columns, narrowed to fit lines of `width` characters in all."""
    fitted = list(widths)
    if width is not None:
        heads = [display_width(name) for name in head]
        least = [
            full if right else min(full, max(name, MIN_WIDTH))
            for full, name, right in zip(fitted, heads, is_right, strict=True)
        ]
        _narrow(fitted, least, width - len(GAP) * (len(head) - 1))
    return fitted


def one_row(cells: Sequence[str], widths: Sequence[int], is_right: Sequence[bool]) -> str:
    """Return a row of a table on one line, long cells shortened by their middle."""
    shortened = map(shorten_middle, cells, widths)
    return GAP.join(map(_pad, shortened, widths, is_right)).rstrip()


def display_width(text: str) -> int:
    """Return the columns that a text takes: two for each character of Chinese, for example."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def shorten_middle(text: str, width: int) -> str:
    """Shorten a text to `width` characters by its middle; a path keeps its beginning and end."""
    if display_width(text) <= width:
        return text
    end = max(1, (width - 1) * 2 // 3)
    start = max(0, width - 1 - end)
    while display_width(text[:start] + text[len(text) - end :]) > width - 1 and end > 1:
        start, end = max(0, start - 1), end - 1
    return f"{text[:start]}…{text[len(text) - end :]}"


def _narrow(widths: list[int], least: Sequence[int], available: int) -> None:
    """Narrow the widest columns, none below its least, until all fit or none can give more."""
    while sum(widths) > available:
        spare = [i for i, size in enumerate(widths) if size > least[i]]
        if not spare:
            return
        widths[max(spare, key=lambda i: widths[i])] -= 1


def _fold(text: str, width: int) -> list[str]:
    if display_width(text) <= width:
        return [text]
    is_prose = text.count(" ") >= 2 and not text.startswith(("/", "./", "../", "~"))
    return (
        textwrap.wrap(text, width, break_on_hyphens=False)
        if is_prose
        else [shorten_middle(text, width)]
    )


def _pad(text: str, width: int, right: bool) -> str:
    blank = " " * (width - display_width(text))
    return blank + text if right else text + blank
