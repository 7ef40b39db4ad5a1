"""Open the tables that are not text: Parquet and SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from siamkit.errors import BadInput
from siamkit.io.places import real
from siamkit.io.sources import to_text
from siamkit.io.table_record import Record, Table, list_columns


@contextmanager
def open_parquet(path: Path) -> Iterator[Table]:
    """Open a Parquet file. Only the columns that are asked for are read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    name = to_text(path)
    refusing = partial(_refusing, f"{name} is not a valid Parquet file", pa.ArrowException, OSError)
    with refusing():
        file = pq.ParquetFile(path)
    names = file.schema_arrow.names

    def read(columns: Sequence[str]) -> Iterator[Record]:
        present = list(dict.fromkeys(columns))
        number = 0
        with refusing():
            for batch in file.iter_batches(columns=present):
                for row in zip(*(batch.column(column) for column in present), strict=True):
                    number += 1
                    values = map(_from_arrow, row)
                    yield Record(number, dict(zip(present, values, strict=True)))

    with file:
        yield Table(name, names, read)


@contextmanager
def _refusing(problem: str, *errors: type[Exception]) -> Iterator[None]:
    try:
        yield
    except errors as error:
        raise BadInput(f"{problem}: {' '.join(str(error).split())}") from error


def _from_arrow(value: Any) -> Any:
    """Return an Arrow value as Python's own, or as bytes if Python has none."""
    try:
        return value.as_py()
    except UnicodeDecodeError:
        return bytes(value.as_buffer()).decode("utf-8", "surrogateescape")
    except (ValueError, OverflowError):
        return b""


@contextmanager
def open_sqlite(path: Path, table: str | None) -> Iterator[Table]:
    """Open one table or view of a SQLite database, read-only."""
    file_name = to_text(path)
    problem = f"{file_name} cannot be read as a SQLite database"
    refusing = partial(_refusing, problem, sqlite3.Error)
    with refusing():
        db = sqlite3.connect(f"{real(path).as_uri()}?mode=ro", uri=True)
    with closing(db):
        db.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        with refusing():
            chosen = _choose_table(db, table, file_name)
            names = [row[1] for row in db.execute(f"PRAGMA table_xinfo({_quoted(chosen)})")]

        def read(columns: Sequence[str]) -> Iterator[Record]:
            selected = ", ".join(map(_quoted, columns)) or "NULL"
            with refusing():
                rows = db.execute(f"SELECT {selected} FROM {_quoted(chosen)}")
                for number, row in enumerate(rows, 1):
                    yield Record(number, dict(zip(columns, row, strict=False)))

        yield Table(f"{file_name}, table {chosen}", names, read)


def _choose_table(db: sqlite3.Connection, table: str | None, file_name: str) -> str:
    kinds = "('table', 'view')"
    query = f"SELECT name FROM sqlite_master WHERE type IN {kinds} AND name NOT LIKE 'sqlite_%'"
    names = [str(name) for (name,) in db.execute(f"{query} ORDER BY name")]
    if table in names:
        return str(table)
    if table is None and len(names) == 1:
        return names[0]
    problem = f"no table {table!r} in" if table else "several tables, or none, in"
    raise BadInput(f"{problem} {file_name}", hint=f"give `--table`, one of: {list_columns(names)}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
