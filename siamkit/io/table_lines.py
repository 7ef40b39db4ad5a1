"""Open the tables that are text: CSV, TSV, JSON lines, lines of text."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from siamkit.errors import BadInput
from siamkit.io import encodings
from siamkit.io.foreign import open_regular, parse_json
from siamkit.io.printable import original_cell
from siamkit.io.sources import to_text
from siamkit.io.table_record import BARE, CSV, JSON_LINES, Record, Table, find_column
from siamkit.io.table_values import MAX_FIELD_CHARS

DELIMITERS = ",;\t|"  # between the fields of a CSV; the first wins a tie
_QUOTED = re.compile(r'"(?:[^"]|"")*"?')
_STATED = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE | re.DOTALL)  # Excel's first line


@contextmanager
def open_text(path: Path, suffix: str, encoding: str | None = None) -> Iterator[Table]:
    """Open a file in the format of a suffix, not necessarily its own."""
    name = to_text(path)
    with open_regular(path) as (raw, _):
        codec = encodings.recognise(raw.read(encodings.HEAD), name, encoding)
        raw.seek(0)
        file = TextIOWrapper(raw, codec, errors="surrogateescape", newline="")
        yield _by_suffix(encodings.lines(file, name, encoding), name, suffix)


def open_stdin(stdin: TextIO | None, suffix: str, encoding: str | None = None) -> Table:
    """Open standard input: JSON lines if it begins with a brace, else in a suffix's format."""
    if stdin is None:
        raise BadInput("there is no standard input")
    name = "standard input"
    encodings.reconfigure(stdin, name, encoding)
    lines = encodings.lines(stdin, name, encoding)
    first = next(lines, "")
    suffix = ".jsonl" if first.lstrip().startswith("{") else suffix
    return _by_suffix(chain([first] if first else [], lines), name, suffix)


def parse_object(line: str) -> dict[str, Any]:
    """Return the JSON object of a line. Raises ValueError with the reason."""
    data = parse_json(line)
    if not isinstance(data, dict):
        raise ValueError("not a JSON object")
    return data


def _by_suffix(lines: Iterator[str], name: str, suffix: str) -> Table:
    if suffix in CSV:
        return _csv(lines, name, suffix)
    if suffix in JSON_LINES:
        return _json_lines(lines, name)
    return Table(name, [BARE], lambda _: _plain_lines(lines), has_header=False)


def _plain_lines(lines: Iterable[str]) -> Iterator[Record]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield Record(number, {BARE: line.strip("\r\n")})


def _csv(lines: Iterator[str], name: str, suffix: str) -> Table:
    csv.field_size_limit(MAX_FIELD_CHARS)
    skipped, delimiter, spaced, lines = _dialect(lines, suffix)
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=spaced, strict=True)
    try:
        header = [column.strip("\ufeff") for column in next(reader, [])]
    except csv.Error as error:
        raise BadInput(f"{name}, line {skipped + 1}: {error}") from error
    while header and not header[-1].strip():  # a delimiter at the end of each line
        header.pop()

    def read(columns: Sequence[str]) -> Iterator[Record]:
        indices = {column: header.index(column) for column in columns}
        while True:
            begins = reader.line_num + 1 + skipped
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                ends = reader.line_num + skipped
                yield Record(begins, error=_csv_fault(str(error), begins, ends))
                continue
            if not any(map(str.strip, fields)) and len(fields) != 1:
                continue  # an empty line, or one of delimiters
            if len(fields) < len(header) or any(map(str.strip, fields[len(header) :])):
                fault = f"{len(fields)} fields, where the head has {len(header)}"
                yield Record(begins, error=fault)
            else:
                yield Record(begins, {c: original_cell(fields[i]) for c, i in indices.items()})

    return Table(name, header, read)


def _dialect(lines: Iterator[str], suffix: str) -> tuple[int, str, bool, Iterator[str]]:
    """Return how many lines precede the head, the delimiter, if a space follows it, and the lines.

    The delimiter is what a first line `sep=;` states, else a tab for .tsv, else the one of
    DELIMITERS that the head has most often outside quotation marks.
    """
    skipped, head = 0, next(lines, "")
    stated = _STATED.fullmatch(head)
    if stated:
        skipped, head = 1, next(lines, "")
    while head and not head.strip(f'{DELIMITERS}" \r\n'):
        skipped, head = skipped + 1, next(lines, "")
    bare = _QUOTED.sub("", head)
    if stated:
        delimiter = stated[1]
    elif suffix == ".tsv" and "\t" in bare:
        delimiter = "\t"
    else:
        delimiter = max(DELIMITERS, key=bare.count)
    spaced = 0 < bare.count(delimiter) == bare.count(f"{delimiter} ")
    return skipped, delimiter, spaced, chain([head] if head else [], lines)


def _csv_fault(error: str, begins: int, ends: int) -> str:
    if "unexpected end of data" in error:
        return f"a quotation mark is never closed, so all lines up to {ends} are one field"
    if "field larger" in error:
        return f"a field has more than {MAX_FIELD_CHARS:,} characters (lines {begins} to {ends})"
    return error


def _json_lines(lines: Iterator[str], name: str) -> Table:
    """Open lines of JSON objects, or of bare strings."""
    parsed = _parsed(lines)
    first: list[Record] = []  # up to the first line that is an object or a string
    for record in parsed:
        first.append(record)
        if not record.error:
            break
    names = list(first[-1].values) if first else []

    def read(columns: Sequence[str]) -> Iterator[Record]:
        for record in chain(first, parsed):
            names.extend(key for key in record.values if key not in names)
            yield record if record.error else _chosen(record, columns)

    return Table(name, names, read, has_header=False)


def _chosen(record: Record, columns: Sequence[str]) -> Record:
    """Return a JSON record with its values in these columns, and its bare string if it is one."""
    values = {BARE: record.values[BARE]} if BARE in record.values else {}
    try:
        for column in columns:
            key = find_column([*record.values], column)
            values[column] = None if key is None else record.values[key]
    except ValueError as error:
        return Record(record.line, error=str(error))
    return Record(record.line, values)


def _parsed(lines: Iterable[str]) -> Iterator[Record]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            data = parse_json(line)
        except ValueError as error:
            yield Record(number, error=encodings.undecoded(line) or str(error))
            continue
        if isinstance(data, str):
            yield Record(number, {BARE: data})
        elif isinstance(data, dict):
            yield Record(number, data)
        else:
            yield Record(number, error="neither a JSON object nor a string")
