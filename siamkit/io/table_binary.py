"""Open the tables that are not text: Parquet and SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from siamkit.io.extras import require_extra
from siamkit.io.places import real
from siamkit.io.sources import to_text
from siamkit.io.table_record import Record, Table, choose_part, refusing


@contextmanager
def open_parquet(path: Path) -> Iterator[Table]:
    """Open a Parquet file. Only the columns that are asked for are read."""
    name = to_text(path)
    require_extra("parquet", name, otherwise="save it as .csv")
    import pyarrow as pa
    import pyarrow.parquet as pq

    problem = f"{name} is not a valid Parquet file"
    refuse = partial(refusing, problem, pa.ArrowException, OSError)
    with refuse():
        file = pq.ParquetFile(path)
    names = file.schema_arrow.names

    def read(columns: Sequence[str]) -> Iterator[Record]:
        present = list(dict.fromkeys(columns))
        number = 0
        with refuse():
            for batch in file.iter_batches(columns=present):
                for row in zip(*(batch.column(column) for column in present), strict=True):
                    number += 1
                    values = map(_from_arrow, row)
                    yield Record(number, dict(zip(present, values, strict=True)))

    with file:
        yield Table(name, names, read)


def _from_arrow(value: Any) -> Any:
    """Return an Arrow value as Python's own, or as bytes if Python has none."""
    import pyarrow as pa

    try:
        if pa.types.is_timestamp(value.type) and value.type.unit == "ns":
            value = value.cast(
                pa.timestamp("us", value.type.tz)
            )  # else one of pandas, if installed
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
    refuse = partial(refusing, problem, sqlite3.Error)
    with refuse():
        db = sqlite3.connect(f"{real(path).as_uri()}?mode=ro", uri=True)
    with closing(db):
        db.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        with refuse():
            chosen = _choose_table(db, table, file_name)
            names = [row[1] for row in db.execute(f"PRAGMA table_xinfo({_quoted(chosen)})")]

        def read(columns: Sequence[str]) -> Iterator[Record]:
            selected = ", ".join(map(_quoted, columns)) or "NULL"
            with refuse():
                rows = db.execute(f"SELECT {selected} FROM {_quoted(chosen)}")
                for number, row in enumerate(rows, 1):
                    yield Record(number, dict(zip(columns, row, strict=False)))

        yield Table(f"{file_name}, table {chosen}", names, read)


def _choose_table(db: sqlite3.Connection, table: str | None, file_name: str) -> str:
    kinds = "('table', 'view')"
    query = f"SELECT name FROM sqlite_master WHERE type IN {kinds} AND name NOT LIKE 'sqlite_%'"
    names = [str(name) for (name,) in db.execute(f"{query} ORDER BY name")]
    return choose_part("table", table, names, names, file_name)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
