"""One column of texts out of a table, row by row, with every bad row reported by its line.

What is wrong with a row is told in the row, and the next one is read; what is wrong with the
table as a whole (no such column, not text at all) raises BadInput.
"""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

from siamkit.errors import BadInput
from siamkit.io.sources import to_text

LONGEST = 1_000_000  # characters of one field; what is longer is no text to compare as a whole
LINES, CSV, JSON_LINES = (".txt",), (".csv", ".tsv"), (".jsonl", ".ndjson")
PARQUET, SQLITE = (".parquet", ".pq"), (".db", ".sqlite", ".sqlite3")
READABLE = (*LINES, *CSV, *JSON_LINES, *PARQUET, *SQLITE)


@dataclass(frozen=True, slots=True)
class Row:
    """One text of a table. `line` counts from 1; Parquet and SQLite count rows, not lines."""

    line: int
    id: str | None  # None if there is no id column
    text: str
    error: str = ""  # why there is no text, for people


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column holds what; None takes what there is to take."""

    text: str | None = None  # else 'text', else the only column
    id: str | None = None  # else 'id' or 'label', if there is one
    table: str | None = None  # of a database; else its only one


def rows(origin: str, stdin: TextIO | None, columns: Columns) -> Iterator[Row]:
    """Every row of a file, or of standard input for `-`, by the file's suffix.

    Standard input is JSON lines if it begins with a brace, CSV if a column is named, else one
    text a line. Empty lines are no rows. Raises BadInput, naming the file, for one that cannot be
    read as what its suffix says.
    """
    if origin == "-":
        return _stdin(stdin, columns)
    path, shown = Path(origin), to_text(Path(origin))
    if not path.is_file():
        raise BadInput(f"{shown} is not a file", hint=f"it may be {', '.join(READABLE)}, or -")
    suffix = path.suffix.lower()
    if suffix in PARQUET:
        return _parquet(path, columns)
    if suffix in SQLITE:
        return _sqlite(path, columns)
    if suffix not in READABLE:
        raise BadInput(
            f"{shown}: unknown kind of table {suffix!r}", hint=f"known: {', '.join(READABLE)}"
        )
    return _text_file(path, columns)


def each_once(read: Iterable[Row]) -> Iterator[Row]:
    """The rows; a second one with an id that has been seen becomes an error."""
    seen: dict[str, int] = {}
    for row in read:
        if row.id is not None and not row.error:
            first = seen.setdefault(row.id, row.line)
            if first != row.line:
                fault = f"its id {row.id!r} is that of line {first} as well"
                row = replace(row, text="", error=fault)
        yield row


def _text_file(path: Path, columns: Columns) -> Iterator[Row]:
    shown, suffix = to_text(path), path.suffix.lower()
    try:
        with path.open("rb") as raw:
            head = raw.read(4096)
        wide = head[:2] in (b"\xff\xfe", b"\xfe\xff")
        if not wide and b"\0" in head:
            raise BadInput(f"{shown} is not text: there are NUL bytes in it")
        encoding = "utf-16" if wide else "utf-8-sig"
        with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
            if suffix in CSV:
                yield from _csv(file, shown, columns, "\t" if suffix == ".tsv" else None)
            elif suffix in JSON_LINES:
                yield from _json_lines(file, shown, columns)
            else:
                yield from _plain(file)
    except UnicodeDecodeError as error:  # UTF-16 that ends within a character
        raise BadInput(f"{shown} is not whole: {error.reason}") from error
    except OSError as error:
        raise BadInput(f"{shown} cannot be read: {error.strerror}") from error


def _stdin(stdin: TextIO | None, columns: Columns) -> Iterator[Row]:
    if stdin is None:
        raise BadInput("there is no standard input")
    if isinstance(stdin, TextIOWrapper):
        stdin.reconfigure(encoding="utf-8-sig", errors="surrogateescape", newline="")
    lines = iter(stdin)
    first = next(lines, "")
    everything = _chain(first, lines)
    if first.lstrip().startswith("{"):
        yield from _json_lines(everything, "standard input", columns)
    elif columns.text or columns.id:
        yield from _csv(everything, "standard input", columns, None)
    else:
        yield from _plain(everything)


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
    if first:
        yield first
    yield from rest


def _plain(lines: Iterable[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _checked(number, [line.strip("\r\n")], 0, None)


def _csv(
    lines: Iterable[str], shown: str, columns: Columns, delimiter: str | None
) -> Iterator[Row]:
    csv.field_size_limit(LONGEST)
    lines = iter(lines)
    head = next(lines, "")
    delimiter = delimiter or max(",;\t|", key=head.count)
    reader = csv.reader(_chain(head, lines), delimiter=delimiter, strict=True)
    try:
        names = next(reader, [])
    except csv.Error as error:
        raise BadInput(f"{shown}, line 1: {error}") from error
    text, key = _choose(names, columns, shown)
    while True:
        begins = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(begins, None, "", _csv_fault(str(error), begins, reader.line_num))
            continue
        if not fields:
            continue
        if len(fields) != len(names):
            yield Row(begins, None, "", f"{len(fields)} fields, where the head has {len(names)}")
            continue
        yield _checked(begins, fields, text, key)


def _csv_fault(error: str, begins: int, ends: int) -> str:
    if "unexpected end of data" in error:
        return f"a quotation mark is never closed, so all lines up to {ends} are one field"
    if "field larger" in error:
        return f"a field has more than {LONGEST:,} characters (lines {begins} to {ends})"
    return error


def _json_lines(lines: Iterable[str], shown: str, columns: Columns) -> Iterator[Row]:
    """Objects, or bare strings. Columns are chosen by the first object."""
    chosen, text, key, blank = False, "", None, {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Row(number, None, "", f"not JSON: {error}")
            continue
        if isinstance(data, str):
            yield _checked(number, {"": data}, "", None)
        elif isinstance(data, dict):
            if not chosen:
                names = list(data)
                at, at_key = _choose(names, columns, f"{shown}, line {number}")
                chosen, text, key = True, names[at], None if at_key is None else names[at_key]
                blank = dict.fromkeys(names)
            yield _checked(number, {**blank, **data}, text, key)
        else:
            yield Row(number, None, "", "neither a JSON object nor a string")


def _parquet(path: Path, columns: Columns) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    shown = to_text(path)
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            text, key = _choose(names, columns, shown)
            wanted = [names[text], *([names[key]] if key is not None else [])]
            if doubled := [name for name in wanted if names.count(name) > 1]:
                raise BadInput(f"{shown} has two columns {doubled[0]!r}", hint="rename one")
            number = 0
            for batch in file.iter_batches(columns=wanted):
                for values in zip(*(batch.column(name) for name in wanted), strict=True):
                    number += 1
                    read = [_plain_value(value) for value in values]
                    yield _checked(number, read, 0, None if key is None else 1)
    except (pa.ArrowException, OSError) as error:
        why = " ".join(str(error).split())
        raise BadInput(f"{shown} is not a sound Parquet file: {why}") from error


def _plain_value(value: Any) -> Any:
    """An Arrow value as Python's own; what has none as bytes, which are no text."""
    try:
        return value.as_py()
    except UnicodeDecodeError:
        return bytes(value.as_buffer()).decode("utf-8", "surrogateescape")
    except (ValueError, OverflowError):
        return b""


