"""Write rows to a file: CSV, JSON lines, Parquet or SQLite, complete or not at all."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TextIO, TypeAlias

from siamkit.errors import BadInput
from siamkit.io.atomic import replacing, require_writable
from siamkit.io.extras import require_extra
from siamkit.io.places import real
from siamkit.io.printable import csv_cell
from siamkit.io.sources import to_text
from siamkit.io.table_record import CSV, JSON_LINES, PARQUET, SQLITE

WRITABLE = (*CSV, *JSON_LINES, *PARQUET, *SQLITE)
Schema: TypeAlias = Mapping[str, type]  # column -> str, int, float or bool; any value may be None
Values: TypeAlias = Sequence[Any]  # one row, in the schema's order
AT_ONCE = 10_000  # rows of a Parquet row group


def check(path: Path, schema: Schema, *, table: str) -> None:
    """Raise BadInput if rows could not be written there; called before the work begins.

    Raises MissingPackage for a Parquet file without pyarrow.
    """
    require_writable(path, WRITABLE)
    if path.suffix.lower() in PARQUET:
        require_extra("parquet", to_text(path), otherwise="write a .csv")
    if path.suffix.lower() in SQLITE and path.exists():
        _check_table(path, schema, table)


def write(
    path: Path, schema: Schema, rows: Iterable[Values], *, table: str, raw: bool = False
) -> None:
    """Write rows to a file in the format of its suffix. In a database only `table` is replaced.

    raw: leave the cells of a CSV that a spreadsheet program takes for formulas as they are. On any
    error the file stays as it was. Raises OSError if it cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix in SQLITE and path.exists():
        _sqlite(path, schema, rows, table)
        return
    with replacing(path) as temporary:
        if suffix in SQLITE:
            _sqlite(temporary, schema, rows, table)
        elif suffix in PARQUET:
            _parquet(temporary, schema, rows)
        elif suffix in CSV:
            cells = rows if raw else ([csv_cell(value) for value in row] for row in rows)
            _csv(temporary, schema, cells, "\t" if suffix == ".tsv" else ",")
        else:
            _json_lines(temporary, schema, rows)


@dataclass(frozen=True, slots=True)
class _UnixLines:
    """End lines with a line feed. csv quotes both characters of CRLF only if it ends lines so."""

    file: TextIO

    def write(self, line: str) -> int:
        return self.file.write(line.removesuffix("\r\n") + "\n")


def _csv(path: Path, schema: Schema, rows: Iterable[Values], delimiter: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(_UnixLines(file), delimiter=delimiter, lineterminator="\r\n")
        writer.writerow(schema)
        writer.writerows(rows)


def _json_lines(path: Path, schema: Schema, rows: Iterable[Values]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(dict(zip(schema, row, strict=True)), ensure_ascii=False) + "\n")


def _parquet(path: Path, schema: Schema, rows: Iterable[Values]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    fields = pa.schema([(name, types[kind]) for name, kind in schema.items()])
    remaining = iter(rows)
    with pq.ParquetWriter(path, fields) as writer:
        while part := list(islice(remaining, AT_ONCE)):
            columns = [list(column) for column in zip(*part, strict=True)]
            writer.write_table(pa.table(dict(zip(schema, columns, strict=True)), schema=fields))


def _sqlite(path: Path, schema: Schema, rows: Iterable[Values], table: str) -> None:
    types = {str: "TEXT", int: "INTEGER", float: "REAL", bool: "INTEGER"}
    columns = ", ".join(f'"{column}" {types[kind]}' for column, kind in schema.items())
    marks = ", ".join("?" * len(schema))
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                db.execute(f'DROP TABLE IF EXISTS "{table}"')
                db.execute(f'CREATE TABLE "{table}" ({columns})')
                db.executemany(f'INSERT INTO "{table}" VALUES ({marks})', rows)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
    except sqlite3.Error as error:  # a full or read-only disk, or a lock; `check` excludes the rest
        raise OSError(f"{to_text(path)} cannot be written: {error}") from error


def _check_table(path: Path, schema: Schema, table: str) -> None:
    """Raise BadInput for a file that is not a database, or whose table is not siamkit's.

    siamkit's may have more columns behind those of the schema: regions, and those of the source.
    """
    name = to_text(path)
    try:
        with closing(sqlite3.connect(f"{real(path).as_uri()}?mode=ro", uri=True)) as db:
            query = "SELECT type FROM sqlite_master WHERE name = ?"
            existing = db.execute(query, (table,)).fetchone()
            names = [row[1] for row in db.execute(f'PRAGMA table_xinfo("{table}")')]
    except sqlite3.Error as error:
        raise BadInput(f"{name} is not a valid SQLite database: {error}") from error
    if existing and (existing[0] != "table" or names[: len(schema)] != list(schema)):
        hint = "rename it, or write to another file"
        raise BadInput(f"{name} has a {existing[0]} {table} that siamkit did not write", hint=hint)
