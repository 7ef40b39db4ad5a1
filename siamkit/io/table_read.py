"""Read tables as records, or one column of texts: CSV, JSON lines, lines, Excel, Parquet, SQLite.

A fault in one row is reported in its record, by line, and reading goes on. A fault of the whole
table (not text at all, no such column) raises BadInput.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from siamkit.errors import BadInput
from siamkit.io.absent import hint_for_absent
from siamkit.io.sources import shorten, to_text
from siamkit.io.table_binary import open_parquet, open_sqlite
from siamkit.io.table_lines import open_stdin, open_text
from siamkit.io.table_record import (
    BARE,
    EXCEL,
    LINES,
    PARQUET,
    READABLE,
    SQLITE,
    Record,
    Table,
    list_columns,
)
from siamkit.io.table_sheet import open_excel
from siamkit.io.table_values import as_text, plain_text

# Kinds of tables that are not read, and what to do instead.
UNREAD = {
    **dict.fromkeys((".xls", ".xlsb", ".ods", ".numbers"), "save it as .xlsx or .csv"),
    ".json": "write one object per line, as .jsonl",
    **dict.fromkeys((".gz", ".zip", ".bz2", ".xz", ".7z"), "unpack it"),
}
# A first line that is a sentence, a path or a number names no column.
_NO_NAME = re.compile(
    r".*\s.*[.?!。？！…]|.*[。？！]|(\S+\s+){4,}\S+|.*/.*|.*\.(jpe?g|png|wav|mp3)|[-+.,\d\s]+",
    re.DOTALL | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class TextRow:
    """One text of a table. `line` counts from 1; Parquet and SQLite count rows, not lines."""

    line: int
    id: str | None  # None if there is no id column
    text: str
    error: str = ""  # why there is no text


@dataclass(frozen=True, slots=True)
class TextColumns:
    """Names of the columns to read. None chooses where there is only one choice.

    Examples:
        >>> len(ws.read_sources("questions.csv", sk.TextColumns(text="text"))[0])
        5
    """

    text: str | None = None  # else 'text', else the only column
    id: str | None = None  # else 'id' or 'label', if there is one
    table: str | None = None  # of a database, or a sheet; else its only one
    encoding: str | None = None  # of text that is not UTF-8 or UTF-16

    @property
    def are_named(self) -> bool:
        """True if this names a column, so that the origin is a table of texts."""
        return self.text is not None or self.id is not None


@contextmanager
def open_table(
    origin: str | Path,
    stdin: TextIO | None = None,
    *,
    table: str | None = None,
    plain: str = ".txt",
    encoding: str | None = None,
) -> Iterator[Table]:
    """Open a file by its suffix, or standard input for `-`.

    table: of a database, or a sheet; may be None if there is only one. plain: the suffix to assume
    for `.txt`, for a name without suffix, and for standard input, which is JSON lines if it begins
    with a brace. encoding: of text that is neither UTF-8 nor UTF-16. Raises BadInput, naming the
    file, if it cannot be read as what its suffix says.
    """
    path = Path(origin)
    suffix = path.suffix.lower()
    if suffix in ("", *LINES):
        suffix = plain
    if origin == "-":
        yield open_stdin(stdin, plain, encoding)
    elif not path.is_file():
        hint = hint_for_absent(path) or f"it may be {', '.join(READABLE)}, or -"
        raise BadInput(f"{to_text(path)} is not a file", hint=hint)
    elif suffix not in READABLE:
        hint = UNREAD.get(suffix, f"known: {', '.join(READABLE)}")
        raise BadInput(f"{to_text(path)}: unknown kind of table {suffix!r}", hint=hint)
    elif suffix in PARQUET:
        with open_parquet(path) as opened:
            yield opened
    elif suffix in SQLITE:
        with open_sqlite(path, table) as opened:
            yield opened
    elif suffix in EXCEL:
        with open_excel(path, table) as opened:
            yield opened
    else:
        with open_text(path, suffix, encoding) as opened:
            yield opened


def read_texts(origin: str, stdin: TextIO | None, columns: TextColumns) -> Iterator[TextRow]:
    """Yield each text of a file, or of standard input for `-`.

    Standard input is JSON lines if it begins with a brace, CSV if a column is named, else one
    text per line. Empty lines are skipped. Raises BadInput as `open_table` does, and if a column
    is missing or the choice is not clear.
    """
    plain = ".csv" if origin == "-" and (columns.text or columns.id) else ".txt"
    opening = open_table(origin, stdin, table=columns.table, plain=plain, encoding=columns.encoding)
    with opening as table:
        if not table.columns and not table.has_header:  # an empty file, or no good line of JSON
            yield from (_text_row(record, BARE, None) for record in table.read())
            return
        text, id_column = _choose(table, columns)
        for record in table.read(*filter(None, (text, id_column))):
            yield _text_row(record, text, id_column)


def read_lines(
    origin: str | Path, columns: TextColumns, lines: Container[int]
) -> tuple[list[str], dict[int, dict[str, Any]]]:
    """Return the names of all columns of a table of texts, and the values of some of its lines.

    Columns `text` and `id` are left out where they hold the texts and the ids. Values are None,
    numbers, truth values or text. Raises BadInput as `read_texts` does.
    """
    rows: dict[int, dict[str, Any]] = {}
    with open_table(origin, table=columns.table, encoding=columns.encoding) as table:
        if not table.columns or table.columns == [BARE]:
            return [], {}
        chosen = _choose(table, columns)
        names = [name for name in table.columns if name not in ("text", "id") or name not in chosen]
        for record in table.read_columns(names):
            if record.line in lines and not record.error:
                rows[record.line] = {name: _plain(value) for name, value in record.values.items()}
        listed = [name for name in table.columns if name in names]  # JSON lines add theirs
        return listed, rows


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else plain_text(value) or str(value)
    return text.encode("utf-8", "replace").decode()


def mark_repeated_ids(rows: Iterable[TextRow]) -> Iterator[TextRow]:
    """Yield the rows; one whose id an earlier row has becomes an error."""
    lines: dict[str, int] = {}
    for row in rows:
        if row.id is not None and not row.error:
            first = lines.setdefault(row.id, row.line)
            if first != row.line:
                fault = f"its id {row.id!r} is that of line {first} as well"
                row = replace(row, text="", error=fault)
        yield row


def _choose(table: Table, columns: TextColumns) -> tuple[str, str | None]:
    """Return the column of the texts, and that of the ids if there is one."""
    names = table.columns
    if names == [BARE]:
        return BARE, None

    if not names:
        raise BadInput(f"{table.name} is empty")

    def require(column: str, option: str) -> str:
        if table.find(column) is None:
            hint = f"{option}, one of: {list_columns(names)}"
            raise BadInput(f"{table.name} has no column {column!r}", hint=hint)
        return column

    usual = [name for name in ("id", "label") if table.find(name) is not None]
    id_column = require(columns.id, "--id") if columns.id else usual[0] if usual else None
    if columns.text:
        return require(columns.text, "--column"), id_column
    if table.find("text") is not None:
        return "text", id_column
    candidates = [name for name in names if id_column is None or name != table.find(id_column)]
    if len(candidates) != 1:
        hint = f"--column, one of: {list_columns(names)}"
        raise BadInput(f"{table.name}: which of its columns holds the text?", hint=hint)
    if table.has_header and _NO_NAME.fullmatch(candidates[0].strip()):
        hint = "write `text` above it; or name it .txt, if each line is a text"
        line = shorten(candidates[0])
        raise BadInput(f"{table.name}: its first line names no column, but is {line!r}", hint=hint)
    return candidates[0], id_column


def _text_row(record: Record, text_column: str, id_column: str | None) -> TextRow:
    if record.error:
        return TextRow(record.line, None, "", record.error)
    values = record.values
    name = None
    if id_column is not None and BARE not in values:
        name, fault = as_text(values[id_column])
        if fault:
            return TextRow(record.line, None, "", f"its id {fault}")
    text, fault = as_text(values.get(BARE, values.get(text_column)))
    return TextRow(record.line, name, text, fault and f"its text {fault}")