def _sqlite(path: Path, columns: Columns) -> Iterator[Row]:
    shown = to_text(path)
    try:
        address = f"{path.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as db:
            db.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
            table = _table(db, columns, shown)
            names = [row[1] for row in db.execute(f"PRAGMA table_xinfo({_quoted(table)})")]
            text, key = _choose(names, columns, f"{shown}, table {table}")
            wanted = [_quoted(names[i]) for i in (text, key) if i is not None]
            found = db.execute(f"SELECT {', '.join(wanted)} FROM {_quoted(table)}")
            for number, values in enumerate(found, 1):
                yield _checked(number, values, 0, None if key is None else 1)
    except sqlite3.Error as error:
        raise BadInput(f"{shown} cannot be read as a SQLite database: {error}") from error


def _table(db: sqlite3.Connection, columns: Columns, shown: str) -> str:
    kinds = "('table', 'view')"
    found = f"SELECT name FROM sqlite_master WHERE type IN {kinds} AND name NOT LIKE 'sqlite_%'"
    names = [name for (name,) in db.execute(f"{found} ORDER BY name")]
    if columns.table in names:
        return str(columns.table)
    if columns.table is None and len(names) == 1:
        return str(names[0])
    asked = f"no table {columns.table!r} in" if columns.table else "several tables, or none, in"
    raise BadInput(f"{asked} {shown}", hint=f"--table, one of: {_list(names)}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _choose(names: Sequence[str], columns: Columns, shown: str) -> tuple[int, int | None]:
    """Where the text is, and where the id is, if anywhere."""

    def find(wanted: str, option: str) -> int:
        if wanted not in names:
            raise BadInput(
                f"{shown} has no column {wanted!r}", hint=f"{option}, one of: {_list(names)}"
            )
        return names.index(wanted)

    usual = [names.index(name) for name in ("id", "label") if name in names]
    key = find(columns.id, "--id") if columns.id else usual[0] if usual else None
    if columns.text:
        return find(columns.text, "--column"), key
    others = [i for i in range(len(names)) if i != key]
    if "text" in names:
        return names.index("text"), key
    if len(others) == 1:
        return others[0], key
    raise BadInput(
        f"{shown}: which of its columns holds the text?",
        hint=f"--column, one of: {_list(names)}",
    )


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)[:200] or "none"


def _checked(line: int, values: Any, text: Any, key: Any | None) -> Row:
    """The row of a table's values; numbers are texts too, whatever else is no text is an error."""
    name, fault = (None, "") if key is None else _scalar(values[key], "its id")
    if fault:
        return Row(line, None, "", fault)
    value, fault = _scalar(values[text], "its text")
    return Row(line, name, value, fault)


def _scalar(value: Any, what: str) -> tuple[str, str]:
    """The text of a value, or what is wrong with it."""
    if value is None or value == "":
        return "", f"{what} is empty"
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return "", f"{what} is no text, but {type(value).__name__}"
    text = str(value)
    if len(text) > LONGEST:
        return "", f"{what} has more than {LONGEST:,} characters"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "", f"{what} is not UTF-8"
    return text, ""
