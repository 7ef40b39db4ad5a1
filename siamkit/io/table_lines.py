"""Open the tables that are text: CSV, TSV, JSON lines, lines of text."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from siamkit.errors import BadInput
from siamkit.io.printable import original_cell
from siamkit.io.sources import to_text
from siamkit.io.table_record import BARE, CSV, JSON_LINES, MAX_FIELD_CHARS, Record, Table

HEAD = 4096  # bytes that are searched for NUL


@contextmanager
def open_text(path: Path, suffix: str) -> Iterator[Table]:
    """Open a file in the format of a suffix, not necessarily its own."""
    with _open_file(path) as file:
        yield _by_suffix(_decoded(file, to_text(path)), to_text(path), suffix)


def open_stdin(stdin: TextIO | None, suffix: str) -> Table:
    """Open standard input: JSON lines if it begins with a brace, else in a suffix's format."""
    if stdin is None:
        raise BadInput("there is no standard input")
    if isinstance(stdin, TextIOWrapper):
        stdin.reconfigure(encoding="utf-8-sig", errors="surrogateescape", newline="")
    name = "standard input"
    lines = _decoded(stdin, name)
    first = next(lines, "")
    suffix = ".jsonl" if first.lstrip().startswith("{") else suffix
    return _by_suffix(chain([first] if first else [], lines), name, suffix)


def parse_object(line: str) -> dict[str, Any]:
    """Return the JSON object of a line. Raises ValueError with the reason."""
    data = _parse_json(line)
    if not isinstance(data, dict):
        raise ValueError("not a JSON object")
    return data


def _open_file(path: Path) -> TextIO:
    """Open UTF-8, with or without a mark, or UTF-16 with one; other bytes become surrogates."""
    try:
        with path.open("rb") as raw:
            head = raw.read(HEAD)
        wide = head[:2] in (b"\xff\xfe", b"\xfe\xff")
        if not wide and b"\0" in head:
            raise BadInput(f"{to_text(path)} is not text: there are NUL bytes in it")
        encoding = "utf-16" if wide else "utf-8-sig"
        return path.open(encoding=encoding, errors="surrogateescape", newline="")
    except OSError as error:
        raise BadInput(f"{to_text(path)} cannot be read: {error.strerror}") from error


def _decoded(file: TextIO, name: str) -> Iterator[str]:
    try:
        yield from file
    except UnicodeDecodeError as error:  # UTF-16 that ends within a character
        raise BadInput(f"{name} is incomplete: {error.reason}") from error
    except OSError as error:
        raise BadInput(f"{name} cannot be read: {error.strerror}") from error


def _by_suffix(lines: Iterator[str], name: str, suffix: str) -> Table:
    if suffix in CSV:
        return _csv(lines, name, "\t" if suffix == ".tsv" else None)
    if suffix in JSON_LINES:
        return _json_lines(lines, name)
    return Table(name, [BARE], lambda _: _plain_lines(lines), has_header=False)


def _plain_lines(lines: Iterable[str]) -> Iterator[Record]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield Record(number, {BARE: line.strip("\r\n")})


def _csv(lines: Iterator[str], name: str, delimiter: str | None) -> Table:
    csv.field_size_limit(MAX_FIELD_CHARS)
    head = next(lines, "")
    delimiter = delimiter or max(",;\t|", key=head.count)
    reader = csv.reader(chain([head] if head else [], lines), delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise BadInput(f"{name}, line 1: {error}") from error

    def read(columns: Sequence[str]) -> Iterator[Record]:
        indices = {column: header.index(column) for column in columns if column in header}
        absent = dict.fromkeys(columns)
        while True:
            begins = reader.line_num + 1
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Record(begins, error=_csv_fault(str(error), begins, reader.line_num))
                continue
            if len(fields) == len(header):
                values = {name: original_cell(fields[i]) for name, i in indices.items()}
                yield Record(begins, absent | values)
            elif fields:
                fault = f"{len(fields)} fields, where the head has {len(header)}"
                yield Record(begins, error=fault)

    return Table(name, header, read)


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
        absent = dict.fromkeys(columns)
        for record in chain(first, parsed):
            names.extend(key for key in record.values if key not in names)
            values = {key: record.values[key] for key in (*columns, BARE) if key in record.values}
            yield record if record.error else Record(record.line, absent | values)

    return Table(name, names, read, has_header=False)


def _parsed(lines: Iterable[str]) -> Iterator[Record]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            data = _parse_json(line)
        except ValueError as error:
            yield Record(number, error=str(error))
            continue
        if isinstance(data, str):
            yield Record(number, {BARE: data})
        elif isinstance(data, dict):
            yield Record(number, data)
        else:
            yield Record(number, error="neither a JSON object nor a string")


def _parse_json(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error
